"""Problems of an experiment whose values are right one by one, but not together."""

from __future__ import annotations

import math
from collections.abc import Iterator, Set
from typing import TYPE_CHECKING

from aca_ray.config.problems import PLACE
from aca_ray.space import in_nasbench201

if TYPE_CHECKING:
    from aca_ray.config.schema import ExperimentSpec

# Far above anything published, and small enough to be checked.
MAX_TRIALS = 100_000  # searches and retrainings of a sweep


def combination_problems(experiment: ExperimentSpec, whole_edge_rules: Set[str] | None) -> list[str]:
    """Return the problems of an experiment that are no problem of a single value.

    Args:
        experiment: an experiment of valid values, with a retraining unless networks are only looked up.
        whole_edge_rules: names of the rules and controls whose networks are in a benchmark's table; None if unknown.
    """
    return [
        *_unused_settings(experiment),
        *_too_many_trials(experiment),
        *_not_in_the_table(experiment, whole_edge_rules),
    ]


def _unused_settings(experiment: ExperimentSpec) -> Iterator[str]:
    """Yield the problems of settings of allocated searches where there are none."""
    if "allocated" in experiment.skip:
        return
    settings = {
        "ranking": experiment.ranking,
        "allocation": experiment.allocation,
        "controls": experiment.controls,
        "skip_free": not experiment.skip_free,
    }
    for key, value in settings.items():
        if value:
            yield f"{PLACE}.{key}: applies to allocated searches only, and experiment.skip has none; leave it out"


def _too_many_trials(experiment: ExperimentSpec) -> Iterator[str]:
    """Yield the problem of more trials than a sweep can have."""
    axes = (experiment.methods, experiment.spaces, experiment.data, experiment.seeds, experiment.epochs)
    pairs = len(experiment.ranking or (None,)) * len(experiment.allocation or (None,))
    per_skip = {"searched": 1, "allocated": experiment.skip_free + pairs * (1 + len(experiment.controls))}
    per_network = len(experiment.retrain_seeds) + (experiment.table is not None)
    retrainings = sum(per_skip[skip] for skip in experiment.skip) * per_network
    trials = math.prod(map(len, axes)) * (len(experiment.skip) + retrainings)
    if trials > MAX_TRIALS:
        yield (
            f"{PLACE}: asks for {trials:,} searches and retrainings (methods * spaces * data * seeds * epochs, and "
            f"what follows each); a sweep can have at most {MAX_TRIALS:,}. Split it into several"
        )


def _not_in_the_table(experiment: ExperimentSpec, whole_edge_rules: Set[str] | None) -> Iterator[str]:
    """Yield the problems of a table that covers no space, and of entries that need retraining where there is none."""
    if experiment.table is None or whole_edge_rules is None:  # unknown: the spaces of plug-ins are not loaded either
        return
    covered = [in_nasbench201(space) for space in experiment.spaces]
    if not any(covered):
        yield (
            f"{PLACE}.spaces: must include nasbench201, or a part of it, which experiment.table covers; add it, or "
            "leave the table out"
        )
    if experiment.retraining is not None:
        return
    fix = "is in no table; set experiment.retraining to retrain it, or leave it out"
    for index, space in enumerate(experiment.spaces):
        if any(covered) and not covered[index]:
            yield f"{PLACE}.spaces[{index}]: {space} {fix}"
    if "allocated" not in experiment.skip:
        return
    for key, names in (("allocation", experiment.allocation or ()), ("controls", experiment.controls)):
        for index, name in enumerate(names):
            if name not in whole_edge_rules:
                yield (
                    f"{PLACE}.{key}[{index}]: {name} refills single channels, so it {fix}. In tables: "
                    f"{', '.join(sorted(whole_edge_rules))}"
                )
