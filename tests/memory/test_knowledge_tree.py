"""Our own documents: form, index, links, vocabulary. Whether their code is right: test_knowledge_code.py."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from memory.knowledge.contents import index_text
from memory.knowledge.documents import Document
from memory.knowledge.folders import open_knowledge, own_tree
from sandbox.target import MATRIX

PLATFORMS = {"any", "cpu", "nvidia", "amd"}
OPERATORS = {
    "any", "pointwise", "reduction", "softmax", "normalisation", "matmul", "attention", "scan", "gather", "scatter",
    "convolution", "pooling", "loss",
}  # fmt: skip
DOCUMENTS = open_knowledge().documents()
MIN_LINES, MAX_LINES = 40, 135


@pytest.fixture(scope="module", params=DOCUMENTS, ids=[document.name for document in DOCUMENTS])
def document(request) -> Document:
    return request.param


def test_there_are_enough_for_every_language_and_chip():
    names = {document.name for document in DOCUMENTS}
    assert len(names) >= 20
    assert {f"languages/{name}" for name in ("cpp", "triton", "cuda", "cute")} <= names
    for folder in ("constraints", "guidance", "hardware/cpu", "hardware/nvidia", "languages"):
        assert [name for name in names if name.startswith(f"{folder}/")], folder


def test_the_index_is_that_of_the_documents():
    """Write it anew with scripts/index_knowledge.py."""
    assert own_tree().joinpath("index.md").read_text("utf-8") == index_text(DOCUMENTS)


def test_documents_are_short_and_use_one_vocabulary(document):
    lines = document.body.splitlines()
    assert MIN_LINES - 5 <= len(lines) <= MAX_LINES
    assert max(map(len, lines)) <= 150
    assert {*document.platforms} <= PLATFORMS
    assert {*document.languages} <= {"any", *(row.language for row in MATRIX)}
    assert {*document.operators} <= OPERATORS
    assert document.body.startswith(f"# {document.title}\n")


def test_no_line_could_pass_for_a_heading_of_the_prompt(document):
    """Sections of a prompt are found by their headings: code may not hold what looks like one."""
    inside = False
    for line in document.body.splitlines():
        inside = inside != line.startswith("```")
        assert not (inside and line.startswith("## ")), line


def test_every_code_block_is_closed_and_names_its_language(document):
    fences = re.findall(r"^```(\w*)$", document.body, re.M)
    assert len(fences) % 2 == 0
    assert {*fences[::2]} <= {"cpp", "cuda", "python"}
    assert {*fences[1::2]} <= {""}


def test_links_lead_to_documents(repository, document):
    file = repository / "memory" / "knowledge" / "tree" / f"{document.name}.md"
    prose = re.sub(r"^```.*?^```$", "", document.body, flags=re.M | re.S)
    for target in re.findall(r"\]\(([^)]+)\)", prose):
        assert not target.startswith(("http:", "https:")), "documents work without a network"
        assert (file.parent / target).resolve().is_file(), target


def test_links_of_the_index_lead_to_documents(repository):
    tree = repository / "memory" / "knowledge" / "tree"
    targets = re.findall(r"\]\(([^)]+)\)", (tree / "index.md").read_text(encoding="utf-8"))
    assert sorted(targets) == sorted(f"{document.name}.md" for document in DOCUMENTS)
    assert all((tree / target).is_file() for target in targets)


def test_every_document_can_be_reached(repository):
    """Each is what some typed question finds among the first six, for a platform and language that it is for."""
    from memory.knowledge.base import KnowledgeQuery

    base = open_knowledge()
    for document in DOCUMENTS:
        platform = next(name for name in (*document.platforms, "cpu") if name != "any")
        language = next(
            name for name in (*document.languages, "cpp" if platform == "cpu" else "triton") if name != "any"
        )
        operators = tuple(name for name in document.operators if name != "any")[:1]
        question = KnowledgeQuery(
            platform, language, document.bottlenecks[:1], document.phases[0], operators, document.title
        )
        assert document.name in [hit.name for hit in base.find(question)], document.name


def test_the_tree_is_where_the_wheel_takes_it_from(repository):
    assert Path(str(own_tree())) == repository / "memory" / "knowledge" / "tree"
