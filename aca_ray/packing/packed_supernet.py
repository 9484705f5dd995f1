"""Supernets whose passes a pack computes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from aca_ray.nn.fused import fuse
from aca_ray.nn.fused.network import FusedSupernet
from aca_ray.nn.mixing import Mixing
from aca_ray.nn.supernet import Supernet, SupernetObserver
from aca_ray.packing.contents import Contents
from aca_ray.packing.passes import Pass
from aca_ray.packing.requests import Backward, Forward, Place, Request


def request_passes(network: Supernet, search: int, request: Callable[[Request], Any]) -> Supernet:
    """Return the network, fused, with passes that are requested from a pack.

    Args:
        network: the supernet.
        search: number of its search in the pack.
        request: returns the result of a request to the pack.
    """
    packed = fuse(network)
    packed.__class__ = PackedSupernet
    assert isinstance(packed, PackedSupernet)
    packed.search, packed.request, packed.contents = search, request, Contents(packed)
    return packed


class PackedSupernet(FusedSupernet):
    """A supernet whose passes are computed with those of the other searches of a pack, if possible.

    Observed passes are computed by the network itself.

    Attributes:
        search: number of the search in the pack.
        request: returns the result of a request to the pack.
        contents: modules and tensors of the network.
    """

    search: int
    request: Callable[[Request], Any]
    contents: Contents

    def forward(self, images: Tensor, mixing: Mixing, observe: SupernetObserver | None = None) -> Tensor:
        if observe is not None:
            return super().forward(images, mixing, observe)
        own = Pass.through(self.contents, images, mixing)
        place: Place = self.request(Forward(own, self.search, own.can_pack))
        if not own.wanted:
            return place.logits
        logits: Tensor = _ComputedPass.apply(self, own, place, *own.inputs.values())
        return logits


class _ComputedPass(torch.autograd.Function):
    """A pass that the pack has computed, in the graph of the search that requested it."""

    @staticmethod
    def forward(ctx: Any, network: PackedSupernet, own: Pass, place: Place, *inputs: Tensor) -> Tensor:
        ctx.network, ctx.own, ctx.place = network, own, place
        ctx.save_for_backward(*inputs)
        return place.logits.detach()  # a separate tensor, since this node becomes its grad_fn

    @staticmethod
    def backward(ctx: Any, of_logits: Tensor) -> tuple[Tensor | None, ...]:
        network: PackedSupernet = ctx.network
        own: Pass = ctx.own
        place: Place = ctx.place
        again = torch.is_grad_enabled()  # whether the gradients will be differentiated
        if again or not place.packed.has_graph(place.number):
            inputs = dict(zip(own.inputs, ctx.saved_tensors, strict=True))
            with torch.enable_grad():
                logits = own.compute_alone(inputs)
            wanted = [inputs[name] for name in own.wanted]
            found = torch.autograd.grad(logits, wanted, of_logits, create_graph=again, allow_unused=True)
            gradients = dict(zip(own.wanted, found, strict=True))
        else:
            gradients = network.request(Backward(place, of_logits, network.search))
        return (None, None, None, *(gradients.get(name) for name in own.inputs))
