"""Trials as lines whose fields are labeled, for pipes and logs.

search darts/searched seed 0  epoch 3/50  loss 0.794  acc 75.0 %  skips 2  left 0:04  trial 1f0c2d3e
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any

from aca_ray.display.progress import TrialLine, clock, kind_of
from aca_ray.records import AllocationSummary
from aca_ray.sweep.orders import Order, SearchOrder

# What is named only in sweeps whose trials differ in it: the label, and the value of a trial.
_WHERE_IT_DIFFERS: dict[str, Callable[[Any], object]] = {
    "space": lambda trial: trial.space_label,
    "data": lambda trial: trial.data["name"],
    "budget": lambda trial: trial.epochs,
    "ranking": lambda trial: getattr(trial, "ranking", None),
    "retraining seed": lambda trial: getattr(trial, "retrain_seed", None),
}


def differing(orders: Iterable[Order]) -> frozenset[str]:
    """Return the labels whose values differ between the trials of a sweep."""
    trials = [order.trial for order in orders]
    return frozenset(
        label
        for label, value in _WHERE_IT_DIFFERS.items()
        if len({found for trial in trials if (found := value(trial)) is not None}) > 1
    )


def labeled(line: TrialLine, named: Collection[str] = ()) -> str:
    """Return a trial as one line.

    Args:
        line: progress of the trial.
        named: labels of `differing`.
    """
    order = line.order
    kind = kind_of(order)
    what = kind if isinstance(order, SearchOrder) else f"{kind} of"
    return "  ".join([f"{what} {_name(order, named)}", *_fields(line), f"trial {order.trial.short}"])


def ranking_line(order: Order, summary: AllocationSummary, named: Collection[str] = ()) -> str:
    """Return the ranking of a milestone of a search as one line; see `labeled`."""
    main = summary.plans[summary.question.main]
    decided = [] if summary.decided_share is None else [f"decided {100 * summary.decided_share:.0f} %"]
    fields = [f"epoch {summary.epoch}", f"by {summary.ranking}", f"refilled {100 * main.refilled_share:.1f} %"]
    return "  ".join([f"ranking of {_name(order, named)}", *fields, *decided, f"trial {order.trial.short}"])


def _name(order: Order, named: Collection[str]) -> str:
    """Return method, skip and seed, and what else differs between the trials of the sweep."""
    trial = order.trial
    others = [
        f"{label} {found}"
        for label, value in _WHERE_IT_DIFFERS.items()
        if label in named and (found := value(trial)) is not None
    ]
    return " ".join([f"{trial.method}/{trial.skip}", f"seed {trial.seed}", *others])


def _fields(line: TrialLine) -> Iterator[str]:
    if line.state != "running" or not line.epoch:
        yield line.state
    if line.num_epochs is not None:
        yield f"epoch {line.epoch}/{line.num_epochs}"
    if line.loss is not None:
        yield f"loss {line.loss:.3f}"
    if line.accuracy is not None:
        yield f"{'acc' if isinstance(line.order, SearchOrder) else 'test acc'} {100 * line.accuracy:.1f} %"
    if line.skips is not None:
        yield f"skips {line.skips}"
    if (regret := line.metrics.get("table/regret")) is not None:
        yield f"regret {100 * regret:.1f} %"
    if (rank := line.metrics.get("table/rank")) is not None:
        yield f"rank {rank:,.0f}"
    if line.seconds_left is not None:
        yield f"left {clock(line.seconds_left)}"
    if line.error is not None:
        yield f"error {line.error}"
