"""The scheduler of trials: which one runs next, which ones leave their node, and how they stop on an interrupt."""

from __future__ import annotations

import re
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler

from aca_ray.cluster.nodes import draining_nodes, sign_of_life
from aca_ray.cluster.session import ray
from aca_ray.driver.interrupt import Interrupt

POLL_SECONDS = 1.0
SAVE_SECONDS = 120.0  # a trial retries failed writes for as long
DECIDE_SECONDS = 10.0  # a live node answers as soon as it has started a process


class Preemption(FIFOScheduler):
    """First in, first out; trials leave draining nodes, and the loss of a node does not count as a failure.

    A trial on a draining node is paused after its slice, which saves it, and resumes from the same state on another
    node. Tune counts every death without notice as a failure of the trial. It therefore has to run with unlimited
    failures, and this class counts the failures of processes on live nodes. After a death, no trial starts before it is
    known whether the node lives, or a time limit has passed.

    On an interrupt every running trial is paused after its slice in the same way, and no other trial starts.

    Args:
        max_failures: how often a trial is restarted after its process died on a live node.
        give_up: called with the orders, as JSON, of a trial whose process died more often than that.
        interrupt: request for all trials to stop.
        say: shows the user a line.
    """

    def __init__(
        self, max_failures: int, give_up: Callable[[str], None], interrupt: Interrupt, say: Callable[[str], None]
    ) -> None:
        super().__init__()
        self._max_failures, self._give_up, self._interrupt, self._say = max_failures, give_up, interrupt, say
        self._save_until: float | None = None
        self._deaths: dict[Any, Trial] = {}  # by a sign of life of the node, which decides whether they count
        self._decide_until = 0.0
        self._failures: Counter[Trial] = Counter()
        self._draining: set[str] = set()
        self._next_poll = 0.0

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        """Continue a trial, or pause it on an interrupt or a draining node."""
        if self._interrupt.requested:
            return self.PAUSE
        if time.monotonic() >= self._next_poll:
            self._draining = draining_nodes()
            self._next_poll = time.monotonic() + POLL_SECONDS
        return self.PAUSE if result["node"] in self._draining else self.CONTINUE

    def on_trial_error(self, tune_controller: Any, trial: Trial) -> None:
        """Note a death; Tune restarts the trial afterwards."""
        actor = actor_that_died(Path(trial.error_file).read_text(errors="replace")) if trial.error_file else None
        sign = None if actor is None else sign_of_life(actor)
        if sign is None:
            self._failures[trial] += 1
        else:
            self._deaths[sign] = trial
            self._decide_until = time.monotonic() + DECIDE_SECONDS

    def choose_trial_to_run(self, tune_controller: Any) -> Trial | None:
        """Return the trial that waited longest; stop pending trials that failed too often."""
        if self._interrupt.requested:
            self._stop_all(tune_controller)
            return None
        self._count_deaths()
        for trial, failures in self._failures.items():
            if failures > self._max_failures and trial.status == Trial.PENDING:
                self._give_up(trial.config["orders"])
                tune_controller.stop_trial(trial)
        return super().choose_trial_to_run(tune_controller)

    def _stop_all(self, tune_controller: Any) -> None:
        """Stop all trials that are not running, and end Tune's run when the others have saved or their time is up."""
        by_status: dict[str, list[Trial]] = defaultdict(list)
        for trial in tune_controller.get_trials():
            by_status[trial.status].append(trial)
        for trial in (*by_status[Trial.PENDING], *by_status[Trial.PAUSED]):
            tune_controller.stop_trial(trial)
        num_running = len(by_status[Trial.RUNNING])
        if self._save_until is None:
            self._save_until = time.monotonic() + SAVE_SECONDS
            if num_running:
                self._say(
                    f"interrupted: waiting up to {SAVE_SECONDS:g} s for {num_running} running trials to save "
                    "(interrupt again to end at once)"
                )
        late = time.monotonic() > self._save_until
        if late and num_running:
            self._say(f"{num_running} trials could not save in time; a resume continues from their last checkpoints")
        if late or not num_running:
            tune_controller.request_stop_experiment()

    def _count_deaths(self) -> None:
        """Count the deaths on nodes that are known to be alive by now."""
        if not self._deaths:
            return
        left = max(0.0, self._decide_until - time.monotonic())
        known, _ = ray.wait(list(self._deaths), num_returns=len(self._deaths), timeout=left)
        for sign in known:
            trial = self._deaths.pop(sign)
            try:
                ray.get(sign)
            except ray.exceptions.RayError:  # the node is gone
                continue
            self._failures[trial] += 1


def actor_that_died(errors: str) -> str | None:
    """Return the id of the actor whose death is the last error in Tune's error file, or None for another error.

    Tune also writes the error as a pickle, which is never read: unpickling runs code.
    """
    last = errors.rpartition("\nFailure # ")[2]
    found = re.search(r"^(?:\tactor_id: |The actor )([0-9a-f]+)(?:$| is unavailable)", last, re.MULTILINE)
    return None if found is None else found[1]
