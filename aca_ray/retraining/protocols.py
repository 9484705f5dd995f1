"""Retraining protocols as named values; accuracies of different protocols are not comparable."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Literal

from aca_ray.data import ImageFacts
from aca_ray.errors import ConfigError
from aca_ray.nn.derived import Dropped
from aca_ray.nn.image_scale import CIFAR_SCALE, IMAGENET_SCALE, ImageScale
from aca_ray.training.schedule import Schedule, cosine_to_zero, exponential, warmed_up_cosine, warmed_up_linear

Precision = Literal["float32", "tf32", "bfloat16"]


@dataclass(frozen=True)
class Protocol:
    """A retraining protocol.

    Attributes:
        name: registry name, or the label of a protocol by value.
        source: origin of the numbers.
        channels: channels C of the first cells.
        num_cells: number of cells.
        epochs: length of the retraining.
        batch_size: images per step.
        lr: learning rate of SGD in the first epoch, before any warm-up.
        schedule: returns the learning rate of every epoch.
        momentum: momentum of SGD.
        nesterov: whether the momentum is Nesterov's.
        weight_decay: L2 coefficient.
        clip_norm: bound on the gradient's global norm, infinite for none.
        label_smoothing: share of every training label that is spread over all classes.
        auxiliary_weight: weight of the auxiliary tower's loss, 0 for no tower.
        drop_path: drop-path probability that the linear ramp from 0 would reach after the last epoch.
        dropped: whether drop path acts on every operation except identities, or on the sum of every node's inputs.
        cutout: whether training images are augmented with cutout of half their side.
        precision: precision of all passes; `bfloat16` under autocast. Weights, optimizer, batch-norm statistics and
            losses are float32.
        compile: whether torch.compile compiles the training passes.
        scale: stem and auxiliary tower.
    """

    name: str
    source: str
    channels: int
    num_cells: int
    epochs: int
    batch_size: int
    lr: float = 0.025
    schedule: Schedule = cosine_to_zero
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 3e-4
    clip_norm: float = 5.0
    label_smoothing: float = 0.0
    auxiliary_weight: float = 0.0
    drop_path: float = 0.0
    dropped: Dropped = "operations"
    cutout: bool = False
    precision: Precision = "float32"
    compile: bool = False
    scale: ImageScale = CIFAR_SCALE

    @property
    def has_tower(self) -> bool:
        """Whether networks are trained with an auxiliary tower."""
        return self.auxiliary_weight > 0.0

    def network_settings(self, images: ImageFacts) -> dict[str, Any]:
        """Return the arguments of DerivedNetwork for images, except cells, channel plan and auxiliary tower."""
        return {
            "channels": self.channels,
            "num_cells": self.num_cells,
            "num_classes": images.num_classes,
            "in_channels": images.channels,
            "scale": self.scale,
        }


CIFAR = Protocol(
    name="cifar",
    source="Liu et al. 2019 (DARTS), section 3.2.1, and its official code: 20 cells, 36 channels",
    channels=36,
    num_cells=20,
    epochs=600,
    batch_size=96,
    auxiliary_weight=0.4,
    drop_path=0.2,
    cutout=True,
)
IMAGENET_MOBILE = Protocol(
    name="imagenet_mobile",
    source="Liu et al. 2019 (DARTS), section 3.2.2, and its official code: 14 cells, 48 channels",
    channels=48,
    num_cells=14,
    epochs=250,
    batch_size=128,
    lr=0.1,
    schedule=exponential,
    weight_decay=3e-5,
    label_smoothing=0.1,
    auxiliary_weight=0.4,
    scale=IMAGENET_SCALE,
)

PROTOCOLS: dict[str, Protocol] = {
    protocol.name: protocol
    for protocol in (
        CIFAR,
        replace(CIFAR, name="cifar_pc_darts", source="Xu et al. 2020 (PC-DARTS), official code", drop_path=0.3),
        replace(
            CIFAR,
            name="cifar_p_darts",
            source="Chen et al. 2019 (P-DARTS), official code",
            batch_size=128,
            drop_path=0.3,
        ),
        replace(
            CIFAR, name="cifar_drnas", source="Chen et al. 2021 (DrNAS), official code", batch_size=64, drop_path=0.3
        ),
        replace(
            CIFAR,
            name="cifar_fair_darts",
            source="Chu et al. 2020 (FairDARTS), official code: drop path on the sum of every node's inputs",
            dropped="nodes",
        ),
        replace(
            CIFAR,
            name="cifar_gdas",
            source=(
                "Dong & Yang 2019 (GDAS), official code (AutoDL-Projects): 300 epochs, the first 5 a linear warm-up "
                "(per step in the official code, per epoch here), Nesterov momentum, no gradient clipping"
            ),
            epochs=300,
            batch_size=256,
            schedule=warmed_up_cosine,
            nesterov=True,
            weight_decay=5e-4,
            clip_norm=math.inf,
        ),
        replace(
            CIFAR,
            name="cifar_pr_darts",
            source="Zhou et al. 2020 (PR-DARTS), official code: no auxiliary tower",
            batch_size=128,
            drop_path=0.3,
            auxiliary_weight=0.0,
        ),
        replace(
            CIFAR,
            name="cifar_sp_darts",
            source="Zhang & Ding 2023 (SP-DARTS), official code: 2000 epochs",
            epochs=2000,
            batch_size=128,
        ),
        replace(
            CIFAR,
            name="s1_s4_8_16",
            source='Zela et al. 2020 (RobustDARTS), official code: 8 cells, 16 channels ("8/16")',
            channels=16,
            num_cells=8,
        ),
        replace(
            CIFAR,
            name="s1_s4_20_36",
            source='Wang et al. 2021 (DARTS-PT) on CIFAR-10: spaces S1 to S4 with 20 cells, 36 channels ("20/36")',
        ),
        IMAGENET_MOBILE,
        replace(
            IMAGENET_MOBILE,
            name="imagenet_mobile_pc_darts",
            source="Xu et al. 2020 (PC-DARTS), official code",
            batch_size=1024,
            lr=0.5,
            schedule=warmed_up_linear,
        ),
        Protocol(
            name="nasbench201",
            source="Dong & Yang 2020 (NAS-Bench-201), section 2.3: 15 cells and 2 residual blocks, 16 channels",
            channels=16,
            num_cells=17,
            epochs=200,
            batch_size=256,
            lr=0.1,
            nesterov=True,
            weight_decay=5e-4,
            clip_norm=math.inf,
        ),
        Protocol(
            name="small",
            source="ours: a proxy for tiny images and CPUs; meaningful only for differences within a sweep",
            channels=8,
            num_cells=5,
            epochs=4,
            batch_size=64,
            lr=0.05,
        ),
    )
}


DEFAULT_PROTOCOL = "cifar"


def check_fits(protocol: Protocol, info: ImageFacts) -> None:
    """Raise ConfigError unless the images have the size that a protocol requires."""
    size = protocol.scale.auxiliary_size
    if protocol.has_tower and (info.height, info.width) != (size, size):
        raise ConfigError(
            f"protocol {protocol.name}: the auxiliary tower needs {size}x{size} images, found "
            f"{info.height}x{info.width} ({info.name}); choose another protocol or data set, or set auxiliary_weight: 0"
        )


def check_device(protocol: Protocol, device_type: str) -> None:
    """Raise ConfigError unless a device of this type, `cpu` or `cuda`, computes in the precision of a protocol."""
    if protocol.precision == "tf32" and device_type == "cpu":
        raise ConfigError(
            f"protocol {protocol.name}: precision tf32 needs a GPU, found a CPU; compute on a GPU "
            "(runtime.gpus_per_trial, or retrain --gpu), or set precision: float32"
        )
