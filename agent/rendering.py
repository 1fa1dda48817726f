"""Templates in ``agent/prompts/*.md``, rendered strictly."""

from __future__ import annotations

import string
from importlib import resources


class TemplateError(Exception):
    """A template and its values do not match: a defect of ours."""


def render(template: str, **values: object) -> str:
    """A template's text with every ``$name`` filled in.

    Raises TemplateError for a name without a value and for a value without a name: a prompt that silently
    lost a part would cost a whole run.
    """
    text = resources.files("agent").joinpath("prompts", f"{template}.md").read_text("utf-8")
    parsed = string.Template(text)
    if not parsed.is_valid():
        raise TemplateError(f"{template}.md has a lone $: write $$")
    needed, given = set(parsed.get_identifiers()), set(values)
    if needed != given:
        raise TemplateError(
            f"{template}.md: no value for {sorted(needed - given)}, no use for {sorted(given - needed)}"
        )
    return parsed.substitute(values).strip()
