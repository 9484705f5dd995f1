"""Protocols by value: one spelling for equal ones, all problems at once, and the trained network."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import pytest
import torch

from aca_ray.data import RetrainingData
from aca_ray.errors import ConfigError
from aca_ray.nn import num_parameters
from aca_ray.retraining import PROTOCOLS, Protocol, Retraining, check_fits, find_protocol, read_protocol
from aca_ray.retraining.protocol_values import FIELDS
from aca_ray.space import PUBLISHED
from aca_ray.space.labels import protocol_label
from aca_ray.training import EpochLoop
from aca_ray.training.schedule import SCHEDULES, exponential

# For every field of a protocol, a value different from that of `small`: as written, and in Protocol.
OTHER: dict[str, tuple[Any, Any]] = {
    "channels": (16, 16),
    "cells": (8, 8),
    "epochs": (100, 100),
    "batch_size": (2, 2),
    "lr": (1, 1.0),
    "schedule": ("exponential", exponential),
    "momentum": (0, 0.0),
    "nesterov": (True, True),
    "weight_decay": (1e-4, 1e-4),
    "clip_norm": (None, math.inf),
    "label_smoothing": (0.1, 0.1),
    "auxiliary_weight": (0.4, 0.4),
    "drop_path": (0.2, 0.2),
    "dropped": ("nodes", "nodes"),
    "cutout": (True, True),
    "precision": ("bfloat16", "bfloat16"),
    "compile": (True, True),
}
FIXED = {"name", "source", "scale"}


def problems_of(value: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        find_protocol(value, "p")
    return list(caught.value.problems)


def values_of(protocol: Protocol) -> dict[str, Any]:
    return {field.name: getattr(protocol, field.name) for field in fields(Protocol) if field.name not in FIXED}


@pytest.mark.parametrize("name", OTHER)
def test_every_field_by_itself(name: str) -> None:
    written, held = OTHER[name]
    base, found = find_protocol("small"), find_protocol({"base": "small", name: written})
    assert getattr(found, FIELDS[name].attribute) == held
    assert values_of(found) == {**values_of(base), FIELDS[name].attribute: held}
    assert found.scale == base.scale


def test_every_field_can_be_set() -> None:
    assert set(FIELDS) == set(OTHER)
    assert {field.attribute for field in FIELDS.values()} == {field.name for field in fields(Protocol)} - FIXED


@pytest.mark.parametrize("base", PROTOCOLS)
def test_a_base_with_its_own_values_is_the_base(base: str) -> None:
    protocol = find_protocol(base)
    own = {name: field.spell(protocol) for name, field in FIELDS.items()}
    assert read_protocol({"base": base, **own}, "p") == (base, [])
    assert find_protocol({"base": base, **own}) is protocol
    assert find_protocol({"base": base}) is protocol


@pytest.mark.parametrize(
    ("written", "spelling"),
    [
        ({"base": "cifar", "epochs": 100.0}, {"base": "cifar", "epochs": 100}),
        ({"base": "cifar", "clip_norm": 2}, {"base": "cifar", "clip_norm": 2.0}),
        ({"base": "cifar", "clip_norm": math.inf}, {"base": "cifar", "clip_norm": None}),
        ({"base": "cifar", "clip_norm": 5}, "cifar"),
        ({"base": "nasbench201", "clip_norm": math.inf, "lr": 0.1}, "nasbench201"),
        ({"base": "nasbench201", "clip_norm": 5}, {"base": "nasbench201", "clip_norm": 5.0}),
        ({"lr": 1, "schedule": "cosine", "base": "cifar"}, {"base": "cifar", "lr": 1.0}),
        ({"base": "cifar", "weight_decay": -0.0}, {"base": "cifar", "weight_decay": 0.0}),
    ],
)
def test_one_spelling(written: dict[str, Any], spelling: Any) -> None:
    found, problems = read_protocol(written, "p")
    assert problems == []
    assert repr(found) == repr(spelling)  # 100 and 100.0, or 0.0 and -0.0, are not equal in JSON
    assert read_protocol(found, "p") == (found, [])


def test_the_label_is_the_name() -> None:
    value = {"epochs": 100, "base": "cifar", "channels": 16, "clip_norm": None, "dropped": "nodes"}
    protocol = find_protocol(value)
    assert protocol.name == "cifar(channels=16, clip_norm=null, dropped=nodes, epochs=100)"
    assert protocol.name == protocol_label(read_protocol(value, "p")[0])
    assert find_protocol({**value, "momentum": 0.9}) == protocol


@pytest.mark.parametrize(
    ("value", "places"),
    [
        (3, ["p"]),
        (None, ["p"]),
        (["cifar"], ["p"]),
        ({}, ["p.base"]),
        ({"epochs": 0}, ["p.base", "p.epochs"]),
        ({"base": {"base": "cifar"}}, ["p.base"]),
        ({"base": "cifr", "epochs": 3, "lr": 0}, ["p.base", "p.lr"]),
        ({"base": "cifar", "scale": "imagenet", "name": "mine", "num_cells": 8}, ["p.scale", "p.name", "p.num_cells"]),
        ({"base": "small", "channels": 0, "cells": 2, "batch_size": 1}, ["p.channels", "p.cells", "p.batch_size"]),
        ({"base": "small", "channels": 2.5, "epochs": "4", "cells": True}, ["p.channels", "p.epochs", "p.cells"]),
        (
            {"base": "small", "channels": 4097, "epochs": 10**400, "cells": math.inf},
            ["p.channels", "p.epochs", "p.cells"],
        ),
        (
            {"base": "small", "lr": math.nan, "momentum": 1, "weight_decay": -1},
            ["p.lr", "p.momentum", "p.weight_decay"],
        ),
        (
            {"base": "small", "lr": math.inf, "momentum": -0.1, "weight_decay": 2},
            ["p.lr", "p.momentum", "p.weight_decay"],
        ),
        (
            {"base": "small", "clip_norm": 0, "label_smoothing": 1, "drop_path": 1.0},
            ["p.clip_norm", "p.label_smoothing", "p.drop_path"],
        ),
        ({"base": "small", "clip_norm": "none", "auxiliary_weight": -0.1}, ["p.clip_norm", "p.auxiliary_weight"]),
        (
            {"base": "small", "schedule": "step", "dropped": ["nodes"], "cutout": 1},
            ["p.schedule", "p.dropped", "p.cutout"],
        ),
        ({"base": "small", "nesterov": None, "lr": None}, ["p.nesterov", "p.lr"]),
        ({"base": "cifar", 3: 4}, ["p.3"]),
    ],
)
def test_nonsense_is_refused_with_all_problems(value: Any, places: list[str]) -> None:
    assert [problem.partition(": ")[0] for problem in problems_of(value)] == places


def test_problems_name_what_helps() -> None:
    (unknown,) = problems_of({"base": "cifar", "chanels": 8})
    assert "Did you mean channels?" in unknown
    (wrong,) = problems_of({"base": "cifar", "epochs": -5})
    assert "found -5" in wrong
    assert "cifar's 600" in wrong
    (nothing,) = problems_of({"epochs": 3})
    assert all(name in nothing for name in PROTOCOLS)
    (choice,) = problems_of({"base": "cifar", "schedule": "linear"})
    assert "found 'linear'" in choice
    assert all(name in choice for name in SCHEDULES)


@pytest.mark.parametrize(
    ("value", "place", "facts"),
    [
        ({"base": "small", "channels": 1000, "cells": 20}, "p", ["1,000,000", "1000 * 1000 * 20 = 20,000,000"]),
        ({"base": "imagenet_mobile", "channels": 1}, "p.channels", ["at least 2", "found 1"]),
        ({"base": "nasbench201", "momentum": 0}, "p.momentum", ["found 0", "nesterov: false"]),
        ({"base": "cifar_gdas", "epochs": 10}, "p.epochs", ["at least 11", "warmed_up_cosine", "found 10"]),
        ({"base": "small", "schedule": "warmed_up_linear"}, "p.epochs", ["found 4", "schedule: cosine"]),
    ],
)
def test_incompatible_fields(value: dict[str, Any], place: str, facts: list[str]) -> None:
    (problem,) = problems_of(value)
    assert problem.partition(": ")[0] == place
    assert all(fact in problem for fact in facts)


def test_compatible_fields() -> None:
    assert not find_protocol({"base": "nasbench201", "momentum": 0, "nesterov": False}).nesterov
    assert find_protocol({"base": "cifar_gdas", "epochs": 11}).epochs == 11
    assert find_protocol({"base": "imagenet_mobile", "channels": 2}).channels == 2
    assert find_protocol({"base": "cifar", "channels": 1, "cells": 3}).num_cells == 3


def test_without_an_auxiliary_tower_images_of_any_size_fit(make_data: Callable[[int], RetrainingData]) -> None:
    info = make_data(8).info
    with pytest.raises(ConfigError, match=r"^protocol cifar\(epochs=2\): .*32x32.*8x8.*auxiliary_weight: 0"):
        check_fits(find_protocol({"base": "cifar", "epochs": 2}), info)
    check_fits(find_protocol({"base": "cifar", "epochs": 2, "auxiliary_weight": 0}), info)


def test_the_network_has_the_size_of_the_value(make_data: Callable[[int], RetrainingData]) -> None:
    protocol = find_protocol(
        {"base": "cifar", "channels": 4, "cells": 3, "epochs": 2, "batch_size": 8, "auxiliary_weight": 0, "lr": 0.01}
    )

    def build(chosen: Protocol) -> Retraining:
        return Retraining(PUBLISHED["DARTS_V2"], None, make_data(8), chosen, seed=0, device=torch.device("cpu"))

    work = build(protocol)
    assert len(work.network.cells) == 3
    assert work.network.classifier.in_features == 4 * 4 * 4  # four nodes of the last of three widths: 4, 8, 16
    assert not any(name.startswith("auxiliary") for name, _ in work.network.named_modules())
    named = replace(PROTOCOLS["cifar"], channels=4, num_cells=3, epochs=2, batch_size=8, auxiliary_weight=0.0, lr=0.01)
    assert num_parameters(work.network) == num_parameters(build(named).network)
    loop = EpochLoop(work, protocol.epochs)
    rates = [report.metrics["lr/weights"] for _ in range(2) if (report := loop.advance()) is not None]
    assert rates == pytest.approx([0.01, 0.005])
