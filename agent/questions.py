"""From a diagnosis to questions: to the knowledge base, and to the memory. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from agent.chips import platform_of
from memory.knowledge.base import KnowledgeQuery
from tools.problem_text import one_line

FAMILIES: dict[str, tuple[str, ...]] = {
    "softmax": ("softmax", "_softmax", "log_softmax", "_log_softmax", "logsumexp"),
    "normalisation": (
        "layer_norm", "native_layer_norm", "group_norm", "native_group_norm", "batch_norm", "native_batch_norm",
        "_native_batch_norm_legit_no_training", "instance_norm", "rms_norm", "_fused_rms_norm", "var_mean", "rsqrt",
    ),
    "matmul": ("mm", "addmm", "bmm", "baddbmm", "matmul", "linear", "einsum", "mv", "dot", "cdist", "_cdist_forward"),
    "attention": ("scaled_dot_product_attention", "_scaled_dot_product_flash_attention_for_cpu"),
    "convolution": ("convolution", "conv1d", "conv2d", "conv3d"),
    "pooling": (
        "avg_pool1d", "avg_pool2d", "avg_pool3d", "max_pool2d_with_indices", "max_pool2d", "adaptive_avg_pool2d",
    ),
    "scan": ("cumsum", "cumprod", "cummax", "cummin", "logcumsumexp"),
    "gather": ("gather", "index", "index_select", "embedding", "_embedding_bag", "embedding_bag", "take"),
    "scatter": ("scatter", "scatter_add", "index_add", "index_put", "scatter_reduce", "bincount", "histc"),
    "reduction": ("sum", "mean", "amax", "amin", "max", "min", "argmax", "argmin", "prod", "norm", "var", "std",
        "linalg_vector_norm"),
    "loss": ("nll_loss_forward", "cross_entropy_loss", "mse_loss", "huber_loss", "kl_div"),
}  # fmt: skip
"""Families as the knowledge base calls them, the more telling first, and the ATen names that stand for them."""
MOST_FAMILIES = 3
BREAKS = ("correctness", "compile")
"""What keeps a candidate from counting at all; everything else is about speed."""
MOST_WORDS = 200


def families_of(operators: Sequence[str]) -> tuple[str, ...]:
    """The most telling families of an operator sequence; ``pointwise`` where there is no other."""
    names = {parts[1] for name in operators if len(parts := name.split(".")) > 1}
    found = [family for family, members in FAMILIES.items() if names & {*members}]
    if "gather" in found and len(found) > 1 and not names & {"embedding", "gather", "index_select", "_embedding_bag"}:
        found.remove("gather")  # indexing beside something else is seldom what matters
    return tuple(found[:MOST_FAMILIES]) or (("pointwise",) if names else ())


def phase_of(statuses: Sequence[str]) -> str:
    """Where a search is, from its attempts' statuses."""
    if "accepted" in statuses:
        return "improve"
    return "repair" if statuses else "draft"


def knowledge_question(
    target: str, language: str, operators: Sequence[str], phase: str, diagnoses: Sequence[Mapping[str, Any]]
) -> KnowledgeQuery:
    """The typed question to the index. ``diagnoses``: ``reflected`` data of the parent, and of what failed since."""
    known = [one.get("bottleneck", "unknown") for one in diagnoses]
    bottlenecks = tuple(dict.fromkeys(name for name in known if name != "unknown"))
    failures = [one["evidence"] for one in diagnoses if one.get("bottleneck") in BREAKS]
    return KnowledgeQuery(
        platform=platform_of(target),
        language=language,
        bottlenecks=bottlenecks,
        phase="repair" if failures else phase,
        operators=families_of(operators),
        text=one_line(failures[-1], MOST_WORDS) if failures else "",
    )


def memory_question(query: KnowledgeQuery, diagnoses: Sequence[Mapping[str, Any]]) -> str:
    """Words for the memory: those of the failure, else the operator and what limits it; empty where none is known."""
    failures = [one["evidence"].partition(":")[0] for one in diagnoses if one.get("bottleneck") in BREAKS]
    if failures:
        return str(failures[-1])
    return " ".join([*query.operators, *query.bottlenecks]) if query.bottlenecks else ""
