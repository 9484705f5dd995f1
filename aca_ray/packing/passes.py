"""Requested passes through supernets."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.func import functional_call

from aca_ray.nn.fused.maps import on_cpu
from aca_ray.nn.mixing import CellMixing, Mixing
from aca_ray.packing.contents import Contents

# Names of the mixing weights among a pass's inputs, which no parameter of a module can have.
_MIXING = ("normal operations", "normal edges", "reduce operations", "reduce edges")


@dataclass(frozen=True)
class Pass:
    """A requested forward pass.

    Attributes:
        contents: those of the supernet.
        images: (B, C, H, W) images.
        inputs: parameters and mixing weights, by name; these may have gradients.
        buffers: buffers by name; updated as by the pass alone.
        wanted: names of the inputs whose gradients are requested.
    """

    contents: Contents
    images: Tensor
    inputs: Mapping[str, Tensor]
    buffers: Mapping[str, Tensor]
    wanted: frozenset[str]

    @staticmethod
    def through(contents: Contents, images: Tensor, mixing: Mixing) -> Pass:
        """Return the pass that a supernet would compute now."""
        cells = (mixing.normal, mixing.reduce)
        tensors = [tensor for cell in cells for tensor in (cell.operations, cell.edges)]
        weights = {name: tensor for name, tensor in zip(_MIXING, tensors, strict=True) if tensor is not None}
        inputs = {**contents.parameters, **weights}
        learns = torch.is_grad_enabled()
        wanted = frozenset(name for name, tensor in inputs.items() if learns and tensor.requires_grad)
        return Pass(contents, images, inputs, contents.buffers, wanted)

    @property
    def can_pack(self) -> bool:
        """Whether the pass can be computed with others."""
        return self.contents.can_pack(self.images)

    @cached_property
    def kind(self) -> Hashable:
        """A key that is equal for two passes if and only if they can be packed."""
        network = self.contents.network
        mixing = tuple(self.inputs[name].shape if name in self.inputs else None for name in _MIXING)
        images = self.images.device, on_cpu(self.images), self.images.shape
        return self.contents.structure, network.strength, network.training, images, mixing, self.wanted

    def compute_alone(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Return the (B, K) logits for other inputs than the pass's own; running statistics are unchanged."""
        buffers = {name: buffer.clone() for name, buffer in self.buffers.items()}
        return self.compute(inputs, buffers, self.images)

    def compute(self, inputs: Mapping[str, Tensor], buffers: Mapping[str, Tensor], images: Tensor) -> Tensor:
        """Return the (B, K) logits for other tensors than the pass's own; the buffers are updated."""
        normal, normal_edges, reduce, reduce_edges = (inputs.get(name) for name in _MIXING)
        assert normal is not None
        assert reduce is not None
        mixing = Mixing(CellMixing(normal, normal_edges), CellMixing(reduce, reduce_edges))
        weights = {name: tensor for name, tensor in inputs.items() if name not in _MIXING}
        logits: Tensor = functional_call(
            self.contents.module, {**weights, **buffers}, (images, mixing), tie_weights=False
        )
        return logits
