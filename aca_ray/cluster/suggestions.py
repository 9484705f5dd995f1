"""The search algorithm of Tune's run: it suggests the trials that are ready, and waits while none is."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from typing import Any

from ray.tune.search import SearchGenerator

from aca_ray.cluster.session import tune
from aca_ray.driver.interrupt import Interrupt
from aca_ray.driver.pool import Work
from aca_ray.sweep.orders import Order


class Suggestions(tune.search.Searcher):
    """Hands the trials of a sweep to Tune.

    Args:
        work: the trials.
        interrupt: request to stop.
        room: whether Tune gets one more trial, given the number of those that have not ended.
    """

    def __init__(self, work: Work, interrupt: Interrupt, room: Callable[[int], bool]) -> None:
        super().__init__()
        self._work, self._interrupt, self._room = work, interrupt, room
        self._live: dict[str, tuple[Order, ...]] = {}
        self._dropped: deque[tuple[Order, ...]] = deque()

    def suggest(self, trial_id: str) -> Any:
        """Return the config of a trial, None to be asked again, or FINISHED."""
        if not self._live:
            self._work.turn()  # Tune then asks once a second and does nothing else
        if self._interrupt.requested or self._work.over:
            return self.FINISHED
        if not self._room(len(self._live)):
            return None
        orders = self._dropped.popleft() if self._dropped else self._work.next()
        if orders is None:
            return None
        self._live[trial_id] = orders
        # As text: Tune copies all other objects several times.
        return {"orders": json.dumps([order.to_json() for order in orders])}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Note that a trial has ended, or hand it out again if Tune has dropped it.

        Tune retries trials whose process dies, but drops one that was about to start in a reused process that is dead.
        """
        orders = self._live.pop(trial_id, None)
        if orders is None:
            return
        if error:
            self._dropped.append(orders)
        else:
            self._work.ended(orders)


class WithoutState(SearchGenerator):
    """Tune's generator of trials from suggestions, which saves no state: a sweep resumes from its own folders."""

    def save_to_dir(self, dirpath: str, session_str: str = "", **kwargs: Any) -> None:
        """Save nothing."""
