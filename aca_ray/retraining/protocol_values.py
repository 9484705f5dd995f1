"""Protocols by value: a registered protocol with changed fields, `{base: cifar, epochs: 100, channels: 16}`."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, get_args

from aca_ray.errors import ConfigError, shortened, unknown_name
from aca_ray.nn.image_scale import IMAGENET_SCALE
from aca_ray.retraining.protocols import PROTOCOLS, Precision, Protocol
from aca_ray.space.labels import protocol_label
from aca_ray.training.schedule import NUM_LAST_EPOCHS, NUM_WARMUP_EPOCHS, SCHEDULES, WARMED_UP

MAX_NETWORK = 1_000_000  # channels * channels * cells; published networks have less than 50,000


@dataclass(frozen=True)
class ProtocolField:
    """A field of a protocol that a spec may change.

    Attributes:
        attribute: name of the attribute of Protocol.
        rule: requirement on a value, for messages.
        read: returns a value in its canonical spelling, or raises ValueError if it violates the rule.
        built: values in Protocol by spelling; other spellings are the values themselves.
    """

    attribute: str
    rule: str
    read: Callable[[Any], Any]
    built: Mapping[Any, Any] = field(default_factory=dict)

    def build(self, spelled: Any) -> Any:
        """Return the value in Protocol of a spelling that `read` returned."""
        return self.built.get(spelled, spelled)

    def spell(self, protocol: Protocol) -> Any:
        """Return a protocol's value as it is spelled in a spec."""
        own = getattr(protocol, self.attribute)
        return next((spelled for spelled, built in self.built.items() if built == own), own)


def _integer(attribute: str, low: int, high: int) -> ProtocolField:
    def read(value: Any) -> int:
        whole = type(value) is int or (isinstance(value, float) and value.is_integer())
        if not whole or not low <= value <= high:
            raise ValueError
        return int(value)

    return ProtocolField(attribute, f"an integer from {low:,} to {high:,}", read)


def _number(attribute: str, rule: str, holds: Callable[[float], bool]) -> ProtocolField:
    return ProtocolField(attribute, f"a number {rule}", lambda value: _read_number(value, holds))


def _read_number(value: Any, holds: Callable[[float], bool]) -> float:
    if type(value) not in (int, float) or not holds(value):
        raise ValueError
    return float(value) + 0.0  # turns -0.0 into 0.0


def _share(attribute: str) -> ProtocolField:
    return _number(attribute, "from 0 to below 1", lambda value: 0 <= value < 1)


def _choice(attribute: str, *names: str, built: Mapping[Any, Any] | None = None) -> ProtocolField:
    def read(value: Any) -> str:
        if not isinstance(value, str) or value not in names:
            raise ValueError
        return value

    return ProtocolField(attribute, f"one of {', '.join(names)}", read, built or {})


def _flag(attribute: str) -> ProtocolField:
    def read(value: Any) -> bool:
        if not isinstance(value, bool):
            raise ValueError
        return value

    return ProtocolField(attribute, "true or false", read)


def _read_bound(value: Any) -> float | None:
    return None if value in (None, math.inf) else _read_number(value, lambda bound: 0 < bound <= 1e6)


FIELDS: dict[str, ProtocolField] = {
    "channels": _integer("channels", 1, 4096),
    "cells": _integer("num_cells", 3, 1000),
    "epochs": _integer("epochs", 1, 1_000_000),
    "batch_size": _integer("batch_size", 2, 1_000_000),
    "lr": _number("lr", "above 0, at most 1,000", lambda value: 0 < value <= 1000),
    "schedule": _choice("schedule", *SCHEDULES, built=SCHEDULES),
    "momentum": _share("momentum"),
    "nesterov": _flag("nesterov"),
    "weight_decay": _number("weight_decay", "from 0 to 1", lambda value: 0 <= value <= 1),
    "clip_norm": ProtocolField(
        "clip_norm", "a number above 0, at most 1,000,000, or null for no bound", _read_bound, {None: math.inf}
    ),
    "label_smoothing": _share("label_smoothing"),
    "auxiliary_weight": _number("auxiliary_weight", "from 0 to 100", lambda value: 0 <= value <= 100),
    "drop_path": _share("drop_path"),
    "dropped": _choice("dropped", "operations", "nodes"),
    "cutout": _flag("cutout"),
    "precision": _choice("precision", *get_args(Precision)),
    "compile": _flag("compile"),
}


def read_protocol(value: Any, place: str) -> tuple[str | Mapping[str, Any], list[str]]:
    """Return the canonical spelling of a protocol, and all its problems.

    The spelling is the base's name if no field differs from it, else a mapping of `base` and the fields that differ.

    Args:
        value: a registered name, or a mapping with the name as `base` and values for some FIELDS.
        place: place of the value, for messages.
    """
    if isinstance(value, str):
        return value, [] if value in PROTOCOLS else [unknown_name(place, "protocol", value, PROTOCOLS)]
    if not isinstance(value, Mapping):
        example = "{base: cifar, epochs: 100}"
        return "", [
            f"{place}: must be the name of a protocol, or a mapping such as {example}; found {shortened(value)}"
        ]
    base, problems = _read_base(value, place)
    chosen: dict[str, Any] = {}
    for name, given in value.items():
        if name == "base":
            continue
        if name not in FIELDS:
            problems.append(unknown_name(f"{place}.{name}", "key", name, ["base", *FIELDS]))
            continue
        try:
            chosen[name] = FIELDS[name].read(given)
        except ValueError:
            own = "" if base is None else f"; leave it out for {base.name}'s {json.dumps(FIELDS[name].spell(base))}"
            problems.append(f"{place}.{name}: must be {FIELDS[name].rule}, found {shortened(given)}{own}")
    if base is None or problems:
        return "", problems
    differing = {name: item for name, item in chosen.items() if FIELDS[name].spell(base) != item}
    if not differing:
        return base.name, []
    spelling = {"base": base.name, **differing}
    return spelling, _joint_problems(_built(spelling), place)


def _read_base(value: Mapping[str, Any], place: str) -> tuple[Protocol | None, list[str]]:
    if "base" not in value:
        known = ", ".join(sorted(PROTOCOLS))
        return None, [
            f"{place}.base: is required: name the protocol that the other keys change; known protocols: {known}"
        ]
    base = value["base"]
    if isinstance(base, str) and base in PROTOCOLS:
        return PROTOCOLS[base], []
    return None, [unknown_name(f"{place}.base", "protocol", base, PROTOCOLS)]


def _joint_problems(protocol: Protocol, place: str) -> list[str]:
    """Return the problems of combinations of valid fields."""
    problems = []
    size = protocol.channels**2 * protocol.num_cells
    if size > MAX_NETWORK:
        problems.append(
            f"{place}: channels * channels * cells must be at most {MAX_NETWORK:,}, found {protocol.channels} * "
            f"{protocol.channels} * {protocol.num_cells} = {size:,}; published networks have less than 50,000"
        )
    if protocol.scale == IMAGENET_SCALE and protocol.channels < 2:
        problems.append(f"{place}.channels: must be at least 2, since the stem begins with half of them, found 1")
    if protocol.nesterov and not protocol.momentum:
        problems.append(
            f"{place}.momentum: must be above 0 for Nesterov momentum, found 0; set nesterov: false as well"
        )
    least = NUM_WARMUP_EPOCHS + NUM_LAST_EPOCHS + 1
    if protocol.schedule in WARMED_UP and protocol.epochs < least:
        problems.append(
            f"{place}.epochs: must be at least {least} for the schedule {FIELDS['schedule'].spell(protocol)}, which "
            f"warms up for {NUM_WARMUP_EPOCHS} epochs and ends with {NUM_LAST_EPOCHS}, found {protocol.epochs}; set "
            "schedule: cosine as well"
        )
    return problems


def find_protocol(value: str | Mapping[str, Any], place: str = "protocol") -> Protocol:
    """Return a registered protocol, or one given by value; raise ConfigError with all its problems."""
    spelling, problems = read_protocol(value, place)
    if problems:
        raise ConfigError(problems)
    return PROTOCOLS[spelling] if isinstance(spelling, str) else _built(spelling)


def _built(spelling: Mapping[str, Any]) -> Protocol:
    changes = {FIELDS[name].attribute: FIELDS[name].build(value) for name, value in spelling.items() if name != "base"}
    base = PROTOCOLS[spelling["base"]]
    return replace(base, name=protocol_label(spelling), source=f"ours: other fields than {base.name}'s", **changes)
