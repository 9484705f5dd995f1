"""The skeleton around the cells of a network, shared by supernet and derived network."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor, nn

from aca_ray.nn.blocks import ResidualBlock
from aca_ray.nn.cell_inputs import CellInputs, PreviousOutput
from aca_ray.space.topology import CellType, stage_cell_type, stage_of_cell


class Site(NamedTuple):
    """Position of a cell in a network.

    Attributes:
        stage: stage of the network, 0 to 4.
        channels: channels C of the cell's edges.
        before_channels: output channels of the cell before the previous one.
        previous_channels: output channels of the previous cell.
        after_reduction: whether the previous cell halved the resolution.
    """

    stage: int
    channels: int
    before_channels: int
    previous_channels: int
    after_reduction: bool

    @property
    def cell_type(self) -> CellType:
        """Type of the cell at this site."""
        return stage_cell_type(self.stage)


class Cell(nn.Module):
    """A module at a site: maps the outputs of the two previous cells to (B, out_channels, H, W).

    Attributes:
        cell_type: cell type of the site.
        out_channels: channels of the output.
        edges: edges of the cell; empty where nothing is searched.
    """

    cell_type: CellType
    out_channels: int
    edges: nn.ModuleList


class ResidualReduction(ResidualBlock, Cell):
    """A residual block in place of a reduction cell; its batch norms are affine in the supernet too."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels)
        self.cell_type = "reduce"
        self.out_channels = out_channels
        self.edges = nn.ModuleList()

    def forward(self, before: Tensor, previous: Tensor, *_: object) -> Tensor:
        return super().forward(before, previous)


class Skeleton:
    """The skeleton of DARTS: every site has a cell of two inputs.

    Attributes:
        stem_multiplier: ratio of the stem's output channels to those of the first cells' edges.

    Source: Liu et al. 2019 (DARTS), section 3.1.1, and its official code.
    """

    stem_multiplier = 3

    def inputs(self, site: Site, *, affine: bool) -> nn.Module:
        """Return the module that makes a cell's input nodes from the two previous outputs."""
        return CellInputs(site.before_channels, site.previous_channels, site.channels, site.after_reduction, affine)

    def reduction(self, site: Site, build_cell: Callable[[Site], Cell]) -> Cell:
        """Return the module at a reduction."""
        return build_cell(site)

    def head(self, channels: int) -> nn.Module:
        """Return the module between the last cell and the global average pooling."""
        return nn.Identity()

    def cells(
        self,
        build_cell: Callable[[Site], Cell],
        *,
        stem_channels: int,
        channels: int,
        num_cells: int,
        after_reduction: bool = False,
    ) -> nn.ModuleList:
        """Return the modules at all sites, from the stem to the head.

        Args:
            build_cell: function from a site to its cell.
            stem_channels: channels of the stem's output.
            channels: channels C of the first cells' edges; doubled at each of the two reductions.
            num_cells: number of sites.
            after_reduction: whether the second of the stem's two outputs has half the resolution of the first.
        """
        cells = nn.ModuleList()
        before = previous = stem_channels
        for index in range(num_cells):
            stage = stage_of_cell(index, num_cells)
            is_reduction = stage_cell_type(stage) == "reduce"
            if is_reduction:
                channels *= 2
            site = Site(stage, channels, before, previous, after_reduction)
            cell = self.reduction(site, build_cell) if is_reduction else build_cell(site)
            cells.append(cell)
            before, previous, after_reduction = previous, cell.out_channels, is_reduction
        return cells


class ResidualSkeleton(Skeleton):
    """The skeleton of NAS-Bench-201: cells of one input, residual blocks at the reductions.

    The benchmark's three stages of N cells make a network of 3N + 2 sites.

    Source: Dong & Yang 2020 (NAS-Bench-201), section 2.1, and its official code.
    """

    stem_multiplier = 1

    def inputs(self, site: Site, *, affine: bool) -> nn.Module:
        return PreviousOutput()

    def reduction(self, site: Site, build_cell: Callable[[Site], Cell]) -> Cell:
        return ResidualReduction(site.previous_channels, site.channels)

    def head(self, channels: int) -> nn.Module:
        return norm_relu(channels)


SKELETONS: dict[int, Skeleton] = {1: ResidualSkeleton(), 2: Skeleton()}  # by the number of a cell's inputs


def norm_relu(channels: int) -> nn.Module:
    """Return batch norm and ReLU, the head of some networks before the global average pooling."""
    return nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU())
