"""The knowledge base: reading documents, asking the index, overriding, and what is said of a bad document."""

from __future__ import annotations

import re
import threading
from pathlib import Path

import pytest

from memory.errors import KnowledgeError, UnknownDocument
from memory.knowledge.base import KnowledgeQuery
from memory.knowledge.documents import KEYS, MAX_LINE, body_for, parse_document
from memory.knowledge.folders import FolderKnowledge, open_knowledge, read_folder

FACTS = {
    "title": "A title", "summary": "What it is about", "platforms": "any", "languages": "any",
    "bottlenecks": "memory", "phases": "draft, improve", "operators": "any", "keywords": "word, two words",
}  # fmt: skip


def text_of(body: str = "The body.\n", **changes: str | None) -> str:
    facts = {**FACTS, **changes}
    lines = [f"{key}: {value}" for key, value in facts.items() if value is not None]
    return "\n".join(["---", *lines, "---", "", body])


def write(folder: Path, name: str, text: str) -> Path:
    file = folder / f"{name}.md"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


def names_of(base, **question) -> list[str]:
    return [hit.name for hit in base.find(KnowledgeQuery(**question))]


def test_a_document_is_its_front_matter_and_its_body():
    document = parse_document("a/b", text_of("\nFirst line.\n\n- --- is no border\n"), "b.md")
    assert (document.name, document.title, document.summary) == ("a/b", "A title", "What it is about")
    assert document.keywords == ("word", "two words")
    assert document.phases == ("draft", "improve")
    assert document.body == "First line.\n\n- --- is no border"
    assert document.first_line == len(KEYS) + 5


@pytest.mark.parametrize(
    ("text", "line", "fault"),
    [
        ("", 1, "begins with a line of three dashes"),
        ("# Title\n", 1, "begins with a line of three dashes"),
        ("---\ntitle: x\n", 1, "has no end"),
        (text_of(colour="red"), 10, "'colour' is no key"),
        (text_of().replace("summary:", "title:"), 3, "title was given in line 2 already"),
        (text_of(keywords=None), 9, "lacks keywords"),
        (text_of(title=""), 2, "title has 0 characters"),
        (text_of(summary="x" * (MAX_LINE + 1)), 3, f"summary has {MAX_LINE + 1} characters"),
        (text_of(platforms=" , "), 4, "platforms is empty"),
        (text_of(platforms="NVIDIA"), 4, "'NVIDIA' is no plain lower-case word"),
        (text_of(bottlenecks="bandwidth"), 6, "'bandwidth' is unknown; there are compile, compute"),
        (text_of(phases="tuning"), 7, "'tuning' is unknown; there are draft"),
        (text_of("  \n"), 10, "nothing after the front matter"),
    ],
)
def test_a_bad_document_is_named_with_its_line(tmp_path, text, line, fault):
    file = write(tmp_path, "bad", text)
    with pytest.raises(KnowledgeError) as caught:
        open_knowledge([tmp_path])
    assert str(caught.value).startswith(f"{file}:{line}: ")
    assert fault in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_no_document_is_said_too(tmp_path):
    with pytest.raises(KnowledgeError, match="no such folder"):
        open_knowledge([tmp_path / "absent"])
    (tmp_path / "latin.md").write_bytes(b"---\ntitle: fr\xe9\n")
    with pytest.raises(KnowledgeError, match=r"latin\.md:2: is not UTF-8"):
        open_knowledge([tmp_path])
    (tmp_path / "latin.md").unlink()
    write(tmp_path, "a name", text_of())
    with pytest.raises(KnowledgeError, match="give the file a name"):
        open_knowledge([tmp_path])


def test_only_documents_are_read(tmp_path):
    for name in ("index", "b/deep", "a"):
        write(tmp_path, name, text_of())
    (tmp_path / "notes.txt").write_text("no document")
    (tmp_path / ".hidden.md").write_text("no document")
    assert [document.name for document in read_folder(tmp_path)] == ["a", "b/deep"]


def test_a_users_document_overrides_ours_by_name(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    write(first, "languages/triton", text_of("Of the first folder.", title="First"))
    write(second, "languages/triton", text_of("Of the second folder.", title="Second"))
    write(second, "chips/ours", text_of("A chip of ours.", platforms="our-chip", keywords="gizmo"))
    base = open_knowledge([first, second])
    assert base.read("languages/triton").body == "Of the second folder."
    assert set(base.names()) == {*open_knowledge().names(), "chips/ours"}
    assert names_of(base, text="gizmo") == ["chips/ours"]
    assert "chips/ours" in names_of(base, platform="our-chip", bottlenecks=("memory",))
    assert "chips/ours" not in names_of(base, platform="nvidia", bottlenecks=("memory",), limit=99)


def test_reading_by_name():
    base = open_knowledge()
    whole = base.read("guidance/scans")
    assert base.read("guidance/scans.md") == whole == base.read(" scans ")
    with pytest.raises(UnknownDocument) as caught:
        base.read("guidance/scan")
    assert "guidance/scans" in caught.value.similar
    with pytest.raises(UnknownDocument) as caught:
        base.read("memory")
    assert caught.value.similar == ("hardware/cpu/memory", "hardware/nvidia/memory")
    for odd in ("", "../../pyproject", "/etc/passwd", "index"):
        with pytest.raises(UnknownDocument):
            base.read(odd)


@pytest.mark.parametrize(
    ("question", "first"),
    [
        ({"platform": "nvidia", "language": "triton", "bottlenecks": ("memory",), "operators": ("softmax",)},
         {"guidance/softmax-and-norms"}),
        ({"platform": "cpu", "language": "cpp", "bottlenecks": ("compile",), "phase": "repair"},
         {"guidance/debug-compile"}),
        ({"platform": "nvidia", "language": "cuda", "bottlenecks": ("occupancy",)}, {"hardware/nvidia/occupancy",
         "languages/cuda"}),
        ({"platform": "cpu", "language": "cpp", "operators": ("scan",), "phase": "draft"}, {"guidance/scans"}),
        ({"platform": "nvidia", "language": "triton", "bottlenecks": ("launch",)}, {"guidance/launch-bound"}),
        ({"platform": "nvidia", "text": "illegal memory access"}, {"guidance/debug-crashes"}),
        ({"platform": "cpu", "text": "non-temporal streaming stores"}, {"hardware/cpu/memory"}),
        ({"text": "embeddings"}, {"guidance/gather-scatter"}),
    ],
)  # fmt: skip
def test_the_right_document_comes_first(question, first):
    found = open_knowledge().find(KnowledgeQuery(**question))
    assert {hit.name for hit in found[: len(first)]} == first
    assert all(hit.why and hit.title and hit.summary for hit in found)
    assert [hit.score for hit in found] == sorted((hit.score for hit in found), reverse=True)


def test_platform_and_language_filter():
    base = open_knowledge()
    for platform, language in (("cpu", "cpp"), ("nvidia", "triton"), ("nvidia", "cuda"), ("cpu", "python")):
        for name in names_of(base, platform=platform, language=language, text="memory", limit=99):
            document = base.read(name)
            assert {platform, "any"} & {*document.platforms}, name
            assert {language, "any"} & {*document.languages}, name
    assert "languages/cuda" in names_of(base, platform="nvidia", language="cuda", text="launcher")


def test_a_question_that_asks_nothing_finds_nothing():
    base = open_knowledge()
    assert base.find(KnowledgeQuery()) == []
    assert base.find(KnowledgeQuery(text="   ?!  ")) == []
    assert base.find(KnowledgeQuery(text="memory", limit=0)) == []
    assert base.find(KnowledgeQuery(text="xyzzyplugh")) == []


def test_any_text_is_only_text():
    base = open_knowledge()
    for text in ('"', "memory AND (", "NEAR(a b)", "*", "title:scan", "'; DROP TABLE text", "\x00", "ü", "-bm25"):
        base.find(KnowledgeQuery(text=text))
    assert base.find(KnowledgeQuery(text="softmax"))


def test_the_order_is_the_same_every_time_and_ties_go_by_name(tmp_path):
    for name in ("c", "a", "b"):
        write(tmp_path, name, text_of())
    base = FolderKnowledge([tmp_path])
    assert names_of(base, bottlenecks=("memory",)) == ["a", "b", "c"]
    assert names_of(base, text="body") == ["a", "b", "c"]
    ours = [open_knowledge().find(KnowledgeQuery(platform="cpu", text="vector loads")) for _ in range(2)]
    assert ours[0] == ours[1]


def test_without_the_full_text_module_words_still_find(monkeypatch):
    monkeypatch.setattr("memory.knowledge.ranking.has_fts5", lambda connection: False)
    base = open_knowledge()
    assert names_of(base, text="histogram")[0] == "guidance/gather-scatter"
    assert base.find(KnowledgeQuery(text="xyzzyplugh")) == []


def test_threads_may_share_it():
    base = open_knowledge()
    expected = names_of(base, text="softmax rows")
    seen: list[list[str]] = []
    threads = [threading.Thread(target=lambda: seen.append(names_of(base, text="softmax rows"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [expected] * 8


MIXED = """Rules.

```cpp
for (;;) {}
```

Then:

```python
import triton.language as tl
x = tl.load(p)
```

```python
import torch
```

```text
a table
```
"""


@pytest.mark.parametrize(
    ("language", "shown", "named"),
    [
        ("cpp", ["for (;;)", "import torch", "a table"], ["Triton"]),
        ("triton", ["tl.load", "import torch", "a table"], ["C++"]),
        ("cute", ["import torch", "a table"], ["C++", "Triton"]),
        ("python", ["import torch", "a table"], ["C++", "Triton"]),
        ("hip", ["for (;;)", "tl.load", "import torch", "a table"], []),
    ],
)
def test_examples_in_other_languages_are_only_named(language, shown, named):
    document = parse_document("guidance/a", text_of(MIXED), "a.md")
    text = body_for(document, language)
    every = ("for (;;)", "tl.load", "import torch", "a table")
    assert [part for part in every if part in text] == shown
    assert re.findall(r"\(An example in (.*?): read_knowledge shows it\.\)", text) == named
    assert text.startswith("Rules.\n\n")
