"""Trials: searches, retrainings and look-ups as frozen values, identified by their fingerprints."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal, Self

from annotated_types import Ge, Le

from aca_ray.errors import ConfigError
from aca_ray.space.fingerprint import SHORT_DIGITS, fingerprint
from aca_ray.space.labels import protocol_label, space_label

FINGERPRINT_VERSION = 3  # raised whenever the same trial would give another result

_NUM_MILESTONES = 4

Kind = Literal["search", "retraining", "look-up"]
Skip = Literal["searched", "allocated"]
Precision = Literal["float32", "bfloat16"]
ProtocolValue = str | Mapping[str, Any]

_MOST = 2**53  # the largest integer that every JSON reader represents exactly
_Count = Annotated[int, Ge(0), Le(_MOST)]
_Positive = Annotated[int, Ge(1), Le(_MOST)]
Plugins = Mapping[str, str]


class _Identified:
    """Adds the fingerprint of the JSON form."""

    kind: ClassVar[Kind]

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-ready value."""
        return asdict(self)  # type: ignore[call-overload]

    @cached_property
    def fingerprint(self) -> str:
        """64 hexadecimal digits, equal for equal trials on every machine."""
        return fingerprint({"kind": self.kind, "version": FINGERPRINT_VERSION, "trial": self.to_json()})

    @property
    def short(self) -> str:
        """The fingerprint's first digits, the name of the trial's folder."""
        return self.fingerprint[:SHORT_DIGITS]

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Return the trial that `to_json` wrote, or raise ConfigError if a key is missing or unknown."""
        try:
            return cls(**value)
        except TypeError as error:
            raise ConfigError(f"trial: needs the keys of a {cls.kind} ({error})") from error


class _InSpace(_Identified):
    """Adds the label of the space, for tables and tags; see `aca_ray.space.labels`."""

    space: str

    @property
    def space_label(self) -> str:
        """The name of the space, or its canonical text, shortened if it is long."""
        return space_label(self.space)


@dataclass(frozen=True)
class SearchTrial(_InSpace):
    """One search.

    Attributes:
        method: name or label of the search method.
        skip: whether skip connections are searched, or allocated after the search.
        space: name of the space, or canonical text of one by value.
        seed: seed of the search.
        epochs: length of the search.
        data: the data mapping, as written in the spec.
        network: {"channels", "cells"} of the supernet.
        batch_size: images per step, or None for the method's own.
        data_pruning: name of the data pruner, or None to use all images.
        precision: precision of the supernet's passes.
        plugins: {name: SHA-256 of the source} of the plug-ins that the search uses.
    """

    kind: ClassVar[Kind] = "search"

    method: str
    skip: Skip
    space: str
    seed: _Count
    epochs: _Positive
    data: Mapping[str, Any]
    network: Mapping[str, _Positive]
    batch_size: _Positive | None
    data_pruning: str | None = None
    precision: Precision = "float32"
    plugins: Plugins = field(default_factory=dict)

    @property
    def milestones(self) -> tuple[int, ...]:
        """Epochs, ascending, whose checkpoints are kept and ranked: the ends of the quarters of the search.

        They depend only on the search, so that a search stays the same when others are added to its sweep.
        """
        ends = {math.ceil(self.epochs * part / _NUM_MILESTONES) for part in range(1, _NUM_MILESTONES + 1)}
        return tuple(sorted(ends))

    def to_json(self) -> dict[str, Any]:
        value = {**asdict(self), "data": dict(self.data)}
        if self.data_pruning is None:
            del value["data_pruning"]
        if self.precision == "float32":
            del value["precision"]
        return _without_no_plugins(value)


@dataclass(frozen=True, kw_only=True)
class _OfSearch(_InSpace):
    """What the trials of the networks that a search found have in common.

    Attributes:
        search: fingerprint of the search.
        method, skip, space, seed, epochs, data, network: fields of the search, repeated to make every row complete.
        ranking: name of the channel ranker, None where skips were searched or nothing is refilled (`all`).
        allocation: name of the allocation rule, None where skips were searched.
        control: name of the control that changed the rule's plan, or None.
        plugins: {name: SHA-256 of the source} of the plug-ins that the search or the trial uses.
    """

    search: str
    method: str
    skip: Skip
    space: str
    seed: _Count
    epochs: _Positive
    data: Mapping[str, Any]
    network: Mapping[str, _Positive]
    ranking: str | None
    allocation: str | None
    control: str | None = None
    plugins: Plugins = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        value = asdict(self)
        if self.control is None:
            del value["control"]
        return _without_no_plugins(value)


@dataclass(frozen=True, kw_only=True)
class RetrainingTrial(_OfSearch):
    """One retraining of a network that a search found.

    Attributes:
        protocol: name of the retraining protocol, or a mapping of its base and fields.
        retrain_seed: seed of the retraining.
    """

    kind: ClassVar[Kind] = "retraining"

    protocol: ProtocolValue
    retrain_seed: _Count

    @classmethod
    def of_search(
        cls,
        search: SearchTrial,
        protocol: ProtocolValue,
        retrain_seed: int,
        ranking: str | None,
        allocation: str | None,
        control: str | None = None,
        plugins: Plugins | None = None,
    ) -> Self:
        """Return the retraining of a network that a search found."""
        return cls(
            **_found_by(search),
            ranking=ranking,
            allocation=allocation,
            control=control,
            protocol=protocol,
            retrain_seed=retrain_seed,
            plugins={**search.plugins, **(plugins or {})},
        )

    @property
    def label(self) -> str:
        """Label of the protocol for tables and tags."""
        return protocol_label(self.protocol)


@dataclass(frozen=True, kw_only=True)
class LookUpTrial(_OfSearch):
    """One look-up of the cells that a search found.

    Attributes:
        table: where test accuracies are looked up, {"name"} or {"path", "architecture", "accuracy"}.
    """

    kind: ClassVar[Kind] = "look-up"

    table: Mapping[str, str]

    @classmethod
    def of_search(
        cls,
        search: SearchTrial,
        table: Mapping[str, str],
        ranking: str | None,
        allocation: str | None,
        control: str | None = None,
        plugins: Plugins | None = None,
    ) -> Self:
        """Return the look-up of the cells that a search found."""
        return cls(
            **_found_by(search),
            ranking=ranking,
            allocation=allocation,
            control=control,
            table=table,
            plugins={**search.plugins, **(plugins or {})},
        )

    @property
    def label(self) -> str:
        """Label of the table for tables and tags, such as `table nasbench201`."""
        return f"table {self.table.get('name') or self.table.get('path')}"


NetworkTrial = RetrainingTrial | LookUpTrial


def _without_no_plugins(value: dict[str, Any]) -> dict[str, Any]:
    """Leave out plug-ins where there are none: fingerprints are older than plug-ins."""
    if not value["plugins"]:
        del value["plugins"]
    return value


def _found_by(search: SearchTrial) -> dict[str, Any]:
    """Return the fields that the trial of a network repeats from its search."""
    shared = ("method", "skip", "space", "seed", "epochs", "data", "network")
    return {"search": search.fingerprint, **{name: getattr(search, name) for name in shared}}


@dataclass(frozen=True, kw_only=True)
class StandaloneTrial(_Identified):
    """One retraining of a network that no search of a sweep found.

    Attributes:
        network: fingerprint of genotype and plan.
        name: name of the network.
        data: the data mapping.
        protocol: name of the retraining protocol, or a mapping of its base and fields.
        retrain_seed: seed of the retraining.
        plugins: {name: SHA-256 of the source} of the installed plug-ins that it uses.
    """

    kind: ClassVar[Kind] = "retraining"

    network: str
    name: str
    data: Mapping[str, Any]
    protocol: ProtocolValue
    retrain_seed: _Count
    plugins: Plugins = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return _without_no_plugins(asdict(self))
