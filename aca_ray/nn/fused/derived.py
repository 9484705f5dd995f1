"""Derived networks on a CPU: channels-last maps, which torch computes fastest.

A retraining step on them takes 0.62 to 0.82 of the time that it takes in torch's default layout, on one thread
(`experiments/benchmarks/RESULTS.md`).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from aca_ray.nn.blocks import DepthwiseConv2d, FactorizedReduce, ReluConvNorm
from aca_ray.nn.derived import AllocatedEdge, DerivedNetwork
from aca_ray.nn.fused.depthwise import depthwise_convolution
from aca_ray.nn.fused.layers import halving_pointwise
from aca_ray.nn.fused.maps import channels_last, on_cpu
from aca_ray.nn.fused.running_statistics import BatchStatistics, record
from aca_ray.nn.fused.wide_norm import is_faster, wide_norm


def lay_out(network: DerivedNetwork) -> DerivedNetwork:
    """Return the network, on a CPU with channels-last maps; it computes the same except for rounding.

    Parameters, buffers and state dict stay the same.
    """
    if not on_cpu(network.classifier.weight):
        return network
    lay_out_modules(network)
    network.stem.register_forward_pre_hook(lambda _, inputs: tuple(map(channels_last, inputs)))
    # Images of one channel have both layouts at once, and convolutions then return torch's default.
    network.stem.register_forward_hook(lambda _, inputs, outputs: tuple(map(channels_last, outputs)))
    return network


def lay_out_modules(module: nn.Module) -> None:
    """Have a module and all modules in it, on a CPU, compute channels-last maps from channels-last maps."""
    for inner in module.modules():
        inner.__class__ = _LAID_OUT.get(type(inner), type(inner))


class ChannelsLastEdge(AllocatedEdge):
    """An allocated edge that keeps the layout; selected along dimension 1, maps would have torch's default one."""

    def forward(self, x: Tensor) -> Tensor:
        operated = self.operation(_select(x, self.kept))
        if isinstance(self.skip, nn.Identity):
            return x.movedim(1, 3).index_copy(3, self.kept, operated.movedim(1, 3)).movedim(3, 1)
        skipped = self.skip(_select(x, self.refilled))
        return _select(torch.cat((operated, skipped), dim=1), self.restore_order)


def _select(x: Tensor, channels: Tensor) -> Tensor:
    """Return these channels of channels-last maps, channels-last."""
    return x.movedim(1, 3).index_select(3, channels).movedim(3, 1)


class ChannelsLastDepthwise(DepthwiseConv2d):
    """A depthwise convolution with fast gradients; torch's own are as fast for undilated 3x3 kernels alone."""

    def forward(self, x: Tensor) -> Tensor:
        if self.kernel_size[0] == 3 and self.dilation[0] == 1:
            return super().forward(x)
        return depthwise_convolution(x, self.weight, self.stride[0], self.dilation[0])


class SlicedReduce(FactorizedReduce):
    """A factorized reduction that takes every second pixel before its convolutions."""

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(x)
        outputs = halving_pointwise(self.first, x)
        if self.second is not None:
            outputs = torch.cat((outputs, halving_pointwise(self.second, x, 1)), dim=1)
        return self.norm(outputs)


class SlicedReluConvNorm(ReluConvNorm):
    """ReLU, convolution, batch norm; a 1x1 convolution of stride 2 takes every second pixel first."""

    def forward(self, x: Tensor) -> Tensor:
        relu, convolution, norm = self
        assert isinstance(convolution, nn.Conv2d)
        if convolution.kernel_size == (1, 1) and convolution.stride == (2, 2):
            return norm(halving_pointwise(convolution, relu(x)))
        return super().forward(x)


class WideBatchNorm2d(nn.BatchNorm2d):
    """A batch norm that is fast for few channels on several threads."""

    def forward(self, x: Tensor) -> Tensor:
        if not (self.training and is_faster(x)):
            return super().forward(x)
        outputs, means, variances = wide_norm(x, self.weight, self.eps, self.bias)
        record(BatchStatistics([self], means[None], variances[None]))
        return outputs


_LAID_OUT: dict[type[nn.Module], type[nn.Module]] = {
    AllocatedEdge: ChannelsLastEdge,
    DepthwiseConv2d: ChannelsLastDepthwise,
    FactorizedReduce: SlicedReduce,
    ReluConvNorm: SlicedReluConvNorm,
    nn.BatchNorm2d: WideBatchNorm2d,
}
