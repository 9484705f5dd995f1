"""The supernet: a pure function of images and mixing weights."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import cast

import torch
from torch import Tensor, nn

from aca_ray.nn.cell import SearchCell
from aca_ray.nn.edges import EdgeBuilder, EdgeObservation, FullEdge, Scheduled
from aca_ray.nn.image_scale import CIFAR_SCALE, ImageScale
from aca_ray.nn.maps import laid_out
from aca_ray.nn.mixing import Mixing
from aca_ray.nn.running_statistics import updated_at_the_end
from aca_ray.nn.skeleton import SKELETONS, Cell
from aca_ray.space.spaces import Space

HeadBuilder = Callable[[int], nn.Module]
SupernetObserver = Callable[[int, int, EdgeObservation], None]

# Returns (B, K) logits in the place of `Supernet.compute`, for passes that nobody observes; None leaves them to it.
pass_computer: ContextVar[Callable[[Supernet, Tensor, Mixing], Tensor] | None] = ContextVar("computer", default=None)


class Supernet(nn.Module):
    """All networks of a search space at once, with shared weights.

    Architecture parameters live outside: the module's parameters are exactly the network weights. The cells stand in
    the skeleton of their number of inputs; batch norms keep running statistics in both.

    Args:
        space: candidates of every edge.
        build_edge: what an edge computes; gets (candidate names, channels, stride).
        build_head: what comes between the last cell and the global average pooling; gets the number of channels. None
            takes the skeleton's.
        channels: channels C of the first cells' edges; doubled at each of the two reductions.
        num_cells: number of cells, at least 3.
        num_classes: width of the last layer.
        in_channels: channels of the images.
        scale: stem for images of about their size.
        precision: torch.float32 leaves passes in the precision of the weights; torch.bfloat16 runs them under autocast,
            and weights, statistics and logits stay float32. No part of the state.

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

    @property
    def packs(self) -> bool:
        """Whether passes can be computed together: torch.func.vmap has batch norms of one precision alone."""
        return self.precision == torch.float32

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
            mixing: the weights of all candidates.
            observe: called with (cell index, edge index, what passed through) for every edge of every cell.
        """
        compute = pass_computer.get()
        if compute is None or observe is not None:
            return self.compute(images, mixing, observe)
        return compute(self, images, mixing)

    def compute(self, images: Tensor, mixing: Mixing, observe: SupernetObserver | None = None) -> Tensor:
        """Return what `forward` does, whoever else computes passes."""
        if self.precision == torch.float32:
            return self._logits(images, mixing, observe)
        with torch.autocast(images.device.type, self.precision):
            logits = self._logits(images, mixing, observe)
        return logits.float()

    def _logits(self, images: Tensor, mixing: Mixing, observe: SupernetObserver | None) -> Tensor:
        with updated_at_the_end():
            before, previous = self.stem(laid_out(images))
            for index, cell in enumerate(self.cells):
                assert isinstance(cell, Cell)  # what a ModuleList holds has no type
                watch = None if observe is None else (lambda edge, seen, index=index: observe(index, edge, seen))
                before, previous = previous, cell(before, previous, mixing.cell(cell.cell_type), watch)
            return self.classifier(self.head(previous).mean(dim=(2, 3)))
