"""The root index of a knowledge tree: made of the documents' front matter, so that it never says anything else."""

from __future__ import annotations

from collections.abc import Iterable

from memory.knowledge.documents import Document

HEAD = """# Knowledge

Short documents for whoever writes kernels, person or model. This page is made of their front matter by
`scripts/index_knowledge.py`; a test compares it. Rules of thumb in them are where to begin measuring, not where to end;
figures name their source.
"""


def index_text(documents: Iterable[Document]) -> str:
    """Markdown: a table a folder, a row a document."""
    sections: dict[str, list[str]] = {}
    for document in sorted(documents, key=lambda item: item.name):
        folder = document.name.rpartition("/")[0] or "general"
        tags = [", ".join(getattr(document, name)) for name in ("platforms", "languages", "bottlenecks", "operators")]
        link = f"[{document.title}]({document.name}.md)"
        sections.setdefault(folder, []).append(f"| {link} | {document.summary} | {' | '.join(tags)} |")
    parts = [HEAD]
    for folder, rows in sorted(sections.items()):
        head = "| document | summary | platforms | languages | bottlenecks | operators |\n|---|---|---|---|---|---|"
        parts.append("\n".join([f"## {folder}", "", head, *rows, ""]))
    return "\n".join(parts)
