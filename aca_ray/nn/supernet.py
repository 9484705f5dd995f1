"""The supernet: a pure function of images and mixing weights."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import cast

import torch
from torch import Tensor, nn

from aca_ray.nn.cell import SearchCell
from aca_ray.nn.edges import EdgeBuilder, EdgeObservation, FullEdge, Scheduled
from aca_ray.nn.image_scale import CIFAR_SCALE, ImageScale
from aca_ray.nn.mixing import Mixing
from aca_ray.nn.skeleton import SKELETONS, Cell
from aca_ray.space.spaces import Space

HeadBuilder = Callable[[int], nn.Module]
SupernetObserver = Callable[[int, int, EdgeObservation], None]


class Supernet(nn.Module):
    """All networks of a search space at once, with shared weights.

    Architecture parameters are kept outside: the module's parameters are exactly the network weights. The number of
    inputs of a cell determines the skeleton; batch norms keep running statistics in both skeletons.

    Args:
        space: candidates of every edge.
        build_edge: function from (candidate names, channels, stride) to an edge.
        build_head: function from a number of channels to the module between the last cell and the global average
            pooling; None for the skeleton's.
        channels: channels C of the first cells' edges; doubled at each of the two reductions.
        num_cells: number of cells, at least 3.
        num_classes: width of the last layer.
        in_channels: channels of the images.
        scale: stem for the size of the images.
        precision: torch.float32 for passes in the precision of the weights; torch.bfloat16 for passes under autocast,
            with weights, statistics and logits in float32. Not part of the state dict.

    Source: Liu et al. 2019 (DARTS), section 3.1.1, and Dong & Yang 2020 (NAS-Bench-201), and their official codes.
    """

    def __init__(
        self,
        space: Space,
        *,
        channels: int,
        num_cells: int,
        num_classes: int,
        in_channels: int = 3,
        build_edge: EdgeBuilder = FullEdge,
        build_head: HeadBuilder | None = None,
        scale: ImageScale = CIFAR_SCALE,
        precision: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        self.precision = precision
        self.strength = 0.0
        self.space = space
        skeleton = SKELETONS[space.topology.num_inputs]
        stem_channels = (scale.stem_multiplier or skeleton.stem_multiplier) * channels
        self.stem = scale.build_stem(in_channels, stem_channels)
        self.cells = skeleton.cells(
            lambda site: SearchCell(space, site, build_edge),
            stem_channels=stem_channels,
            channels=channels,
            num_cells=num_cells,
            after_reduction=scale.halves,
        )
        out_channels = cast(Cell, self.cells[-1]).out_channels
        self.head = (build_head or skeleton.head)(out_channels)
        self.classifier = nn.Linear(out_channels, num_classes)

    def set_strength(self, strength: float) -> None:
        """Set the strength of everything scheduled in the edges."""
        self.strength = strength
        for module in self.modules():
            if isinstance(module, Scheduled):
                module.strength = strength

    def forward(self, images: Tensor, mixing: Mixing, observe: SupernetObserver | None = None) -> Tensor:
        """Return (B, K) logits of (B, C, H, W) images.

        Args:
            images: normalized images; height and width divisible by 4, after the halvings of the stem.
            mixing: mixing weights of all candidates.
            observe: callback that gets (cell index, edge index, observation) for every edge of every cell.
        """
        if self.precision == torch.float32:
            return self.logits(images, mixing, observe)
        with torch.autocast(images.device.type, self.precision):
            logits = self.logits(images, mixing, observe)
        return logits.float()

    def logits(self, images: Tensor, mixing: Mixing, observe: SupernetObserver | None) -> Tensor:
        """Return what `forward` returns, in the precision that is set outside."""
        before, previous = self.stem(images)
        for index, cell in enumerate(self.cells):
            assert isinstance(cell, Cell)  # items of a ModuleList have no type
            watch = None if observe is None else partial(observe, index)
            before, previous = previous, cell(before, previous, mixing.cell(cell.cell_type), watch)
        return self.classifier(self.head(previous).mean(dim=(2, 3)))
