"""What a network belongs to: its place, its group, and its kind within the group."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, TypeVar

from aca_ray.comparison.rows import NetworkRow
from aca_ray.errors import ConfigError
from aca_ray.records.labels import is_looked_up

SEARCHED, SKIP_FREE, ALLOCATED = "searched", "skip-free", "allocated"
NETWORKS = (SEARCHED, SKIP_FREE, ALLOCATED)
KEEP_ALL = "all"  # an allocation that refills nothing


class Place(NamedTuple):
    """The fields that comparable groups share; places sort in the order of the tables."""

    space: str
    data: str
    setting: str
    protocol: str

    @property
    def is_looked_up(self) -> bool:
        """Whether accuracies are looked up in the table of a benchmark instead of measured by retraining."""
        return is_looked_up(self.protocol)

    @property
    def measured_by(self) -> str:
        """The protocol or table, in words."""
        return self.protocol if self.is_looked_up else f"protocol {self.protocol}"

    @property
    def label(self) -> str:
        """Space, data, and protocol or table, in words."""
        return f"{self.space} on {self.data}, {self.measured_by}"


class Group(NamedTuple):
    """The fields that all rows of one comparison share; groups sort in the order of the tables."""

    space: str
    data: str
    setting: str
    protocol: str
    method: str
    epochs: int

    @property
    def place(self) -> Place:
        """Place of the group."""
        return Place(*self[:4])

    @property
    def label(self) -> str:
        """The group in words."""
        return f"{self.method}, {self.place.label}, {self.epochs} search epochs"


class Pair(NamedTuple):
    """A channel ranker and an allocation rule."""

    ranking: str
    allocation: str

    @property
    def label(self) -> str:
        """The pair in words."""
        return f"{self.allocation} of {self.ranking}"


class Kind(NamedTuple):
    """The kind of one network in a group.

    Attributes:
        networks: `searched`, `skip-free` (searched without skips, nothing refilled) or `allocated`.
        pair: ranker and rule that allocated the channels; None unless allocated.
        control: control that changed the plan of the pair; None for the pair itself.
    """

    networks: str
    pair: Pair | None = None
    control: str | None = None


def group_of(row: NetworkRow) -> Group:
    """Return the group of a row."""
    return Group(row.space, row.data, row.setting, row.protocol, row.method, row.epochs)


def kind_of(row: NetworkRow) -> Kind:
    """Return the kind of a row, or raise ConfigError if its fields contradict each other."""
    if row.skip == SEARCHED:
        return Kind(SEARCHED)
    if row.allocation == KEEP_ALL and row.control is None:
        return Kind(SKIP_FREE)
    if row.ranking is None or row.allocation is None:
        raise ConfigError(
            f"network {row.fingerprint[:12]} of sweep {row.sweep}: skip {row.skip!r} needs ranking and allocation, "
            f"found {row.ranking!r} and {row.allocation!r}; run it again"
        )
    return Kind(ALLOCATED, Pair(row.ranking, row.allocation), row.control)


FieldsOf = TypeVar("FieldsOf", Place, Group)


def without(fields: FieldsOf, column: str | None) -> FieldsOf:
    """Return a place or group without a column and without the parts of its setting that depend on the column."""
    given: dict[str, Any] = fields._asdict()
    if column not in given:
        return fields
    if column == "setting":
        return fields._replace(setting="{}")
    setting = json.loads(fields.setting)
    if column == "data":  # its options
        for part in (setting, setting.get("search") or {}):
            part.pop("data", None)
    if column == "protocol":  # the size of the retrained network
        setting.pop("network", None)
    return fields._replace(**{"setting": json.dumps(setting, sort_keys=True), column: type(given[column])()})


def main_networks(rows: Iterable[NetworkRow], main_pairs: Mapping[Group, Pair | None]) -> list[NetworkRow]:
    """Return the rows of searched and skip-free networks, and those allocated by the main pair of their group."""
    kinds = ((row, kind_of(row)) for row in rows)
    return [row for row, kind in kinds if kind == Kind(kind.networks, kind.pair and main_pairs[group_of(row)])]
