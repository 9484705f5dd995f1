"""Networks grouped by one column: every value of the column against every other, all else being equal.

A context is what two networks must share to be compared: space, data, setting, protocol, method, search epochs, and the
kind of networks, without the column itself. Nothing is pooled over contexts; n counts search seeds.

Source: ours; differences are paired by search seed and corrected by Holm 1979 over all pairs of values and contexts.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass

from aca_ray.comparison.arms import Arm, arm_of, difference
from aca_ray.comparison.comparison import Comparison
from aca_ray.comparison.families import Tested, adjusted
from aca_ray.comparison.grouping import grouped
from aca_ray.comparison.kinds import ALLOCATED, NETWORKS, Group, group_of, kind_of, main_networks, without
from aca_ray.comparison.rows import NetworkRow
from aca_ray.comparison.settings import setting_labels
from aca_ray.errors import ConfigError, unknown_name

COLUMNS = ("method", "skip", "space", "data", "setting", "protocol", "epochs", "ranking", "allocation", "control")
_OF_ALLOCATED = ("ranking", "allocation", "control")

Value = str | int


@dataclass(frozen=True)
class Context:
    """What the compared networks share.

    Attributes:
        group: group; empty where it is the column, or depends on it.
        networks: kind of the networks; empty if the column is `skip`.
        ranking: ranker; None if not allocated, or if it is the column; so for the other two.
        allocation: allocation rule.
        control: control.
    """

    group: Group
    networks: str
    ranking: str | None = None
    allocation: str | None = None
    control: str | None = None


@dataclass(frozen=True)
class ValueRow:
    """The networks with one value of the column, in one context."""

    context: Context
    value: Value
    arm: Arm


@dataclass(frozen=True)
class ValueComparison(Tested):
    """Two values of the column in one context: a - b in final test accuracy, paired by seed."""

    context: Context
    a: Value
    b: Value

    @property
    def label(self) -> str:
        """The difference in words."""
        return f"{self.a} - {self.b}"


@dataclass(frozen=True)
class ColumnComparison:
    """A comparison by one column.

    Attributes:
        column: the column.
        rows: every value in every context that has several, contexts together.
        differences: all pairs of values of every context, the first value of a pair sorted after the second.
    """

    column: str
    rows: tuple[ValueRow, ...]
    differences: tuple[ValueComparison, ...]


def require_column(column: str) -> None:
    """Raise ConfigError unless networks can be grouped by a column."""
    if column not in COLUMNS:
        raise ConfigError(unknown_name("--by", "column", column, COLUMNS))


def compare_by(comparison: Comparison, column: str) -> ColumnComparison:
    """Return the comparison of the values of a column.

    Raises:
        ConfigError: there is no such column, or no two networks differ in it alone; names the columns that do.
    """
    require_column(column)
    found = _contexts(comparison, column)
    if not found:
        useful = [name for name in COLUMNS if name != column and _contexts(comparison, name)]
        values = sorted({str(_value(row, column)) for row in comparison.networks})
        raise ConfigError(
            f"--by: must be a column in which networks differ while all else is equal, found {column} with "
            f"{len(values)} {'value' if len(values) == 1 else 'values'} ({', '.join(values) or 'none'}). "
            f"Such columns: {', '.join(useful) or 'none; run searches that differ in something'}"
        )
    labels = setting_labels(str(value) for arms in found.values() for value in arms) if column == "setting" else {}
    rows: list[ValueRow] = []
    differences: list[ValueComparison] = []
    for context, arms in found.items():
        own = [ValueRow(context, labels.get(str(value), value) or "none", arm) for value, arm in arms.items()]
        rows += own
        differences += [
            ValueComparison(context, b.value, a.value, difference=difference(b.arm, a.arm))
            for a, b in itertools.combinations(own, 2)
        ]
    return ColumnComparison(column, tuple(rows), tuple(adjusted(differences, lambda one: column)))


def _contexts(comparison: Comparison, column: str) -> dict[Context, dict[Value, Arm]]:
    """Return the arms of every value, by context; only contexts with several values."""
    rows: Sequence[NetworkRow] = comparison.networks
    if column == "skip":  # allocated by the main pair of their group, which searched networks do not have
        rows = main_networks(rows, comparison.main_pairs)
    if column in _OF_ALLOCATED:
        rows = [row for row in rows if kind_of(row).networks == ALLOCATED]
    found = {
        context: grouped(own, lambda row: _value(row, column))
        for context, own in grouped(rows, lambda row: _context(row, column)).items()
    }
    return {
        context: {value: arm_of(kind_of(values[value][0]), values[value]) for value in sorted(values, key=_place_of)}
        for context, values in sorted(found.items(), key=lambda item: _order_of(item[0]))
        if len(values) > 1
    }


def _context(row: NetworkRow, column: str) -> Context:
    kind, group = kind_of(row), without(group_of(row), column)
    if column == "skip":
        return Context(group, "")
    own = {name: None if name == column else getattr(row, name) for name in _OF_ALLOCATED}
    return Context(group, kind.networks, **({} if kind.networks != ALLOCATED else own))


def _value(row: NetworkRow, column: str) -> Value:
    if column == "skip":
        return kind_of(row).networks
    if column == "data":
        options = json.loads(row.setting).get("data") or {}
        return f"{row.data} ({', '.join(f'{key} {value}' for key, value in options.items())})" if options else row.data
    value: Value | None = getattr(row, column)
    return "none" if value is None else value


def _place_of(value: Value) -> Value:
    """Return the place of a value among the others; kinds of networks have an order of their own."""
    return NETWORKS.index(value) if value in NETWORKS else value


def _order_of(context: Context) -> tuple[object, ...]:
    return (context.group, context.networks, *(getattr(context, name) or "" for name in _OF_ALLOCATED))
