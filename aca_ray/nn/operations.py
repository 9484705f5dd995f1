"""The candidate operations by name; every one maps (B, C, H, W) to (B, C, H/stride, W/stride).

Source: Liu et al. 2019 (DARTS), section 3.1 and its official code; `noise` from Zela et al. 2020 (space S4); `nor_conv`
and `plain_avg_pool_3x3` from Dong & Yang 2020 (NAS-Bench-201) and its official code.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from aca_ray.nn.blocks import (
    AveragePool,
    DilatedConv,
    FactorizedReduce,
    MaxPool,
    Noise,
    NormedPool,
    ReluConvNorm,
    SeparableConv,
    Skip,
)
from aca_ray.space.candidates import NONE, PLAIN, SKIP

# Functions from (channels, stride, affine).
OPERATIONS: dict[str, Callable[[int, int, bool], nn.Module]] = {
    "max_pool_3x3": lambda channels, stride, affine: MaxPool(stride),
    "avg_pool_3x3": lambda channels, stride, affine: AveragePool(stride),
    f"{PLAIN}avg_pool_3x3": lambda channels, stride, affine: AveragePool(stride),
    SKIP: lambda channels, stride, affine: Skip() if stride == 1 else FactorizedReduce(channels, channels, affine),
    "sep_conv_3x3": lambda channels, stride, affine: SeparableConv(channels, 3, stride, affine),
    "sep_conv_5x5": lambda channels, stride, affine: SeparableConv(channels, 5, stride, affine),
    "dil_conv_3x3": lambda channels, stride, affine: DilatedConv(channels, 3, stride, affine),
    "dil_conv_5x5": lambda channels, stride, affine: DilatedConv(channels, 5, stride, affine),
    "nor_conv_1x1": lambda channels, stride, affine: ReluConvNorm(channels, channels, 1, stride, affine),
    "nor_conv_3x3": lambda channels, stride, affine: ReluConvNorm(channels, channels, 3, stride, affine),
    "noise": lambda channels, stride, affine: Noise(stride),
}


def build_operation(name: str, channels: int, stride: int) -> nn.Module:
    """Return an operation as the derived network uses it: affine batch norms, and none after pooling."""
    return OPERATIONS[name](channels, stride, True)


def build_candidate(name: str, channels: int, stride: int) -> nn.Module:
    """Return an operation as the supernet uses it: non-affine batch norms, also after pooling unless it is plain.

    The weights of affine batch norms could rescale the architecture parameters.

    Source: DARTS' official code.
    """
    module = build_plain_candidate(name, channels, stride)
    if name.endswith("pool_3x3") and not name.startswith(PLAIN):
        return NormedPool(module, channels)
    return module


def build_plain_candidate(name: str, channels: int, stride: int) -> nn.Module:
    """Return an operation with non-affine batch norms, and none after pooling.

    Source: Dong & Yang 2019 (GDAS) and Zhou et al. 2020 (PR-DARTS), official codes.
    """
    if name == NONE:
        raise ValueError("'none' is never built: a zero adds nothing to an edge's sum")
    return OPERATIONS[name](channels, stride, False)


def last_full_convolution(module: nn.Module) -> nn.Conv2d | None:
    """Return the last convolution of an operation that mixes channels, or None if there is none."""
    full = [m for m in module.modules() if isinstance(m, nn.Conv2d) and m.groups == 1]
    return full[-1] if full else None
