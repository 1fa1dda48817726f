"""What every ``ExperienceStore`` must pass: inherit ``StoreContract`` and override ``open_store``."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

from memory.experience import Experience
from memory.store import ExperienceStore, Query


def make_experience(number: int, **changes: Any) -> Experience:
    """A complete experience that differs from others by ``number``; ``changes`` override fields."""
    fields: dict[str, Any] = {
        "id": f"experience-{number:04d}",
        "created_at": "2026-01-01T00:00:00Z",
        "run_id": "run-1",
        "problem": "softmax_rows",
        "operator_signature": "op-softmax",
        "shape_signature": "shape-a",
        "operators": ("aten.amax", "aten.sub", "aten.exp", "aten.sum", "aten.div"),
        "shapes": ((1024, 512),),
        "target": "cpu",
        "hardware": "a processor",
        "language": "cpp",
        "precision": "native",
        "evidence": "measured",
        "model": "builtin",
        "status": "accepted",
        "speedup": 2.0,
        "source": f"# candidate {number}",
        "strategy": "three passes fused into one",
        "lesson": "bound by memory traffic",
    }
    return Experience(**{**fields, **changes})


def make_query(**changes: Any) -> Query:
    """The query that ``make_experience`` answers with a score of 1."""
    fields: dict[str, Any] = {
        "operator_signature": "op-softmax",
        "shape_signature": "shape-a",
        "operators": ("aten.amax", "aten.sub", "aten.exp", "aten.sum", "aten.div"),
        "shapes": ((1024, 512),),
        "target": "cpu",
        "language": "cpp",
        "precision": "native",
        "hardware": "a processor",
    }
    return Query(**{**fields, **changes})


def _ids(store: ExperienceStore, query: Query) -> list[str]:
    return [hit.experience.id for hit in store.recall(query)]


class StoreContract:
    """Behaviour, not storage: everything here must hold for a dictionary and for a database alike."""

    def open_store(self) -> ExperienceStore:
        """An empty store of the kind under test."""
        raise NotImplementedError

    def test_an_empty_store_recalls_nothing(self) -> None:
        """Nothing in, nothing out, no error."""
        store = self.open_store()
        assert store.recall(make_query()) == []
        assert store.search("softmax") == []
        assert store.count() == 0

    def test_adding_is_idempotent_by_id(self) -> None:
        """The second time changes nothing, even with another content."""
        store = self.open_store()
        assert store.add(make_experience(1)) is True
        assert store.add(make_experience(1, lesson="something else")) is False
        assert store.count() == 1
        assert next(store.entries()).lesson == "bound by memory traffic"

    def test_what_comes_back_is_what_went_in(self) -> None:
        """Every field survives, the odd ones too."""
        store = self.open_store()
        odd = make_experience(1, source="# Grüße\n\x00\u2028", speedup_ci95=(1.5, 2.5), extra={"a": [1, None]})
        store.add(odd)
        assert store.recall(make_query())[0].experience == odd
        assert list(store.entries()) == [odd]

    def test_other_targets_languages_and_precisions_are_filtered_out(self) -> None:
        """A kernel for another chip is no help, however fast."""
        store = self.open_store()
        store.add(make_experience(1, target="cuda:sm90"))
        store.add(make_experience(2, language="triton"))
        store.add(make_experience(3, precision="tolerance"))
        assert store.recall(make_query()) == []

    def test_the_ladder_of_likeness(self) -> None:
        """Same shapes, close shapes, far shapes, a similar operator; never an unrelated one."""
        store = self.open_store()
        store.add(make_experience(1, operator_signature="op-other", operators=("aten.convolution", "aten.relu")))
        similar = ("aten.amax", "aten.sub", "aten.exp", "aten.sum", "aten.log", "aten.sub")
        store.add(make_experience(2, operator_signature="op-log-softmax", operators=similar, speedup=9.0))
        store.add(make_experience(3, shape_signature="shape-far", shapes=((8, 65536),), speedup=5.0))
        store.add(make_experience(4, shape_signature="shape-near", shapes=((2048, 512),)))
        store.add(make_experience(5, speedup=1.1))
        hits = store.recall(make_query())
        assert [hit.experience.id[-1] for hit in hits] == ["5", "4", "3", "2"]
        assert [hit.why for hit in hits] == [
            "same operator, same shapes",
            "same operator, other shapes",
            "same operator, other shapes",
            "similar operator",
        ]
        assert hits[0].score == 1.0
        assert all(first.score > second.score for first, second in pairwise(hits))

    def test_other_hardware_ranks_lower(self) -> None:
        """The same kernel measured elsewhere is weaker evidence."""
        store = self.open_store()
        store.add(make_experience(1, hardware="another processor", speedup=9.0))
        store.add(make_experience(2))
        assert _ids(store, make_query()) == ["experience-0002", "experience-0001"]
        assert store.recall(make_query())[1].score < 1.0

    def test_ties_by_confirmed_then_speedup_then_id(self) -> None:
        """The order is the same every time, whatever the order of storing."""
        store = self.open_store()
        for number, confirmed, speedup in ((4, False, 3.0), (3, False, 3.0), (1, False, 2.0), (2, True, 1.2)):
            store.add(make_experience(number, confirmed=confirmed, speedup=speedup))
        assert [name[-1] for name in _ids(store, make_query())] == ["2", "3", "4", "1"]

    def test_rejections_are_kept_and_never_crowd_out_what_works(self) -> None:
        """An accepted kernel for other shapes is worth more than a rejected one for these."""
        store = self.open_store()
        for number in range(8):
            store.add(make_experience(number, status="rejected", reason="wrong_output", speedup=None))
        store.add(make_experience(9, shape_signature="shape-b", shapes=((4096, 512),)))
        hits = store.recall(make_query())
        assert hits[0].experience.id == "experience-0009"
        assert len(hits) == 5
        assert hits[1].experience.status == "rejected"

    def test_the_same_source_is_recalled_once(self) -> None:
        """A kernel found in three runs is one idea; its best record speaks for it."""
        store = self.open_store()
        for number, confirmed in ((1, False), (2, True), (3, False)):
            store.add(make_experience(number, source="# the same", confirmed=confirmed))
        assert _ids(store, make_query()) == ["experience-0002"]

    def test_the_limit_holds(self) -> None:
        """Neither recall nor search returns more than it was asked for."""
        store = self.open_store()
        for number in range(9):
            store.add(make_experience(number))
        assert len(store.recall(make_query(limit=3))) == 3
        assert store.recall(make_query(limit=0)) == []
        assert len(store.search("softmax", limit=4)) == 4

    def test_search_finds_words_of_problem_operators_strategy_and_lesson(self) -> None:
        """By the beginnings of words, in any case; more of the words is better."""
        store = self.open_store()
        store.add(make_experience(1, problem="layer_norm_big", lesson="vector width matters"))
        store.add(make_experience(2, operators=("aten.cumsum",), strategy="non-temporal stores"))
        assert [hit.experience.id[-1] for hit in store.search("Layer")] == ["1"]
        assert [hit.experience.id[-1] for hit in store.search("cums")] == ["2"]
        assert [hit.experience.id[-1] for hit in store.search("temporal")] == ["2"]
        assert [hit.experience.id[-1] for hit in store.search("fused layer vector")] == ["1"]
        assert [hit.experience.id[-1] for hit in store.search("memory vector")] == ["1", "2"]
        assert store.search("nonsense") == []

    def test_search_takes_any_text(self) -> None:
        """Quotes, operators of query languages, emptiness: text is only ever text."""
        store = self.open_store()
        store.add(make_experience(1))
        for text in ("", "   ", '"', "softmax AND (", "NEAR(a b)", "*", "a:b", "'; DROP TABLE", "%", "_"):
            assert all(hit.experience.id == "experience-0001" for hit in store.search(text))
        assert store.search("%") == []

    def test_threads_may_share_it(self) -> None:
        """Each experience is stored by exactly one of the threads that try."""
        store = self.open_store()
        with ThreadPoolExecutor(4) as pool:
            added = list(pool.map(lambda number: store.add(make_experience(number % 25)), range(100)))
        assert sum(added) == 25
        assert store.count() == 25
        assert len({item.id for item in store.entries()}) == 25

    def test_closing_twice_is_fine(self) -> None:
        """``close`` is idempotent."""
        store = self.open_store()
        store.close()
        store.close()
