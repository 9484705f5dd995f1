"""The choice of the fast paths: `fuse` turns the plain modules of a network into their fast subclasses."""

from __future__ import annotations

from typing import TypeVar

from torch import nn

from aca_ray.nn.blocks import (
    AveragePool,
    DepthwiseConv2d,
    DilatedConv,
    FactorizedReduce,
    NormedPool,
    ReluConvNorm,
    SeparableConv,
    Skip,
)
from aca_ray.nn.cell import SearchCell
from aca_ray.nn.cell_inputs import CellInputs, PreviousOutput
from aca_ray.nn.fused.cell import FusedSearchCell
from aca_ray.nn.fused.depthwise import FusedDepthwiseConv2d
from aca_ray.nn.fused.network import FusedCellInputs, FusedPreviousOutput, FusedSupernet
from aca_ray.nn.fused.operations import (
    FusedAveragePool,
    FusedDilatedConv,
    FusedFactorizedReduce,
    FusedNormedPool,
    FusedReluConvNorm,
    FusedSeparableConv,
    FusedSkip,
)
from aca_ray.nn.supernet import Supernet

# The subclasses differ in what they call, not in parameters, buffers or attributes.
FUSED: dict[type[nn.Module], type[nn.Module]] = {
    Supernet: FusedSupernet,
    SearchCell: FusedSearchCell,
    CellInputs: FusedCellInputs,
    PreviousOutput: FusedPreviousOutput,
    ReluConvNorm: FusedReluConvNorm,
    SeparableConv: FusedSeparableConv,
    DilatedConv: FusedDilatedConv,
    DepthwiseConv2d: FusedDepthwiseConv2d,
    FactorizedReduce: FusedFactorizedReduce,
    NormedPool: FusedNormedPool,
    AveragePool: FusedAveragePool,
    Skip: FusedSkip,
}

Network = TypeVar("Network", bound=nn.Module)


def fuse(network: Network) -> Network:
    """Return the network, with every module of a class in `FUSED` turned into one of the fast subclass.

    The network computes the same except for rounding, with the same parameters, buffers and state dict. Modules inside
    a fused operation or a fused cell may no longer be called one by one, so their hooks may not run.
    """
    for module in network.modules():
        module.__class__ = FUSED.get(type(module), type(module))
    return network
