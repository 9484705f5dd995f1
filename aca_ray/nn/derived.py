"""The derived network of a genotype; a channel plan can replace channels of its operations by skip connections."""

from __future__ import annotations

from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from aca_ray.nn.blocks import FactorizedReduce
from aca_ray.nn.drop_path import DropPath
from aca_ray.nn.image_scale import CIFAR_SCALE, ImageScale
from aca_ray.nn.operations import build_operation
from aca_ray.nn.skeleton import SKELETONS, Cell, Site
from aca_ray.space.channel_plan import ChannelPlan, EdgePlan
from aca_ray.space.genotype import Genotype

Dropped = Literal["operations", "nodes"]


def _droppable(module: nn.Module) -> nn.Module:
    return module if isinstance(module, nn.Identity) else DropPath(module)


class AllocatedEdge(nn.Module):
    """The operation on its allocated channels, a skip connection on the others.

    The skip is the identity at stride 1 and a factorized reduction at stride 2. All
    channels keep their positions.

    Source: arXiv 2204.04681, abstract (unimportant channels are refilled by a skip
    connection); layout ours.
    """

    kept: Tensor
    refilled: Tensor
    restore_order: Tensor

    def __init__(
        self,
        operation: nn.Module,
        kept: tuple[int, ...],
        channels: int,
        stride: int,
    ) -> None:
        super().__init__()
        refilled = [channel for channel in range(channels) if channel not in set(kept)]
        order = torch.tensor([*kept, *refilled]).argsort()
        # The plan rebuilds these, so they stay out of the state dict.
        self.register_buffer("kept", torch.tensor(kept), persistent=False)
        self.register_buffer("refilled", torch.tensor(refilled), persistent=False)
        self.register_buffer("restore_order", order, persistent=False)
        self.operation = operation
        self.skip: nn.Module = nn.Identity()
        if stride == 2:
            self.skip = DropPath(FactorizedReduce(len(refilled), len(refilled)))

    def forward(self, x: Tensor) -> Tensor:
        operated = self.operation(x.index_select(1, self.kept))
        skipped = self.skip(x.index_select(1, self.refilled))
        joined = torch.cat((operated, skipped), dim=1)
        return joined.index_select(1, self.restore_order)


def build_edge(operation: str, channels: int, stride: int, plan: EdgePlan | None) -> nn.Module:
    """Return a derived edge: the plain operation without a plan or with all channels kept, a skip with none kept."""
    if plan is None or plan.num_kept(channels) == channels:
        return _droppable(build_operation(operation, channels, stride))
    kept = plan.kept_channels(channels)
    if not kept:
        return _droppable(build_operation("skip_connect", channels, stride))
    return AllocatedEdge(_droppable(build_operation(operation, len(kept), stride)), kept, channels, stride)


class DerivedCell(Cell):
    """A cell of the derived network."""

    def __init__(self, genotype: Genotype, site: Site, plan: ChannelPlan | None) -> None:
        super().__init__()
        self.site, self.cell_type = site, site.cell_type
        self.genotype = genotype.cell(self.cell_type)
        self.out_channels = len(self.genotype.concat) * site.channels
        self.inputs = SKELETONS[genotype.num_inputs].inputs(site, affine=True)
        self.node_drop = DropPath(nn.Identity())
        edges = self.genotype.edges
        self.last_into_node = {edge.target: index for index, edge in enumerate(edges)}
        self.edges = nn.ModuleList(
            build_edge(
                edge.operation,
                site.channels,
                2 if self.cell_type == "reduce" and edge.source < genotype.num_inputs else 1,
                None if plan is None else plan.stages[site.stage][index],
            )
            for index, edge in enumerate(edges)
        )

    def forward(self, before: Tensor, previous: Tensor) -> Tensor:
        nodes: dict[int, Tensor] = dict(enumerate(self.inputs(before, previous)))

        def value(node: int) -> Tensor:
            # Only cells of one input have nodes without an incoming edge.
            return nodes[node] if node in nodes else torch.zeros_like(nodes[0])

        for index, (edge, module) in enumerate(zip(self.genotype.edges, self.edges, strict=True)):
            output = module(value(edge.source))
            total = nodes[edge.target] + output if edge.target in nodes else output
            nodes[edge.target] = self.node_drop(total) if self.last_into_node[edge.target] == index else total
        return torch.cat([value(node) for node in self.genotype.concat], dim=1)


class DerivedNetwork(nn.Module):
    """The network that a genotype describes, in the skeleton of its cells; retraining trains it from scratch.

    Args:
        genotype: the two cells.
        plan: channel allocation, or None for the plain network.
        channels: channels C of the first cells' edges; doubled at each reduction.
        num_cells: number of cells.
        num_classes: width of the last layer.
        in_channels: channels of the images.
        auxiliary: whether to build the auxiliary tower (needs images of `scale.auxiliary_size`).
        scale: stem and auxiliary tower.

    Source: Liu et al. 2019 (DARTS), section 3.2, and Dong & Yang 2020 (NAS-Bench-201), and their official codes.
    """

    def __init__(
        self,
        genotype: Genotype,
        plan: ChannelPlan | None,
        *,
        channels: int,
        num_cells: int,
        num_classes: int,
        in_channels: int = 3,
        auxiliary: bool = False,
        scale: ImageScale = CIFAR_SCALE,
    ) -> None:
        super().__init__()
        if plan is not None:
            plan.check_fits(genotype)
        skeleton = SKELETONS[genotype.num_inputs]
        stem_channels = (scale.stem_multiplier or skeleton.stem_multiplier) * channels
        self.stem = scale.build_stem(in_channels, stem_channels)
        self.cells = skeleton.cells(
            lambda site: DerivedCell(genotype, site, plan),
            stem_channels=stem_channels,
            channels=channels,
            num_cells=num_cells,
            after_reduction=scale.halves,
        )
        self.auxiliary_cell = 2 * num_cells // 3
        auxiliary_channels = cast(Cell, self.cells[self.auxiliary_cell]).out_channels
        self.auxiliary = scale.build_auxiliary(auxiliary_channels, num_classes) if auxiliary else None
        out_channels = cast(Cell, self.cells[-1]).out_channels
        self.head = skeleton.head(out_channels)
        self.classifier = nn.Linear(out_channels, num_classes)

    def set_drop_path(self, probability: float, of: Dropped = "operations") -> None:
        """Set the drop-path probability, in [0, 1), of every operation except identities, or of every node's sum."""
        nodes = {cell.node_drop for cell in self.cells if isinstance(cell, DerivedCell)}
        for module in self.modules():
            if isinstance(module, DropPath):
                module.set(probability if (module in nodes) == (of == "nodes") else None)

    def forward(self, images: Tensor) -> Tensor:
        """Return (B, K) logits of (B, C, H, W) normalized images."""
        return self.forward_with_auxiliary(images)[0]

    def forward_with_auxiliary(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return (B, K) logits and the auxiliary tower's (B, K) logits, or None in evaluation or without a tower."""
        before, previous = self.stem(images)
        auxiliary_logits = None
        for index, cell in enumerate(self.cells):
            before, previous = previous, cell(before, previous)
            if index == self.auxiliary_cell and self.auxiliary is not None and self.training:
                auxiliary_logits = self.auxiliary(previous)
        pooled = functional.adaptive_avg_pool2d(self.head(previous), 1).flatten(1)
        return self.classifier(pooled), auxiliary_logits
