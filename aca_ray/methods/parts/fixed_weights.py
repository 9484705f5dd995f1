"""Forward passes for gradients of the architecture alone."""

from __future__ import annotations

from torch import Tensor, nn
from torch.func import functional_call

from aca_ray.nn.mixing import Mixing


def logits_at_fixed_weights(network: nn.Module, images: Tensor, mixing: Mixing) -> Tensor:
    """Return the (B, K) logits of (B, C, H, W) images, differentiable in the mixing weights alone.

    The pass updates running statistics like any other; gradients of the weights are not computed.
    """
    weights = {name: parameter.detach() for name, parameter in network.named_parameters()}
    return functional_call(network, weights, (images, mixing))
