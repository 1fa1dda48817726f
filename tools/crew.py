"""The trusted workers of one judgement or one run: the oracle and the baselines, and what is known of them."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sandbox.base import Mount
from tools.baselines import EAGER, channels_last_recipes, has_channels_last, recipes
from tools.contender import Contender, Form, Rejected, blame_ourselves
from tools.device.oracle import SHELF_SHARE, DeviceOracle
from tools.dresses import MOVED
from tools.errors import JudgeUnavailable
from tools.examining import Examiner, History
from tools.harness.licence import Licence
from tools.harness.wire import TRACE, VERIFY
from tools.inputs import Draw, InputSet, Manners
from tools.launching import VERIFIER, Launcher
from tools.oracle import Constructor, Oracle
from tools.problem import Description, Problem
from tools.reserving import calls_of_a_window
from tools.verdict import Timing
from tools.worker import Worker, WorkerFailed

ORACLE = "oracle"
WARM_WINDOWS = 3
CLEARLY_SLOWER = 1.3
"""Times as slow as the fastest when warm, a baseline is not timed any more on a device."""
COMPILING_S = 180.0
"""Patience with torch.compile, however little the candidates get."""


@dataclass(frozen=True)
class Site:
    """Where a crew works: the problem file's folder, and a folder for the compiler's cache."""

    problem: Problem
    problem_folder: Path
    cache_folder: Path
    memory_bytes: int
    compiled: bool = True
    """Whether torch.compile is a baseline."""
    autotuned: bool = True
    """Whether torch.compile's max-autotune is a baseline, on a device."""

    def write(self) -> None:
        """Put the problem where trusted workers will look."""
        self.problem_folder.mkdir(parents=True, exist_ok=True)
        self.cache_folder.mkdir(parents=True, exist_ok=True)
        (self.problem_folder / "problem.py").write_text(self.problem.source, encoding="utf-8")
        self.problem_folder.chmod(0o755)
        # The sandbox may run under another user. Only trusted workers see this folder.
        self.cache_folder.chmod(0o777)


@dataclass(frozen=True)
class Warmed:
    """One baseline on one case, called until it is warm."""

    seconds: float
    overhead_s: float
    """What preparing a window took."""


class Crew:
    """Oracle, eager and torch.compile, each in a process of its own. Created running; ``close`` ends it."""

    def __init__(
        self,
        launcher: Launcher,
        site: Site,
        licence: Licence,
        flush: Callable[[], None],
        before: Crew | None = None,
    ) -> None:
        """``flush`` makes the machine's caches cold.

        ``before``: an earlier crew of the same problem; what it found out about the reference is not found anew.
        """
        self.warmed: dict[str, dict[str, Warmed]] = {}
        """Case to baseline to what its warm calls took."""
        self.oracle: Oracle
        self.on_device: DeviceOracle | None = None
        """The oracle, if it is one of a device."""
        self.slower: dict[str, dict[str, float]] = {}
        """Baselines that were dropped for being slow, and what a call took by case."""
        self.notes: list[str] = []
        """What is special about the reference, and why a baseline is missing, one line each."""
        self.flush = flush
        self._launcher = launcher
        self._site = site
        self._licence = licence
        # A baseline is what people would run anyway: one that misses ``native`` on some seeds only would come and
        # go between two judgements, and the speed-up with it. It has to meet the usual tolerance.
        self._baseline_licence = licence if licence.precision == "tolerance" else Licence("tolerance")
        self._seed = secrets.randbits(31)
        self._lock = threading.RLock()
        self._warm_lock = threading.Lock()
        self._device_lock = threading.Lock()
        self._opened: Constructor | None = None
        self._known = before.describe() if before is not None else None
        self._described: tuple[Description, dict[str, Manners]] | None = None
        self._baselines: dict[str, Contender] = {}
        self._forms: list[Form] = []
        self._problem_mount = Mount(site.problem_folder, "/problem")
        self._path = f"{launcher.inside(self._problem_mount)}/problem.py"
        start = partial(self._start, ORACLE)
        device = launcher.device
        self.recipes = recipes(
            device,
            compiled=site.compiled,
            autotuned=site.autotuned,
            tolerance=licence.precision == "tolerance",
        )
        about = (start, site.problem, self._path)
        if device is None:
            self.oracle = Oracle(*about, site.memory_bytes, launcher.timeout_s)
        else:
            self.oracle = self.on_device = DeviceOracle(*about, device.memory_bytes, launcher.timeout_s)
            self.flush = self.on_device.flush
        self.history = History(self.oracle.numbers)
        if before is not None:
            self.oracle.conditioned.update(before.oracle.conditioned)
        self._workers: dict[str, Worker] = {}
        if before is not None and device is not None:  # started ahead, they have imported torch when they are wanted
            self._start_all([EAGER, *(name for name, recipe in self.recipes.items() if recipe.is_compiled)])

    def _start_all(self, names: Sequence[str]) -> None:
        """Start the baselines' processes that are not there yet."""
        self._workers |= {name: self._start(name) for name in names if name not in self._workers}

    def _start(self, name: str) -> Worker:
        mounts, timeout_s = [self._problem_mount], None
        env: dict[str, str] = {}
        device = self._launcher.device
        if name == ORACLE and device is not None:
            shelf = int(device.memory_bytes * SHELF_SHARE)
            return self._launcher.start(VERIFIER, name, mounts, env, timeout_s, shelf=shelf, warm=VERIFY)
        if name != ORACLE and self.recipes[name].is_compiled:
            cache = Mount(self._site.cache_folder, "/cache", writable=True)
            mounts.append(cache)
            # A precompiled header is kept in the sandbox's own /tmp, so it would be made anew for every process.
            env = {
                "TORCHINDUCTOR_CACHE_DIR": self._launcher.inside(cache),
                "TORCHINDUCTOR_CPP_CACHE_PRECOMPILE_HEADERS": "0",
            }
            if device is not None:
                env["TRITON_CACHE_DIR"] = f"{self._launcher.inside(cache)}/triton"
            timeout_s = max(self._launcher.timeout_s, COMPILING_S)
        traces = name == ORACLE or self.recipes[name].is_compiled
        return self._launcher.start("reference", name, mounts, env, timeout_s, warm=TRACE if traces else None)

    def constructor(self) -> Constructor:
        """What a candidate's constructor needs. Raises RequestError."""
        with self._lock:
            if self._opened is None:
                self._opened = self.oracle.open(self._seed)
                # The problem is one: now it is worth importing torch once more, beside what follows.
                self._start_all([name for name, recipe in self.recipes.items() if recipe.is_compiled])
            return self._opened

    def describe(self) -> tuple[Description, dict[str, Manners]]:
        """Facts, and by case what the reference does with its inputs. Raises RequestError."""
        with self._lock:
            if self._described is None:
                self.constructor()
                described = self._known or self.oracle.describe()
                self.oracle.prepare(described[0])
                self._start_all([EAGER])
                if has_channels_last(described[0].graph):
                    self._take_channels_last()
                self._described = described
                self.notes += described[0].notes
            return self._described

    def _take_channels_last(self) -> None:
        """The problem has convolutions: its model in that layout is a baseline too."""
        more = channels_last_recipes(
            self._launcher.device, compiled=self._site.compiled, tolerance=self._licence.precision == "tolerance"
        )
        self.recipes |= more
        self._workers |= {name: self._start(name) for name in more}

    @property
    def cases(self) -> tuple[str, ...]:
        """Names of the cases, in order."""
        return tuple(case.name for case in self.describe()[0].cases)

    def examiner(self) -> Examiner:
        """A fresh one with this crew's knowledge of eager's error."""
        return Examiner(self._licence, self.oracle.conditioning, self.history, self.oracle.wavering)

    def forms(self) -> list[Form]:
        """Of the inputs of every case, on a device; nothing for the host."""
        if self.on_device is None:
            return []
        with self._lock:
            if not self._forms:
                drawn = [self.oracle.draw(case, 1)[0] for case in self.cases]
                self._forms = [{"spec": item.spec, "tensors": list(item.packed)} for item in drawn]
            return self._forms

    def draw(self, case: str, count: int) -> list[InputSet]:
        """So many sets from new secret seeds."""
        sets = [self.make(case) for _ in range(count)]
        return [inputs for inputs in sets if inputs is not None]

    def make(self, case: str, rows: int | None = None, dress: str | None = None) -> InputSet | None:
        """One set from a new secret seed (``Oracle.make``), of which examiners learn.

        None too for numbers moved so that the reference answers noise: nothing right could be told from it.
        """
        inputs = self.oracle.make(case, rows, dress)
        if inputs is not None and dress in MOVED and not self.oracle.is_sound(inputs):
            return None
        if inputs is not None:
            self.history.learn(inputs)
        return inputs

    def baselines(self, notice: Callable[[str], None] = lambda text: None) -> dict[str, Contender]:
        """The baselines, loaded and warm on every case. One that cannot run, or misses the tolerance, is left out.

        Raises JudgeUnavailable if eager itself fails.
        """
        with self._lock:
            if not self._baselines:
                self.describe()
                notice("warming the baselines")
                sets = {case: self.draw(case, 1)[0] for case in self.cases}
                for names in self._batches():
                    self._warm_all(names, sets)
                    if self.on_device is not None:
                        self._drop_slow_ones()
            return self._baselines

    def _batches(self) -> list[list[str]]:
        """Baselines that are warmed at one time. On a device, where each takes memory, those in another layout come
        when the slow ones are gone, one after the other.
        """
        if self.on_device is None:
            return [list(self.recipes)]
        plain = [name for name, recipe in self.recipes.items() if not recipe.channels_last]
        return [plain, *([name] for name, recipe in self.recipes.items() if recipe.channels_last)]

    def _warm_all(self, names: list[str], sets: dict[str, InputSet]) -> None:
        with ThreadPoolExecutor(len(names)) as pool:
            waiting = {name: pool.submit(self._warm, name, sets) for name in names}
            try:
                found = {name: future.result() for name, future in waiting.items()}
            except KeyboardInterrupt:
                self.close()  # or else the pool would be waited for
                raise
        self._baselines |= {name: contender for name, contender in found.items() if contender is not None}

    def _drop_slow_ones(self) -> None:
        """On a device every contender takes memory and time: who is clearly slower in every case gets neither, nor who
        is never among the two fastest.
        """
        ranks = {case: sorted(warmed, key=lambda name: warmed[name].seconds) for case, warmed in self.warmed.items()}
        for name in list(self._baselines):
            mine = {case: warmed[name].seconds for case, warmed in self.warmed.items()}
            best = {case: self.warmed[case][rank[0]].seconds for case, rank in ranks.items()}
            is_slow = all(seconds > CLEARLY_SLOWER * best[case] for case, seconds in mine.items())
            if is_slow or not any(name in rank[:2] for rank in ranks.values()):
                self._baselines.pop(name).close()
                self.slower[name] = mine

    def slower_on(self, case: str) -> dict[str, Timing]:
        """What the baselines that were dropped took when they were warmed."""
        times = {name: seconds[case] for name, seconds in self.slower.items()}
        return {name: Timing(median_s=s, p5_s=s, p95_s=s, samples=WARM_WINDOWS) for name, s in times.items()}

    def understudy(self, name: str) -> Contender:
        """The same baseline in a process of its own, loaded and warm on every case; the caller closes it.

        Raises JudgeUnavailable.
        """
        sets = {case: self.draw(case, 1)[0] for case in self.cases}
        contender = Contender(name, self._start(name), blame_ourselves(name))
        try:
            self._ready(contender, sets)
        except (WorkerFailed, Rejected) as error:
            contender.close()
            raise JudgeUnavailable(f"another process of the {name} baseline failed: {error}") from error
        except BaseException:
            contender.close()
            raise
        return contender

    def _ready(self, contender: Contender, sets: dict[str, InputSet]) -> dict[str, Warmed]:
        """Have it construct the model and warm it on every case: what its calls took, by case."""
        body = {"path": self._path, "name": self._site.problem.name, "seed": self._seed}
        recipe = self.recipes[contender.name]
        body |= {
            "compiled": recipe.is_compiled,
            "options": dict(recipe.options),
            "tf32": recipe.tf32,
            "channels_last": recipe.channels_last,
            "warm": self.on_device is not None,
        }
        contender.open_problem(body, self.on_device.bank if self.on_device else None)
        return {case: self._warm_case(contender, inputs) for case, inputs in sets.items()}

    def _warm(self, name: str, sets: dict[str, InputSet]) -> Contender | None:
        contender = Contender(name, self._workers[name], blame_ourselves(name))
        try:
            warmed = self._ready(contender, sets)
        except (JudgeUnavailable, WorkerFailed, Rejected) as error:
            contender.close()
            if name == EAGER:
                raise JudgeUnavailable(f"the eager baseline failed: {error}") from error
            self.notes.append(f"{name} is no baseline here: {error}")
            return None
        with self._warm_lock:
            for case, facts in warmed.items():
                self.warmed.setdefault(case, {})[name] = facts
        return contender

    def _warm_case(self, contender: Contender, inputs: InputSet) -> Warmed:
        if self.on_device is not None:
            with self._device_lock:  # contenders share the memory for inputs
                return self._warm_on(contender, inputs)
        return self._warm_on(contender, inputs)

    def _warm_on(self, contender: Contender, inputs: InputSet) -> Warmed:
        seconds = overhead = float("inf")
        sets: list[Draw] = [inputs]
        for _ in range(WARM_WINDOWS):
            begin = time.perf_counter()
            contender.lay(sets)
            self.flush()
            overhead = min(overhead, time.perf_counter() - begin)
            seconds = min(seconds, contender.go().claimed_s / len(sets))
            if self.on_device is not None:  # among others a call takes far less time than by itself
                more = self.calls_of_a_window(inputs, self._site.memory_bytes) - 1
                sets = [inputs, *self.oracle.draw(inputs.case, more)]
        oracle = self.oracle
        lenient = Examiner(self._baseline_licence, oracle.conditioning, History(oracle.numbers), oracle.wavering)
        lenient.require(contender.outputs(inputs), inputs)
        contender.require_form(inputs)
        contender.forget()
        return Warmed(seconds, overhead)

    def calls_of_a_window(self, form: InputSet, memory_bytes: int) -> int:
        """How many calls on such a set a timed window holds at most; two at least."""
        if self.on_device is not None:
            return self.on_device.bank.calls
        return calls_of_a_window(form, memory_bytes)

    def best_guess(self, case: str) -> str:
        """The baseline that was fastest when warm."""
        warmed = {name: facts for name, facts in self.warmed[case].items() if name not in self.slower}
        return min(warmed, key=lambda name: warmed[name].seconds)

    def close(self) -> None:
        """Stop every worker."""
        self.oracle.close()
        for worker in self._workers.values():
            worker.close()
