"""Texts of a chat, and settings as words of a command line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agent.chat.reading import Operator
from agent.chat.writing import DEFAULT_DTYPE, Inputs
from agent.models.pricing import Price, price_models
from agent.settings import AgentSettings
from tools.problem import Description
from tools.problem_text import one_line

GREETING = (
    "What is to be made fast? Paste a function, a class or a KernelBench file (a blank line ends it), give the path "
    "of one, or name the operator with its shapes: softmax 4096x4096 bf16."
)
HELP = """\
in the middle of a search:
  pause, go on            hold it (its seconds stand still), and let it go on
  stop                    search no further: confirm the best so far and leave the kernel
  stop at 2x              a target; also: no target, 10 more candidates, 5 more minutes, at most $3
  abort                   interrupt it; its state is kept, and `go on` takes it up again
  status, why             how it stands; what was tried, and why
  explain [ID]            a candidate; without an id the best one
  show kernel             its source;  show problem: the problem file
  what did you learn?     the lessons so far
  quit                    leave; a search that runs goes on by itself
whatever else you say is told to the language model as a hint, or answered by it if it is a question"""
NEEDS_MODEL = (
    "that needs a language model: begin the chat with --model openai:NAME (and --base-url for your own server)"
)
NO_HINTS = "the builtin model follows no hints; a language model would: --model openai:NAME"
_SWITCHES = ("memory", "streaming", "stop_at_floor")


def to_settings(words: Mapping[str, Any]) -> dict[str, Any]:
    """Words of the command line as settings: the negative switches turned round."""
    settings = dict(words)
    for switch in _SWITCHES:
        if settings.pop(f"no_{switch}", False):
            settings[switch] = False
    return settings


def to_argv(words: Mapping[str, Any]) -> list[str]:
    """Words by name as options of a command line."""
    argv: list[str] = []
    for name, value in words.items():
        flag = "--" + name.replace("_", "-")
        if value is True:
            argv.append(flag)
        elif value not in (None, False, ""):
            for one in value if isinstance(value, list | tuple) else [value]:
                argv += [flag, f"{one:g}" if isinstance(one, float) else str(one)]
    return argv


def question_of(operator: Operator, missing: list[str]) -> str:
    """What has to be asked, with an example of an answer."""
    wanted = missing[0] if len(missing) == 1 else ", ".join(missing[:-1]) + " and " + missing[-1]
    if missing[0].startswith("how large"):
        return f"{operator.name}: {wanted}? For instance: below 1000."
    names = [name for name in operator.tensors if f"the shape of {name}" in missing]
    values = [name for name in (*operator.settings, *operator.scalars) if f"the value of {name}" in missing]
    example = ", ".join([*(f"{name} 128x256" for name in names[:2]), *(f"{name}=512" for name in values[:2])])
    return f"{operator.name}: what is {wanted}? For instance: {example}{' bf16' if names else ''}."


def inputs_text(operator: Operator, inputs: Inputs) -> str:
    """One line."""
    told = [
        f"{name} {'x'.join(map(str, one.shape)) or 'scalar'} {one.dtype or inputs.dtype or DEFAULT_DTYPE}"
        for name, one in inputs.tensors.items()
    ]
    return ", ".join([*told, *(f"{name}={value!r}" for name, value in inputs.values.items())])


def facts_of(found: Description) -> list[str]:
    """What a sandbox found out, a line each."""
    shown = ", ".join(found.operators[:8]) + (", ..." if len(found.operators) > 8 else "")
    lines = [f"operators  {one_line(shown) or 'none seen'}"]
    for case in found.cases:
        inputs = ", ".join(one_line(str(item), 80) for item in case.inputs)
        outputs = ", ".join(str(item) for item in case.outputs)
        lines.append(f"case       {one_line(case.name)}: {inputs} -> {outputs}")
    return [*lines, *(f"note       {one_line(note)}" for note in found.notes)]


def summary_text(name: str, facts: list[str], settings: AgentSettings) -> str:
    """The problem as understood, and what is to be done with it."""
    licence = "native precision" if settings.precision == "native" else f"tolerance {settings.atol:g}"
    goal = "" if settings.target_speedup is None else f", stop at {settings.target_speedup:g}x"
    bounds = f"at most {settings.max_candidates} candidates and {settings.max_seconds:g} s{goal}"
    lines = [
        "This is what I understood:",
        f"problem    {name}",
        *facts,
        f"target     {settings.target}, {settings.language}, {licence}",
        f"search     model {settings.model}, {bounds}",
        "Is that right? yes; no; show problem; or what is to be changed, such as: bf16, stop at 2x, 20 candidates",
    ]
    return "\n  ".join(lines[:-1]) + "\n" + lines[-1]


def spending_text(settings: AgentSettings, models: list[str], spent: str) -> str:
    """Before anything is paid for: prices and caps."""
    prices = price_models(settings.models, settings)
    caps = [
        f"{name.replace('_', ' ')} {value:,}" if name == "max_tokens" else f"{name.replace('_', ' ')} ${value:g}"
        for name, value in (("max_tokens", settings.max_tokens), ("max_cost", settings.max_cost))
        if value is not None
    ]
    none = "none: nothing but the search's own bounds ends the spending; say at most $2, or 200k tokens"
    return "\n".join(
        [
            "This may cost money:",
            *(f"  {name}: {_price_text(prices[name])}" for name in models),
            f"  caps: {', '.join(caps) or none}",
            *([f"  so far: {spent}"] if spent else []),
            "Go ahead? yes; no (the builtin model costs nothing); or a cap",
        ]
    )


def _price_text(price: Price | None) -> str:
    if price is None:
        return "its price is unknown"
    return f"${price.input:g} a million tokens in, ${price.output:g} out ({price.source or 'given'})"
