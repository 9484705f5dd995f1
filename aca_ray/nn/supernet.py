"""The supernet: a pure function of images and mixing weights."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from aca_ray.nn.cell import SearchCell
from aca_ray.nn.edges import EdgeBuilder, EdgeObservation, FullEdge
from aca_ray.nn.mixing import Mixing
from aca_ray.space.spaces import Space
from aca_ray.space.topology import CellType, reduction_cells

STEM_MULTIPLIER = 3  # Liu et al. 2019, official code

SupernetObserver = Callable[[int, int, EdgeObservation], None]


def stem(in_channels: int, out_channels: int) -> nn.Sequential:
    """Return the first layer of a CIFAR-sized network: 3x3 convolution, batch norm."""
    return nn.Sequential(nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False), nn.BatchNorm2d(out_channels))


class Supernet(nn.Module):
    """All networks of a search space at once, with shared weights.

    Architecture parameters live outside: the module's parameters are exactly the network weights.

    Args:
        space: candidates of every edge.
        build_edge: what an edge computes; gets (candidate names, channels, stride).
        channels: channels C of the first cells' edges; doubled at each of the two reduction cells.
        num_cells: number of cells, at least 3.
        num_classes: width of the last layer.
        in_channels: channels of the images.

    Source: Liu et al. 2019 (DARTS), section 3.1.1, and its official code.
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
    ) -> None:
        super().__init__()
        before_channels = previous_channels = STEM_MULTIPLIER * channels
        self.stem = stem(in_channels, previous_channels)
        self.cells = nn.ModuleList()
        after_reduction = False
        for index in range(num_cells):
            cell_type: CellType = "reduce" if index in reduction_cells(num_cells) else "normal"
            if cell_type == "reduce":
                channels *= 2
            self.cells.append(
                SearchCell(
                    space,
                    cell_type,
                    build_edge,
                    before_channels,
                    previous_channels,
                    channels,
                    after_reduction=after_reduction,
                )
            )
            before_channels, previous_channels = previous_channels, space.topology.num_nodes * channels
            after_reduction = cell_type == "reduce"
        self.classifier = nn.Linear(previous_channels, num_classes)

    def forward(self, images: Tensor, mixing: Mixing, observe: SupernetObserver | None = None) -> Tensor:
        """Return (B, K) logits of (B, C, H, W) images.

        Args:
            images: normalized images; height and width divisible by 4.
            mixing: the weights of all candidates.
            observe: called with (cell index, edge index, what passed through) for every edge of every cell.
        """
        before = previous = self.stem(images)
        for index, cell in enumerate(self.cells):
            assert isinstance(cell, SearchCell)  # what a ModuleList holds has no type
            watch = None if observe is None else (lambda edge, seen, index=index: observe(index, edge, seen))
            before, previous = previous, cell(before, previous, mixing.cell(cell.cell_type), watch)
        return self.classifier(previous.mean(dim=(2, 3)))
