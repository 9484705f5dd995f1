"""The optimizer settings of a paper."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Recipe:
    """The optimizer settings of a paper; a sweep need not state them.

    Attributes:
        batch_size: images per step of either split.
        weight_lr: learning rate of SGD in the first epoch.
        weight_lr_min: learning rate that the schedule would reach after the last epoch.
        momentum: momentum of SGD.
        nesterov: whether SGD's momentum is Nesterov's.
        weight_decay: L2 coefficient of SGD.
        clip_norm: bound on the global norm of the weights' gradient.
        arch_lr: learning rate of Adam on the architecture parameters.
        arch_betas: betas of Adam.
        arch_weight_decay: L2 coefficient of Adam.
        arch_clip_norm: bound on the global norm of the architecture parameters' gradient.
        arch_start: share of the epochs, in [0, 1], during which the architecture parameters are frozen; of the epochs
            of every stage, unless a method says otherwise.
    """

    batch_size: int = 64
    weight_lr: float = 0.025
    weight_lr_min: float = 0.001
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 3e-4
    clip_norm: float = 5.0
    arch_lr: float = 3e-4
    arch_betas: tuple[float, float] = (0.5, 0.999)
    arch_weight_decay: float = 1e-3
    arch_clip_norm: float = math.inf
    arch_start: float = 0.0
