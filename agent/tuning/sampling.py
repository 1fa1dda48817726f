"""Which setting is tried next: the one door to Optuna, and a pure function of what was tried.

Nothing is kept between two settings, as nothing is in the policies: the study is made anew of the tries that the log
has, and the sampler begins from a seed of the run's seed and the number of the try. So a run that was killed goes on
as it would have. A parameter is the place of its value among those declared: 64, 128, 256 are equally far apart.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tools.parameters import Parameter, defaults, settings_of

if TYPE_CHECKING:
    from optuna import Study
    from optuna.samplers import BaseSampler

FEWEST_RANDOM = 4
"""Settings tried at random before the sampler has a model to go by, of small budgets; a third of larger ones."""


@dataclass(frozen=True)
class Tried:
    """One setting that was tried, and how quick it was."""

    values: tuple[int, ...]
    """In the order of the parameters."""
    speedup: float | None
    """None where it did not build, or was wrong."""


def next_setting(
    parameters: tuple[Parameter, ...], tried: Sequence[Tried], *, seed: int, most: int
) -> dict[str, int] | None:
    """The setting to try next, the defaults first; None when all were tried, or ``most`` were.

    Every setting in an order by lot where ``most`` is enough for all of them, else what a tree-structured Parzen
    estimator suggests, or, where that was tried already, one by lot. Raises ImportError where Optuna is not installed.
    """
    if not tried:
        return defaults(parameters)
    done = {one.values for one in tried}
    if len(tried) >= most or len(done) >= settings_of(parameters):
        return None
    lot = hashlib.sha256(f"{seed}/{len(tried)}".encode()).hexdigest()
    if settings_of(parameters) > most:
        values = _suggested(parameters, tried, _estimator(int(lot[:8], 16), most))
        if tuple(values.values()) not in done:
            return values
    return _drawn(parameters, done, random.Random(lot))  # noqa: S311 - a search, not a secret


def _drawn(parameters: tuple[Parameter, ...], done: set[tuple[int, ...]], chance: random.Random) -> dict[str, int]:
    """By lot, of those that are left."""
    while True:
        values = {one.name: chance.choice(one.values) for one in parameters}
        if tuple(values.values()) not in done:
            return values


def _estimator(seed: int, most: int) -> BaseSampler:
    from optuna.samplers import TPESampler

    return TPESampler(seed=seed, n_startup_trials=max(FEWEST_RANDOM, most // 3))


def _suggested(parameters: tuple[Parameter, ...], tried: Sequence[Tried], sampler: BaseSampler) -> dict[str, int]:
    trial = _study(parameters, tried, sampler).ask()
    return {one.name: one.values[trial.suggest_int(one.name, 0, len(one.values) - 1)] for one in parameters}


def _study(parameters: tuple[Parameter, ...], tried: Sequence[Tried], sampler: BaseSampler) -> Study:
    import optuna
    from optuna.distributions import IntDistribution
    from optuna.trial import TrialState, create_trial

    optuna.logging.set_verbosity(optuna.logging.WARNING)  # a new study is no news
    study = optuna.create_study(direction="maximize", sampler=sampler)
    forms = {one.name: IntDistribution(0, len(one.values) - 1) for one in parameters}
    for setting in tried:
        places = {one.name: one.values.index(value) for one, value in zip(parameters, setting.values, strict=True)}
        # One that failed is pruned, not failed: samplers learn from it, and take it for the worst there is.
        state = TrialState.PRUNED if setting.speedup is None else TrialState.COMPLETE
        study.add_trial(create_trial(state=state, value=setting.speedup, params=places, distributions={**forms}))
    return study
