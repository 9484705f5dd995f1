"""The searches of an experiment."""

from __future__ import annotations

import itertools

from aca_ray.config.schema import ExperimentSpec
from aca_ray.space.plugged import used_plugins
from aca_ray.space.trials import SearchTrial


def search_trials(experiment: ExperimentSpec) -> tuple[SearchTrial, ...]:
    """Return all searches of an experiment, the longest first, so that no long trial is left at the end of a sweep."""
    return tuple(
        SearchTrial(
            method=method,
            skip=skip,
            space=space,
            seed=seed,
            epochs=epochs,
            data=dict(data),
            network=experiment.network.model_dump(),
            batch_size=experiment.batch_size,
            data_pruning=experiment.data_pruning,
            precision=experiment.precision,
            plugins=used_plugins(experiment.plugins, method=method, space=space, data=data),
        )
        for epochs, method, space, data, seed, skip in itertools.product(
            sorted(experiment.epochs, reverse=True),
            experiment.methods,
            experiment.spaces,
            experiment.data,
            experiment.seeds,
            experiment.skip,
        )
    )
