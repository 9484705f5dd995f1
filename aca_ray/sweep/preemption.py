"""Which trial runs next, and which has to leave its node."""

from __future__ import annotations

import pickle
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler

from aca_ray.sweep.cluster import ray
from aca_ray.sweep.nodes import died_with_node, draining_nodes

POLL_SECONDS = 1.0


class Preemption(FIFOScheduler):
    """First in, first out; trials leave nodes that are about to go, and what dies with a node is no failure.

    A trial on a draining node is paused after its slice, which saves it, and goes on, from exactly there, on another
    node. Tune itself counts what dies without a notice as a failure of the trial, so it has to be run with endless
    failures allowed, and the ones that count are counted here.

    Args:
        max_failures: how often a trial is taken up again after its process died on a node that lives.
        give_up: called with the order, as JSON, of a trial whose process died once more than that.
    """

    def __init__(self, max_failures: int, give_up: Callable[[dict[str, Any]], None]) -> None:
        super().__init__()
        self._max_failures, self._give_up = max_failures, give_up
        self._failures: Counter[str] = Counter()
        self._given_up: list[Trial] = []
        self._draining: set[str] = set()
        self._next_poll = 0.0

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        """Have a trial go on where it is, or leave."""
        if time.monotonic() >= self._next_poll:
            self._draining = draining_nodes()
            self._next_poll = time.monotonic() + POLL_SECONDS
        return self.PAUSE if result["node"] in self._draining else self.CONTINUE

    def on_trial_error(self, tune_controller: Any, trial: Trial) -> None:
        """Count a death, unless the node died; Tune has the trial run again after this."""
        error = pickle.loads(Path(trial.pickled_error_file).read_bytes()) if trial.pickled_error_file else None
        if isinstance(error, ray.exceptions.RayActorError) and error.actor_id and died_with_node(error.actor_id):
            return
        self._failures[trial.trial_id] += 1
        if self._failures[trial.trial_id] > self._max_failures:
            self._give_up(trial.config["order"])
            self._given_up.append(trial)

    def choose_trial_to_run(self, tune_controller: Any) -> Trial | None:
        """Return the trial that waits longest; ones that were given up end here, where Tune lets them be stopped."""
        while self._given_up:
            tune_controller.stop_trial(self._given_up.pop())
        return super().choose_trial_to_run(tune_controller)
