"""Formats of values in tables for people: percent, readable units, `-` for missing values."""

from __future__ import annotations

from aca_ray.comparison import PairedDifference, Summary
from aca_ray.report.table import MISSING, Cell


def words(text: str | None) -> Cell:
    """Return the cell of a text."""
    return Cell(text or MISSING)


def integer(value: float | None) -> Cell:
    """Return the cell of a whole number."""
    return Cell(MISSING) if value is None else Cell(f"{value:.0f}", value)


def decimal(value: float | None, digits: int = 2) -> Cell:
    """Return the cell of a number with `digits` decimals."""
    return Cell(MISSING) if value is None else Cell(f"{value:.{digits}f}", value)


def percent(share: float | None, digits: int = 2) -> Cell:
    """Return the cell of a share in percent, without the percent sign."""
    return Cell(MISSING) if share is None else Cell(f"{100 * share:.{digits}f}", share)


def signed_percent(share: float | None) -> Cell:
    """Return the cell of a difference of shares in percentage points, with its sign."""
    return Cell(MISSING) if share is None else Cell(f"{100 * share:+.2f}", share)


def interval(low: float | None, high: float | None, signed: bool = False) -> Cell:
    """Return the cell of an interval of shares in percent; it sorts by the lower end."""
    if low is None or high is None:
        return Cell(MISSING)
    show = signed_percent if signed else percent
    return Cell(f"[{show(low).text}, {show(high).text}]", low)


def mean_and_sd(accuracy: Summary | None) -> Cell:
    """Return the cell of mean and standard deviation in percent."""
    if accuracy is None:
        return Cell(MISSING)
    mean = percent(accuracy.mean).text
    return Cell(mean if accuracy.sd is None else f"{mean} ± {percent(accuracy.sd).text}", accuracy.mean)


def difference_and_interval(difference: PairedDifference | None) -> Cell:
    """Return the cell of a difference and its interval in percentage points."""
    if difference is None:
        return Cell(MISSING)
    mean = signed_percent(difference.mean).text
    limits = interval(difference.low, difference.high, signed=True)
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


def clipped(name: str, longest: int) -> str:
    """Return a name cut to at most `longest` characters."""
    return name if len(name) <= longest else f"{name[: longest - 2]}.."
