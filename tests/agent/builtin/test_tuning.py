"""Plans print and parse; the search goes from drafts to neighbours of the best, and never says the same twice."""

from agent.builtin.plan import Plan, parse_choices, parse_plan
from agent.builtin.triton_plan import TRITON, TritonPlan
from agent.builtin.tuning import neighbours, next_plan, parse_attempts

LINE = (
    "- {id} parent=none status={status} reason={reason} speedup={speedup} ci=[1.0000, 2.0000] strategy: "
    "1 fused loop nest; {plan}\n  lesson: none\n"
)


def attempts(*rows):
    text = "".join(
        LINE.format(id=f"{n:016x}", status=status, reason=reason, speedup=speedup, plan=plan)
        for n, (status, reason, speedup, plan) in enumerate(rows, start=10)
    )
    return parse_attempts(text)


def ask(tried, slot=0, recalled=(), parent=None, much=True):
    return next_plan(list(tried), list(recalled), parent, slot, much, str)


def test_a_plan_is_its_text():
    plan = Plan(block=512, tile=64, stream=True, cache=False)
    assert parse_plan(f"2 fused loop nests; {plan}") == plan
    assert parse_plan("no such thing") is None
    assert parse_plan("plan block=64 unknown=3") == Plan(block=64)


def test_slots_of_the_first_round_differ():
    plans = [ask([], slot) for slot in range(3)]
    assert len(set(plans)) == 3
    assert plans[0] == Plan(stream=True)
    assert ask([], 0, much=False) == Plan(stream=False)


def test_what_memory_recalls_is_the_first_draft():
    known = Plan(block=4096, tile=64)
    (recalled,) = attempts(("recalled", "none", "2.5000", known))
    assert ask([], 0, [recalled]) == known
    (slower,) = attempts(("recalled", "none", "0.1900", known))
    assert ask([], 0, [slower]) == ask([], 0)


def test_neighbours_of_the_best_come_next_and_nothing_twice():
    best, other = Plan(stream=True), Plan(stream=False)
    tried = attempts(("accepted", "none", "2.0000", best), ("accepted", "none", "1.2000", other))
    asked = [ask(tried, slot) for slot in range(6)]
    assert len(set(asked)) == 6
    assert not {best, other} & set(asked)
    assert asked[0] in set(neighbours(best))


def test_the_parent_comes_before_what_is_faster():
    fast, slow = Plan(stream=True), Plan(tile=64, split=True)
    tried = attempts(("accepted", "none", "2.0000", fast), ("accepted", "none", "1.2000", slow))
    assert ask(tried, parent=tried[1].id) in set(neighbours(slow))
    assert ask(tried, parent=tried[0].id) in set(neighbours(fast))


def test_two_parents_are_crossed():
    fast, slow = Plan(stream=True), Plan(tile=64, split=True)
    tried = attempts(("accepted", "none", "2.0000", fast), ("accepted", "none", "1.2000", slow))
    asked = [next_plan(tried, [], tried[0].id, slot, True, str, mate=tried[1].id) for slot in range(4)]
    assert asked[:3] == [fast.but(tile=64), fast.but(stream=False), fast.but(split=True)]
    assert asked[3] == fast.but(stream=False, split=True)


def test_independent_samples_go_on_beyond_the_drafts():
    plans = [ask([], number) for number in range(12)]
    assert len(set(plans)) == 12
    assert None not in plans


def test_wrong_numbers_are_answered_with_more_exact_ones():
    tried = attempts(("rejected", "wrong_output", "none", Plan(stream=True)))
    plan = ask(tried)
    assert plan.exact
    assert not plan.fast


def test_when_all_within_reach_was_tried_there_is_none():
    assert next_plan([], [], None, 99, True, lambda plan: "the same text") is None


def test_a_triton_plan_is_its_text():
    plan = TritonPlan(dot=342, stream=True, lanes=16)
    assert parse_choices(f"1 fused loop nest; {plan}", TritonPlan()) == plan
    assert parse_choices("plan lanes=16 recycle=1", TritonPlan()) == TritonPlan(lanes=16)


def test_triton_goes_from_drafts_to_neighbours_of_the_best():
    plans = [next_plan([], [], None, slot, True, str, TRITON) for slot in range(5)]
    assert plans[0] == TritonPlan()
    assert len(set(plans)) == 5
    line = LINE.format(id="a" * 16, status="accepted", reason="none", speedup="2.0", plan=TritonPlan(dot=342))
    other = LINE.format(id="b" * 16, status="accepted", reason="none", speedup="1.5", plan=TritonPlan())
    tried = parse_attempts(line + other, TritonPlan())
    following = [next_plan(tried, [], None, slot, True, str, TRITON) for slot in range(12)]
    assert len({TritonPlan(dot=342), TritonPlan(), *following}) == 14
    assert following[0] == TritonPlan(dot=332)


def test_after_a_wrong_answer_triton_is_careful():
    line = LINE.format(id="a" * 16, status="rejected", reason="wrong_output", speedup="none", plan=TritonPlan(dot=332))
    tried = parse_attempts(line, TritonPlan())
    assert next_plan(tried, [], None, 0, True, str, TRITON) == TritonPlan(dot=332, exact=True, fast=False)
    assert next_plan(tried, [], None, 1, True, str, TRITON) == TritonPlan(exact=True, fast=False)
