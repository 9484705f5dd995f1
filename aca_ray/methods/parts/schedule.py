"""Values that change over a search."""

from __future__ import annotations

from aca_ray.methods.moment import Moment


def linear(first: float, last: float, moment: Moment) -> float:
    """Return a value that is linear over the epochs, exactly `first` in the first and `last` in the last.

    Source: ours; the form of many official codes, such as that of Dong & Yang 2019 (GDAS).
    """
    return (1.0 - moment.ramp) * first + moment.ramp * last
