"""Protocols by name, their numbers, and their requirements on the data."""

from __future__ import annotations

import math
from dataclasses import fields
from functools import cache
from typing import Any

import pytest
import torch

from aca_ray.data import DataInfo
from aca_ray.errors import ConfigError
from aca_ray.nn import DerivedNetwork
from aca_ray.nn.image_scale import CIFAR_SCALE, IMAGENET_SCALE, ImageScale
from aca_ray.retraining import PROTOCOLS, Protocol, check_fits, find_protocol
from aca_ray.space import PUBLISHED
from aca_ray.training.schedule import cosine_to_zero, exponential, warmed_up_cosine, warmed_up_linear


def info_of(size: int, num_classes: int = 10) -> DataInfo:
    return DataInfo(
        name="made",
        num_classes=num_classes,
        class_names=tuple(str(label) for label in range(num_classes)),
        channels=3,
        height=size,
        width=size,
        mean=(0.5,) * 3,
        std=(0.2,) * 3,
        flip=True,
        digest="0" * 64,
        source="made",
    )


CIFAR: dict[str, Any] = {
    "channels": 36,
    "num_cells": 20,
    "epochs": 600,
    "batch_size": 96,
    "lr": 0.025,
    "schedule": cosine_to_zero,
    "momentum": 0.9,
    "nesterov": False,
    "weight_decay": 3e-4,
    "clip_norm": 5.0,
    "label_smoothing": 0.0,
    "auxiliary_weight": 0.4,
    "drop_path": 0.2,
    "dropped": "operations",
    "cutout": True,
    "precision": "float32",
    "compile": False,
    "scale": CIFAR_SCALE,
}
IMAGENET: dict[str, Any] = {
    "channels": 48,
    "num_cells": 14,
    "epochs": 250,
    "batch_size": 128,
    "lr": 0.1,
    "schedule": exponential,
    "momentum": 0.9,
    "nesterov": False,
    "weight_decay": 3e-5,
    "clip_norm": 5.0,
    "label_smoothing": 0.1,
    "auxiliary_weight": 0.4,
    "drop_path": 0.0,
    "dropped": "operations",
    "cutout": False,
    "precision": "float32",
    "compile": False,
    "scale": IMAGENET_SCALE,
}
PUBLISHED_NUMBERS: dict[str, dict[str, Any]] = {
    "cifar": CIFAR,
    "cifar_pc_darts": {**CIFAR, "drop_path": 0.3},
    "cifar_p_darts": {**CIFAR, "batch_size": 128, "drop_path": 0.3},
    "cifar_drnas": {**CIFAR, "batch_size": 64, "drop_path": 0.3},
    "cifar_fair_darts": {**CIFAR, "dropped": "nodes"},
    "cifar_gdas": {
        **CIFAR,
        "epochs": 300,
        "batch_size": 256,
        "schedule": warmed_up_cosine,
        "nesterov": True,
        "weight_decay": 5e-4,
        "clip_norm": math.inf,
    },
    "cifar_pr_darts": {**CIFAR, "batch_size": 128, "drop_path": 0.3, "auxiliary_weight": 0.0},
    "cifar_sp_darts": {**CIFAR, "epochs": 2000, "batch_size": 128},
    "s1_s4_8_16": {**CIFAR, "num_cells": 8, "channels": 16},
    "s1_s4_20_36": CIFAR,
    "imagenet_mobile": IMAGENET,
    "imagenet_mobile_pc_darts": {**IMAGENET, "batch_size": 1024, "lr": 0.5, "schedule": warmed_up_linear},
    "nasbench201": {
        **CIFAR,
        "channels": 16,
        "num_cells": 17,
        "epochs": 200,
        "batch_size": 256,
        "lr": 0.1,
        "nesterov": True,
        "weight_decay": 5e-4,
        "clip_norm": math.inf,
        "auxiliary_weight": 0.0,
        "drop_path": 0.0,
        "cutout": False,
    },
}


@pytest.mark.parametrize("name", PUBLISHED_NUMBERS)
def test_numbers_are_the_published_ones(name: str) -> None:
    protocol = find_protocol(name)
    found = {field.name: getattr(protocol, field.name) for field in fields(Protocol)}
    assert {key: value for key, value in found.items() if key not in ("name", "source")} == PUBLISHED_NUMBERS[name]


def test_names_are_the_registry_keys() -> None:
    assert all(find_protocol(name).name == name for name in PROTOCOLS)
    assert set(PUBLISHED_NUMBERS) == set(PROTOCOLS) - {"small"}
    assert '"8/16"' in find_protocol("s1_s4_8_16").source
    assert '"20/36"' in find_protocol("s1_s4_20_36").source


def test_unknown_protocol_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"^retraining\.protocol: .*'cifar10'.*Did you mean cifar\?"):
        find_protocol("cifar10", "retraining.protocol")


@pytest.mark.slow
@pytest.mark.parametrize("genotype", ["DARTS_V2", "FAIR_DARTS_A"])
@pytest.mark.parametrize("name", PROTOCOLS)
def test_networks_of_every_protocol(name: str, genotype: str) -> None:
    """Whole networks on the meta device: shapes of inputs and logits."""
    protocol = find_protocol(name)
    size = protocol.scale.auxiliary_size
    check_fits(protocol, info_of(size, 7))
    tower = protocol.auxiliary_weight > 0
    found = shapes_of_logits(genotype, size, protocol.channels, protocol.num_cells, tower, protocol.scale)
    assert found == ((2, 7), (2, 7) if tower else None)


@cache
def shapes_of_logits(
    genotype: str, size: int, channels: int, num_cells: int, tower: bool, scale: ImageScale
) -> tuple[tuple[int, ...], tuple[int, ...] | None]:
    """Return the shapes of a network's two outputs for two images; most protocols have the same network."""
    with torch.device("meta"):
        network = DerivedNetwork(
            PUBLISHED[genotype],
            None,
            channels=channels,
            num_cells=num_cells,
            num_classes=7,
            auxiliary=tower,
            scale=scale,
        )
        logits, auxiliary = network.forward_with_auxiliary(torch.zeros(2, 3, size, size))
    return tuple(logits.shape), None if auxiliary is None else tuple(auxiliary.shape)


@pytest.mark.parametrize("name", PROTOCOLS)
def test_images_of_another_size(name: str) -> None:
    protocol = find_protocol(name)
    if not protocol.auxiliary_weight:
        check_fits(protocol, info_of(28))
        return
    size, other = (224, 32) if name.startswith("imagenet") else (32, 224)
    with pytest.raises(ConfigError, match=rf"^protocol {name}: .*{size}x{size} .*found {other}x{other}"):
        check_fits(protocol, info_of(other))
