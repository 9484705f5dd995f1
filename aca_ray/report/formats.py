"""Columns and formats of values in tables for people: percent, readable units, `-` for missing values."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from aca_ray.comparison.statistics import PairedDifference, Summary
from aca_ray.report.table import MISSING, Cell, Column, value_of

Of = str | Callable[[Any], Any]


def text(name: str, of: Of = "") -> Column:
    """Return a column of short texts; `of` is the place of the value in a row, by default the attribute `name`."""
    return Column(name, "text", words, of or name)


def prose(name: str, of: Of = "") -> Column:
    """Return a column of texts that wrap."""
    return Column(name, "prose", words, of or name)


def number(name: str, show: Callable[[Any], Cell] | None = None, of: Of = "") -> Column:
    """Return a column of numbers in a format, by default that of whole numbers."""
    return Column(name, "number", show or integer, of or name)


def words(value: str | bool | None) -> Cell:
    """Return the cell of a text, or of a truth value as yes or no."""
    return Cell(("yes" if value else "no") if isinstance(value, bool) else value or MISSING)


def integer(value: float | None) -> Cell:
    """Return the cell of a whole number."""
    return Cell(MISSING) if value is None else Cell(f"{value:.0f}", value)


def decimal(value: float | None, digits: int = 2) -> Cell:
    """Return the cell of a number with `digits` decimals."""
    return Cell(MISSING) if value is None else Cell(f"{value:.{digits}f}", value)


def percent(share: float | None, digits: int = 2) -> Cell:
    """Return the cell of a share in percent, without the percent sign."""
    return Cell(MISSING) if share is None else Cell(f"{100 * share:.{digits}f}", share)


tenths = partial(percent, digits=1)


def signed_percent(share: float | None) -> Cell:
    """Return the cell of a difference of shares in percentage points, with its sign."""
    return Cell(MISSING) if share is None else Cell(f"{100 * share:+.2f}", share)


def interval(ends: tuple[float | None, float | None], show: Callable[[float], Cell] = percent) -> Cell:
    """Return the cell of an interval, by default of shares in percent; it sorts by the lower end."""
    low, high = ends
    if low is None or high is None:
        return Cell(MISSING)
    return Cell(f"[{show(low).text}, {show(high).text}]", low)


signed_interval = partial(interval, show=signed_percent)


def ends(of: str) -> Callable[[Any], tuple[float | None, float | None]]:
    """Return a function that returns the ends of the interval of a mean of a row, such as `jaccard`."""
    return lambda row: (getattr(row, f"{of}_low"), getattr(row, f"{of}_high"))


def mean_and_sd(accuracy: Summary | None) -> Cell:
    """Return the cell of mean and standard deviation in percent."""
    return Cell(MISSING) if accuracy is None else with_sd((accuracy.mean, accuracy.sd))


def with_sd(mean_and_deviation: tuple[float, float | None]) -> Cell:
    """Return the cell of a mean and a standard deviation, which may be unknown, in percent."""
    mean, sd = mean_and_deviation
    return percent(mean) if sd is None else Cell(f"{percent(mean).text} ± {percent(sd).text}", mean)


def difference_and_interval(difference: PairedDifference | None) -> Cell:
    """Return the cell of a difference and its interval in percentage points."""
    if difference is None:
        return Cell(MISSING)
    mean = signed_percent(difference.mean).text
    limits = signed_interval((difference.low, difference.high))
    return Cell(mean if limits.value is None else f"{mean} {limits.text}", difference.mean)


def pvalue(value: float | None) -> Cell:
    """Return the cell of a p-value."""
    if value is None:
        return Cell(MISSING)
    return Cell("< 0.001" if value < 0.001 else f"{value:.3f}", value)


def count(value: float | None) -> Cell:
    """Return the cell of a count in the unit that leaves at least three significant digits."""
    if value is None:
        return Cell(MISSING)
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if value >= size:
            return Cell(f"{value / size:.2f} {unit}", value)
    return Cell(f"{value:.0f}", value)


def memory(num_bytes: float | None) -> Cell:
    """Return the cell of a size in GiB or MiB."""
    if num_bytes is None:
        return Cell(MISSING)
    gib = num_bytes / 2**30
    return Cell(f"{gib:.2f} GiB" if gib >= 1 else f"{1024 * gib:.0f} MiB", num_bytes)


def seconds(value: float | None) -> Cell:
    """Return the cell of a number of seconds."""
    if value is None:
        return Cell(MISSING)
    return Cell(f"{value:,.1f}" if value < 1000 else f"{value:,.0f}", value)


def clipped(longest: int, of: str) -> Callable[[Any], str]:
    """Return a function that returns a name of a row, cut to at most `longest` characters."""

    def cut(row: Any) -> str:
        name: str = value_of(row, of)
        return name if len(name) <= longest else f"{name[: longest - 2]}.."

    return cut
