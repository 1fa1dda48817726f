"""What becomes of a description when the oracle's worker fails at the operator graph."""

import pytest

from tests.tools.judged import problem
from tools.errors import RequestError
from tools.inputs import Manners
from tools.oracle import Oracle
from tools.worker import WorkerFailed

CASE = {
    "name": "default",
    "inputs": [],
    "outputs": [{"shape": [2], "dtype": "float32", "stride": [1]}],
    "bytes_moved": 8,
    "flops": 0,
    "mutates": False,
}
ANSWERS = {
    "problem": {"init": [], "tensors": [], "state": {}},
    "describe": {"cases": [CASE], "torch_version": "0"},
    "graph": {"graph": {"nodes": []}, "graph_error": None, "operators": ["aten.relu.default"]},
}


class Scripted:
    """A worker that fails at one request; some failures end it."""

    def __init__(self, failing: str, reason: str) -> None:
        self.alive = True
        self.asked: list[tuple[str, int | None]] = []
        self._failing, self._reason = failing, reason

    def ask_facts(self, op, body, sizes=None):
        assert self.alive
        self.asked.append((op, body.get("seed")))
        if op != self._failing:
            return dict(ANSWERS[op]), []
        self.alive = self._reason == "runtime_error"
        raise WorkerFailed(self._reason, "no answer within 20 s")


def described(failing: str, reason: str):
    """The description, and the workers that it took."""
    started: list[Scripted] = []

    def start() -> Scripted:
        started.append(Scripted(failing, reason))
        return started[-1]

    oracle = Oracle(start, problem(), "/problem/problem.py", 1 << 30, 20.0)
    oracle.open(5)
    description, manners = oracle.describe()
    assert manners == {"default": Manners()}
    return description, started


def test_the_graph_is_part_of_the_description():
    description, started = described("nothing", "")
    assert description.operators == ("aten.relu.default",)
    assert len(started) == 1


@pytest.mark.parametrize("reason", ["timeout", "crash", "out_of_memory", "runtime_error"])
def test_a_problem_whose_graph_cannot_be_read_is_described_without(reason):
    description, started = described("graph", reason)
    assert (description.graph, description.operators) == (None, ())
    assert description.graph_error == "the operator graph could not be read: no answer within 20 s"
    assert description.cases[0].name == "default"
    assert started[-1].alive
    assert len(started) == (1 if reason == "runtime_error" else 2)
    assert started[-1].asked[0] == ("problem", 5)


def test_a_reference_that_cannot_be_run_is_refused_all_the_same():
    with pytest.raises(RequestError, match="did not finish within 20 s"):
        described("describe", "timeout")
