"""A monitor that ends a search whose normal cell has too many skip connections."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from aca_ray.methods.views import EpochView, Stop, Verdict
from aca_ray.space.candidates import SKIP


class StopAtSkips:
    """Ends the search at the first epoch, from a share of the budget on, whose normal cell has too many skips.

    The result is the architecture of the last epoch below the limit, even before that share; without such an epoch,
    that of the epoch at which the search ends.

    Args:
        limit: number of skip connections in the normal cell that ends the search.
        start: share of the search's epochs, in [0, 1), before the first epoch that may end it.

    Source: Liang et al. 2019 (DARTS+), criterion 1: our reading.
    """

    def __init__(self, limit: int, start: float) -> None:
        self.limit, self.start = limit, start
        self.within: dict[str, Tensor] = {}

    def after_epoch(self, view: EpochView) -> Verdict:
        """Return Stop at the limit; below it, keep the architecture parameters."""
        if sum(edge.operation == SKIP for edge in view.genotype.normal.edges) < self.limit:
            self.within = {name: parameter.detach().clone() for name, parameter in view.parameters.items()}
            return None
        if view.moment.progress < self.start:
            return None
        return Stop(self.within or view.parameters)

    def state_dict(self) -> dict[str, Any]:
        """Return the architecture parameters of the last epoch below the limit."""
        return {"within": self.within}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a state that `state_dict` returned."""
        self.within = dict(state["within"])
