"""Watching a sweep that another process drives, from its records alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from aca_ray.display.view import View
from aca_ray.sweep.orders import Order

_SECONDS = 1.0
_SHARE = 0.1  # of the time, at most, for reading records


def watch(
    orders: Sequence[Order], is_driven: Callable[[], bool], view: View, sleep: Callable[[float], None] = time.sleep
) -> bool:
    """Show the trials of a sweep until no process drives it any more; return whether one did at first.

    Args:
        orders: all trials of the sweep.
        is_driven: returns whether a process drives the sweep now.
        view: display of the trials.
        sleep: waits for a number of seconds.
    """
    view.open(orders)
    driven = driven_at_first = is_driven()
    while True:
        start = time.monotonic()
        finished = {line.order.folder for line in view.progress.lines if line.state == "finished"}
        for order in orders:
            if not driven or order.folder not in finished:
                view.update(order.folder)
        view.refresh()
        if not driven:
            break
        sleep(max(_SECONDS, (time.monotonic() - start) / _SHARE))
        driven = is_driven()
    view.close()
    return driven_at_first
