"""On devices other than CPUs, few calls compute the candidates of all edges that leave a state."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from aca_ray.nn import CellMixing, Mixing, Supernet
from aca_ray.nn.blocks import DepthwiseConv2d
from aca_ray.nn.fused import fuse
from aca_ray.nn.fused.grouped_maps import depthwise, pointwise
from aca_ray.nn.fused.maps import as_maps, as_states
from aca_ray.space import SPACES


class Calls(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.counts[function.overloadpacket.__name__] += 1
        return function(*args, **(kwargs or {}))


def calls(accelerate: Callable[[Supernet], nn.Module]) -> Counter[str]:
    """Return the calls of each function in a forward and backward pass, on the `meta` device, so without a GPU."""
    with torch.device("meta"):
        network = accelerate(Supernet(SPACES["darts"], channels=4, num_cells=3, num_classes=3))
        weights = [torch.rand(14, 8).requires_grad_() for _ in range(2)]
        with Calls() as found:
            logits = network(torch.randn(2, 3, 32, 32), Mixing(*map(CellMixing, weights)))
            torch.autograd.grad(logits.sum(), (*network.parameters(), *weights))
    return found.counts


def test_a_pass_makes_few_calls() -> None:
    found, plain = calls(fuse), calls(lambda network: network)
    for name in ("convolution", "convolution_backward"):
        assert 4 * found[name] < plain[name]
    for name in ("native_batch_norm", "max_pool2d_with_indices", "avg_pool2d", "relu"):
        assert 2 * found[name] < plain[name]


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("dilation", [1, 2])
def test_kernels_of_different_sizes(stride: int, dilation: int) -> None:
    layers = [DepthwiseConv2d(2, kernel, stride, dilation).double() for kernel in (3, 3, 5)]
    x = torch.randn(4, 2, 8, 8, dtype=torch.float64)
    for found, layer in zip(as_states(depthwise(layers, as_maps(x))), layers, strict=True):
        expected = nn.functional.conv2d(x, layer.weight, None, stride, layer.padding, dilation, groups=2)
        torch.testing.assert_close(found, expected)


def test_layers_that_read_different_maps() -> None:
    layers = [nn.Conv2d(2, 3, 1, bias=False).double() for _ in range(2)]
    xs = [torch.randn(4, 2, 8, 8, dtype=torch.float64) for _ in layers]
    found = pointwise(layers, torch.cat([as_maps(x) for x in xs]))
    for own, layer, x in zip(found.unbind(), layers, xs, strict=True):
        torch.testing.assert_close(own.permute(3, 0, 1, 2), layer(x))
