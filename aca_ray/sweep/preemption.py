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
from aca_ray.sweep.nodes import draining_nodes, sign_of_life

POLL_SECONDS = 1.0


class Preemption(FIFOScheduler):
    """First in, first out; trials leave nodes that are about to go, and what dies with a node is no failure.

    A trial on a draining node is paused after its slice, which saves it, and goes on, from exactly there, on another
    node. Tune itself counts every death without notice as a failure of the trial, so it has to be run with endless
    failures allowed; the ones that count are counted here.

    Args:
        max_failures: how often a trial is taken up again after its process died on a node that lives.
        give_up: called with the orders, as JSON, of a trial whose process died once more than that.
    """

    def __init__(self, max_failures: int, give_up: Callable[[str], None]) -> None:
        super().__init__()
        self._max_failures, self._give_up = max_failures, give_up
        self._deaths: dict[Any, Trial] = {}  # by a sign of life of the node, which says whether they count
        self._failures: Counter[Trial] = Counter()
        self._draining: set[str] = set()
        self._next_poll = 0.0

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        """Have a trial go on where it is, or leave."""
        if time.monotonic() >= self._next_poll:
            self._draining = draining_nodes()
            self._next_poll = time.monotonic() + POLL_SECONDS
        return self.PAUSE if result["node"] in self._draining else self.CONTINUE

    def on_trial_error(self, tune_controller: Any, trial: Trial) -> None:
        """Note a death; Tune has the trial run again after this."""
        error = pickle.loads(Path(trial.pickled_error_file).read_bytes()) if trial.pickled_error_file else None
        sign = None
        if isinstance(error, ray.exceptions.RayActorError) and error.actor_id and not error.actor_init_failed:
            sign = sign_of_life(error.actor_id)
        if sign is None:
            self._failures[trial] += 1
        else:
            self._deaths[sign] = trial

    def choose_trial_to_run(self, tune_controller: Any) -> Trial | None:
        """Return the trial that waits longest; one that failed too often, and does not run just now, ends here."""
        self._count_deaths()
        for trial, failures in self._failures.items():
            if failures > self._max_failures and trial.status == Trial.PENDING:
                tune_controller.stop_trial(trial)
                self._give_up(trial.config["orders"])
        return super().choose_trial_to_run(tune_controller)

    def _count_deaths(self) -> None:
        """Count the deaths of which it is known by now that the node lives."""
        if not self._deaths:
            return
        known, _ = ray.wait(list(self._deaths), num_returns=len(self._deaths), timeout=0)
        for sign in known:
            trial = self._deaths.pop(sign)
            try:
                ray.get(sign)
            except ray.exceptions.RayError:  # the node is gone
                continue
            self._failures[trial] += 1
