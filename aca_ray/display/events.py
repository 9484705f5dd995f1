"""Trials as JSON for other programs.

While a sweep runs, every change of state and every epoch of a trial is one JSON object on one line, as is every
ranking. Keys are stable: later versions may add some.

| key | value |
|---|---|
| `event` | `trial`, `ranking`, or `summary` for the last line |
| `trial`, `kind` | id of the trial; `search`, `retraining` or `look-up` |
| `method`, `skip`, `space`, `data`, `seed`, `epochs` | what the trial is; `epochs` is the budget of its search |
| `ranking`, `allocation`, `control`, `retrain_seed` | of the network; null where it has none |
| `state` | `waiting`, `running`, `finished`, `failed` or `unreadable` |
| `epoch`, `of` | finished epochs, and their number in the end (null before the trial starts) |
| `metrics` | measurements of the last epoch by name; accuracies are fractions |
| `seconds`, `seconds_left` | time spent in finished epochs; estimate of what is left, or null |
| `error` | last line of the error of a failed trial, or null |

The last object has `sweep`, `state` (`finished`, `failed` or `interrupted`), `folder`, `report` (path, or null before
a network has finished), `counts` (trials by state), `findings` and `failures` (sentences), and `tracked` (whether
MLflow is complete). `aca-ray status --json` prints one object with `sweep`, `folder`, `running`, `counts`, `report`,
`spec_written_ms` and `trials`, which have the keys above.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from typing import Any, TextIO

from aca_ray.display.output import Output
from aca_ray.display.progress import TrialLine
from aca_ray.display.view import View
from aca_ray.records import AllocationSummary
from aca_ray.sweep.orders import Order


def trial_json(line: TrialLine) -> dict[str, Any]:
    """Return the progress of a trial with the keys above."""
    return {
        **_named(line.order),
        "state": line.state,
        "epoch": line.epoch,
        "of": line.num_epochs,
        "metrics": dict(line.metrics),
        "seconds": line.seconds,
        "seconds_left": line.seconds_left,
        "error": line.error or line.problem,
    }


def ranking_json(order: Order, summary: AllocationSummary) -> dict[str, Any]:
    """Return the ranking of a milestone: the search with the keys above, and the plans by name."""
    return {
        **_named(order),
        "epoch": summary.epoch,
        "ranking": summary.ranking,
        "decided_share": summary.decided_share,
        "plans": {
            name: {"refilled_share": plan.refilled_share, "parameters": plan.parameters, "macs": plan.macs}
            for name, plan in summary.plans.items()
        },
    }


def _named(order: Order) -> dict[str, Any]:
    trial = order.trial
    own = ("ranking", "allocation", "control", "retrain_seed")
    return {
        "trial": trial.short,
        "kind": trial.kind,
        "method": trial.method,
        "skip": trial.skip,
        "space": trial.space,
        "data": trial.data["name"],
        "seed": trial.seed,
        "epochs": trial.epochs,
        **{name: getattr(trial, name, None) for name in own},
    }


class EventView(View):
    """Prints every event as a line of JSON; messages go to standard error.

    Args:
        stream: output of the events.
        say: shows the user a message.
    """

    def __init__(self, stream: TextIO, say: Callable[[str], None] = lambda line: print(line, file=sys.stderr)) -> None:
        super().__init__()
        self._output, self._to_user = Output(stream), say

    def write(self, event: str, value: Mapping[str, Any]) -> None:
        """Print an event."""
        self._output.write(json.dumps({"event": event, **value}, allow_nan=False) + "\n")

    def refresh(self) -> None:
        """Do nothing: events are printed at once."""

    def close(self) -> None:
        """Do nothing: the caller prints the summary."""

    def _opened(self) -> None: ...

    def _changed(self, line: TrialLine) -> None:
        self.write("trial", trial_json(line))

    def _ranked(self, line: TrialLine, summary: AllocationSummary) -> None:
        self.write("ranking", ranking_json(line.order, summary))

    def _say(self, line: str) -> None:
        self._to_user(line)
