"""Monitors that act when the curvature of the validation loss rises.

The curvature is the largest eigenvalue of the Hessian of the validation loss in the architecture parameters. It is
measured after epochs 0, 2, 4, ... of 50, and proportionally in searches of other lengths, at most once per epoch. It
has risen if the mean of the last 5 measurements exceeds 1.3 times the mean 4 measurements earlier. A mean belongs to
its middle measurement, so a rise found at measurement m (from 0) began at m - 6; beginnings before 5 do not count. In
50 epochs, the earliest rise is found after epoch 22 and began at epoch 10; searches of less than 13 epochs end before
one can be found.

Source: Zela et al. 2020 (RobustDARTS), and its official code.
"""

from __future__ import annotations

from collections.abc import Mapping
from statistics import fmean
from typing import Any

from aca_ray.methods.parts.curvature import largest_curvature
from aca_ray.methods.views import EpochView, GoBack, Stop, Verdict

MEASUREMENTS_PER_SEARCH = 25  # official code: every 2 of 50 epochs
WINDOW = 5
DELTA = 4
BEGINNING = WINDOW // 2 + DELTA  # measurements from the beginning of a rise to its detection
FIRST_BEGINNING = 5  # official code: epoch 10
RISE = 1.3


class CurvatureMonitor:
    """Measures the curvature and keeps data of the epochs at which a rise may have begun.

    Args:
        factor: factor by which the mean of a window must exceed that of an earlier one to be a rise.

    Attributes:
        curvatures: all measurements, in order.
        kept: data kept of an epoch, by the number of the measurement after it.
    """

    def __init__(self, factor: float = RISE) -> None:
        self.factor = factor
        self.curvatures: list[float] = []
        self.kept: dict[int, dict[str, Any]] = {}

    def after_epoch(self, view: EpochView) -> Verdict:
        """Measure if due; return the verdict on a rise, or None to continue."""
        interval = max(1, view.moment.num_epochs // MEASUREMENTS_PER_SEARCH)
        last_epoch = view.moment.num_epochs - 1
        if view.moment.epoch % interval or view.moment.epoch == last_epoch:  # the source does not act after the last
            return None
        number = view.moment.epoch // interval
        self.curvatures.append(
            largest_curvature(view.valid_loss(), tuple(view.parameters.values()), view.recipe.arch_weight_decay)
        )
        began = number - BEGINNING
        if began in self.kept and self._mean(0) > self.factor * self._mean(DELTA):
            return self.verdict(began)
        self.kept.pop(began - self.reach, None)
        if number >= FIRST_BEGINNING and view.moment.epoch + BEGINNING * interval < last_epoch:
            self.kept[number] = self.keep(view)
        return None

    @property
    def reach(self) -> int:
        """Number of further measurements for which an epoch is kept once no rise was found to begin at it."""
        return 0

    def _mean(self, ago: int) -> float:
        """Return the mean of the window that ended a number of measurements ago."""
        end = len(self.curvatures) - ago
        return fmean(self.curvatures[end - WINDOW : end])

    def keep(self, view: EpochView) -> dict[str, Any]:
        """Return the data of an epoch that is needed if a rise began at it."""
        raise NotImplementedError

    def verdict(self, began: int) -> Verdict:
        """Return the verdict on a rise that began at a measurement."""
        raise NotImplementedError

    def state_dict(self) -> dict[str, Any]:
        """Return the measurements and the data kept of epochs."""
        return {"curvatures": list(self.curvatures), "kept": dict(self.kept)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a state that `state_dict` returned."""
        self.curvatures, self.kept = list(state["curvatures"]), dict(state["kept"])


class StopBeforeRise(CurvatureMonitor):
    """Ends the search at the first rise, with the architecture parameters of the epoch at which it began.

    Source: Zela et al. 2020 (DARTS-ES), and its official code.
    """

    def keep(self, view: EpochView) -> dict[str, Any]:
        return {name: parameter.detach().clone() for name, parameter in view.parameters.items()}

    def verdict(self, began: int) -> Verdict:
        return Stop(self.kept[began])


class GoBackBeforeRise(CurvatureMonitor):
    """Returns the search to the end of the epoch at which a rise began, and continues with a larger weight decay.

    The measurements before a return stay in the history, so the first windows after it include some of them.

    Args:
        weight_decays: weight decay of SGD after the first rise, the second, and so on; measuring ends after the last.
        factor: factor by which the mean of a window must exceed that of an earlier one to be a rise.

    Source: Zela et al. 2020 (DARTS-ADA), and its official code.
    """

    def __init__(self, weight_decays: tuple[float, ...], factor: float = RISE) -> None:
        super().__init__(factor)
        self.weight_decays = weight_decays
        self.num_rises = 0

    def after_epoch(self, view: EpochView) -> Verdict:
        return super().after_epoch(view) if self.num_rises < len(self.weight_decays) else None

    @property
    def reach(self) -> int:
        # After a return to measurement m, the next rise looked for began at m + 1 - BEGINNING.
        return BEGINNING - 1 if self.num_rises + 1 < len(self.weight_decays) else 0

    def keep(self, view: EpochView) -> dict[str, Any]:
        return view.snapshot()

    def verdict(self, began: int) -> Verdict:
        snapshot, weight_decay = self.kept[began], self.weight_decays[self.num_rises]
        self.num_rises += 1
        more = self.num_rises < len(self.weight_decays)
        self.kept = {number: kept for number, kept in self.kept.items() if more and number <= began}
        return GoBack(snapshot, weight_decay)

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "num_rises": self.num_rises}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        super().load_state_dict(state)
        self.num_rises = state["num_rises"]
