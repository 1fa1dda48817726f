"""The program that profilers look at: a candidate is built as a judgement builds it, warmed up, and called some times.

Run as ``python profiled.py JSON`` in a sandbox of its own. It decides neither correctness nor time: the candidate's
code runs in it and may say anything, so nothing it prints enters a verdict. Its last line begins with ``@profiled``.
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_ROOT = str(Path(__file__).resolve().parents[2])
sys.path.insert(0, _ROOT)

import torch  # noqa: E402 - the path of this package must be known first

from tools.harness.backward import asked  # noqa: E402
from tools.harness.cute_dsl import use_cute_dsl  # noqa: E402
from tools.harness.extensions import find_what_was_built, use_what_was_compiled  # noqa: E402
from tools.harness.reference import Reference  # noqa: E402
from tools.harness.subject import adopt_state, load_module, seed_everything  # noqa: E402

sys.path.remove(_ROOT)

MARK = "@profiled "
SEED = 20_240_517
"""Of this program's own inputs and parameters: a judgement's are drawn from secrets."""
CALL = "kernelwright.call"
TRACE = "/tmp/kernelwright-trace.json"  # noqa: S108 - the sandbox's own
PROTON = "/tmp/kernelwright-proton"  # noqa: S108 - the sandbox's own
MAX_EVENTS = 20_000
MAX_NAME = 200
KINDS = {
    "user_annotation": "call",
    "cpu_op": "operator",
    "kernel": "kernel",
    "gpu_memcpy": "copy",
    "gpu_memset": "fill",
    "cuda_runtime": "api",
    "cuda_driver": "api",
}
"""Torch's categories of events, and ours."""
DETAILS = {
    "registers per thread": "registers",
    "shared memory": "shared",
    "block": "block",
    "est. achieved occupancy %": "occupancy",
}

Call = Callable[[], Any]
Facts = dict[str, Any]


class Unavailable(Exception):
    """The profiler is not there, or will not start; the message says so."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class QuickReference(Reference):
    """A problem file of which only inputs and parameters are wanted."""

    def _make_precise(self) -> torch.nn.Module | None:
        return None


def prepare(request: Facts) -> tuple[Call, str]:
    """One call of the candidate on the first case's inputs, and that case's name."""
    torch.set_num_threads(request["threads"])
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    reference = QuickReference()
    reference.device = torch.device(request["device"])
    reference.open(request["problem"], request["name"], SEED)
    case, inputs = next(iter(reference.cases(SEED).items()))
    state, init = reference.model.state_dict(), reference._init
    use_what_was_compiled()
    use_cute_dsl()
    build = load_module(request["candidate"], "candidate").ModelNew
    seed_everything(SEED)
    model = build(*init)
    adopt_state(model, state)
    model.to(reference.device)
    call = asked(model, reference.plan)
    del reference, state
    return lambda: call(*inputs), case


def settle(device: str) -> None:
    """Wait for the device."""
    if device == "cuda":
        torch.cuda.synchronize()


@contextmanager
def in_range(device: str) -> Iterator[None]:
    """Tell profilers that wait for it when to look."""
    runtime: Any = torch.cuda.cudart() if device == "cuda" else None
    if runtime is not None:
        runtime.cudaProfilerStart()
    try:
        yield
        settle(device)
    finally:
        if runtime is not None:
            runtime.cudaProfilerStop()


def repeat(call: Call, times: int) -> None:
    """Call it so often."""
    for _ in range(times):
        call()


def plainly(call: Call, request: Facts) -> Facts:
    """The calls and nothing else: somebody looks on from outside."""
    with in_range(request["device"]):
        repeat(call, request["calls"])
    return {}


def under_torch(call: Call, request: Facts) -> Facts:
    """The calls' events, as torch's profiler records them."""
    from torch.profiler import ProfilerActivity, profile, record_function

    on_gpu = request["device"] == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
    with profile(activities=activities) as profiler:
        for _ in range(request["calls"]):
            with record_function(CALL):
                call()
        settle(request["device"])
    profiler.export_chrome_trace(TRACE)
    order = "self_cuda_time_total" if on_gpu else "self_cpu_time_total"
    table = profiler.key_averages().table(sort_by=order, row_limit=40, max_name_column_width=80)
    events = json.loads(Path(TRACE).read_text(encoding="utf-8", errors="replace"))["traceEvents"]
    kept = [brief(event) for event in events if event.get("ph") == "X" and event.get("cat") in KINDS]
    kept = [event for event in kept if event["kind"] != "call" or event["name"] == CALL]
    return {"events": kept[:MAX_EVENTS], "left_out": max(0, len(kept) - MAX_EVENTS), "text": table}


def brief(event: Facts) -> Facts:
    """What is needed of one event of a trace."""
    details = event.get("args") or {}
    found: Facts = {
        "kind": KINDS[event["cat"]],
        "name": str(event.get("name", ""))[:MAX_NAME],
        "ts": event.get("ts", 0),
        "dur": event.get("dur", 0),
        "tid": str(event.get("tid", "")),
    }
    return found | {ours: details[theirs] for theirs, ours in DETAILS.items() if theirs in details}


def under_proton(call: Call, request: Facts) -> Facts:
    """The tree that Triton's profiler makes of the calls."""
    try:
        import triton.profiler as proton
    except ImportError as error:
        raise Unavailable("missing", f"Triton's profiler cannot be imported: {error}") from error
    try:
        proton.start(PROTON)
    except Exception as error:
        raise Unavailable("refused", f"Triton's profiler does not start: {error}") from error
    repeat(call, request["calls"])
    settle(request["device"])
    proton.finalize()
    return {"tree": json.loads(Path(f"{PROTON}.hatchet").read_text(encoding="utf-8"))}


WAYS: dict[str, Callable[[Call, Facts], Facts]] = {
    "plain": plainly,
    "range": plainly,
    "torch": under_torch,
    "proton": under_proton,
}


def carry_out(request: Facts) -> Facts:
    """Prepare, warm up, and call under what was asked for."""
    with torch.no_grad():
        call, case = prepare(request)
        repeat(call, request["warmup"])
        settle(request["device"])
        begin = time.perf_counter()
        found = WAYS[request["mode"]](call, request)
    whole = time.perf_counter() - begin
    return {"calls": request["calls"], "case": case, "device": request["device"], "whole_s": whole, **found}


def main() -> None:
    """Carry out the request in ``argv``; whatever the candidate raises becomes a line.

    What the candidate prints goes to standard error: standard output is the report's.
    """
    sys.dont_write_bytecode = True
    find_what_was_built()
    report = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    try:
        facts = carry_out(json.loads(sys.argv[1]))
    except Unavailable as error:
        facts = {error.kind: str(error)}
    except torch.OutOfMemoryError as error:  # the judge's own processes have most of it
        facts = {"refused": f"the device's memory does not suffice beside the judge's: {' '.join(str(error).split())}"}
    except BaseException as error:  # noqa: BLE001 - see the docstring
        traceback.print_exc()
        facts = {"error": f"{type(error).__name__}: {' '.join(str(error).split())[:250]}"}
    report.write(facts.pop("text", ""))
    report.write(f"\n{MARK}{json.dumps(facts)}\n")
    report.close()


if __name__ == "__main__":
    main()
