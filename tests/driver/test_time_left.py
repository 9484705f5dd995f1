"""The time left of a sweep, against sums done by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from aca_ray.display import TrialLine
from aca_ray.driver.time_left import TimeLeft
from aca_ray.sweep.manifest import Sweep
from aca_ray.sweep.orders import Order, SearchOrder, all_orders
from aca_ray.sweep.sweep_graph import relative_length

MakeSweep = Callable[..., Sweep]


def lines_of(sweep: Sweep) -> tuple[list[Order], list[TrialLine]]:
    orders = all_orders(sweep)
    return orders, [TrialLine(order) for order in orders]


def of(line: TrialLine, epoch: int, seconds: float, packed: int = 1, state: str = "running") -> TrialLine:
    return replace(line, epoch=epoch, seconds=seconds, packed=packed, state=state)


def left(orders: Sequence[Order], lines: Sequence[TrialLine], slots: int) -> float | None:
    return TimeLeft(orders).seconds(lines, slots)


def test_nothing_is_known_before_the_first_epoch(make_sweep: MakeSweep) -> None:
    orders, lines = lines_of(make_sweep())
    assert left(orders, lines, 1) is None
    assert left(orders, [replace(line, state="running") for line in lines], 1) is None


def test_epochs_take_what_those_of_the_trial_or_its_kind_took(make_sweep: MakeSweep) -> None:
    sweep = make_sweep(seeds=[0, 1, 2], epochs=4, networks="table: nasbench201", spaces="nasbench201")
    orders, lines = lines_of(sweep)  # three searches and their look-ups
    lines[0] = of(lines[0], 4, 20.0, state="finished")
    lines[1] = of(lines[1], 1, 9.0)
    assert left(orders, lines, 1) == 3 * 9 + 4 * (5 + 9) / 2
    assert left(orders, lines, 2) == max((3 * 9 + 4 * 7) / 2, 4 * 7)
    lines[2] = replace(lines[2], state="failed")
    assert left(orders, lines, 2) == 3 * 9


def test_a_kind_that_has_not_run_is_told_by_its_operations(make_sweep: MakeSweep) -> None:
    orders, lines = lines_of(make_sweep(epochs=4))
    search, retraining = orders
    lines[0] = of(lines[0], 2, 10.0)
    factor = relative_length(retraining) / relative_length(search)
    assert left(orders, lines, 8) == pytest.approx(10 + 20 * factor)  # one after the other, whatever the slots


def test_searches_of_a_pack_end_together(make_sweep: MakeSweep) -> None:
    sweep = make_sweep(seeds=[0, 1, 2], epochs=4, pack=3, networks="table: nasbench201", spaces="nasbench201")
    orders, lines = lines_of(sweep)
    lines = [of(line, 1, 2.0, packed=3) if isinstance(line.order, SearchOrder) else line for line in lines]
    assert left(orders, lines, 8) == 3 * 3 * 2  # seven slots are idle
