"""Derived networks on a CPU: channels-last maps, which torch computes fastest.

A retraining step on them takes 0.66 to 0.83 of the time that it takes in torch's default layout
(`experiments/benchmarks/RESULTS.md`).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from aca_ray.nn.blocks import FactorizedReduce
from aca_ray.nn.derived import DerivedNetwork
from aca_ray.nn.fused.maps import channels_last, every_second_pixel, on_cpu
from aca_ray.nn.fused.running_statistics import BatchStatistics, record
from aca_ray.nn.fused.wide_norm import is_faster, wide_norm


def lay_out(network: DerivedNetwork) -> DerivedNetwork:
    """Return the network, on a CPU with channels-last maps; it computes the same except for rounding.

    Parameters, buffers and state dict stay the same.
    """
    if not on_cpu(network.classifier.weight):
        return network
    for module in network.modules():
        module.__class__ = _LAID_OUT.get(type(module), type(module))
    network.stem.register_forward_pre_hook(lambda _, inputs: tuple(map(channels_last, inputs)))
    # Images of one channel have both layouts at once, and convolutions then return torch's default.
    network.stem.register_forward_hook(lambda _, inputs, outputs: tuple(map(channels_last, outputs)))
    return network


class SlicedReduce(FactorizedReduce):
    """A factorized reduction that takes every second pixel before its convolutions.

    Torch 2.14 writes past its memory in the gradient of a 1x1 convolution of stride 2 on large channels-last maps.
    """

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(x)
        outputs = functional.conv2d(every_second_pixel(x, 0), self.first.weight)
        if self.second is not None:
            outputs = torch.cat((outputs, functional.conv2d(every_second_pixel(x, 1), self.second.weight)), dim=1)
        return self.norm(outputs)


class WideBatchNorm2d(nn.BatchNorm2d):
    """A batch norm that is fast for few channels on several threads."""

    def forward(self, x: Tensor) -> Tensor:
        if not (self.training and is_faster(x)):
            return super().forward(x)
        outputs, means, variances = wide_norm(x, self.weight, self.eps, self.bias)
        record(BatchStatistics([self], means[None], variances[None]))
        return outputs


_LAID_OUT: dict[type[nn.Module], type[nn.Module]] = {
    FactorizedReduce: SlicedReduce,
    nn.BatchNorm2d: WideBatchNorm2d,
}
