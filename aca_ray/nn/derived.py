"""The derived network: a genotype, and where a channel plan says so, skip connections in place of channels."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from aca_ray.errors import ConfigError
from aca_ray.nn.cell import CellInputs
from aca_ray.nn.operations import FactorizedReduce, build_operation
from aca_ray.nn.supernet import STEM_MULTIPLIER, stem
from aca_ray.space.channel_plan import ChannelPlan, EdgePlan
from aca_ray.space.genotype import Genotype
from aca_ray.space.topology import CellType, reduction_cells, stage_of_cell

AUXILIARY_SIZE = 8  # feature map on which the auxiliary tower is defined: 32x32 images after two reductions


class DropPath(nn.Module):
    """Zeroes whole samples of an operation's output with the given probability while training.

    Source: Larsson et al. 2017; DARTS' official code (never applied to the identity).
    """

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner
        self.probability = 0.0

    def forward(self, x: Tensor) -> Tensor:
        output = self.inner(x)
        if not self.training or self.probability == 0.0:
            return output
        keep = 1.0 - self.probability
        mask = torch.empty(output.shape[0], 1, 1, 1, device=output.device, dtype=output.dtype).bernoulli_(keep)
        return output * (mask / keep)


def _droppable(module: nn.Module) -> nn.Module:
    return module if isinstance(module, nn.Identity) else DropPath(module)


class AllocatedEdge(nn.Module):
    """The operation on its allocated channels, a skip connection on the others, put back in channel order.

    The skip is the identity at stride 1 and a factorized reduction at stride 2.

    Source: arXiv 2204.04681, abstract (unimportant channels are refilled by a skip connection); layout ours.
    """

    kept: Tensor
    refilled: Tensor
    restore_order: Tensor

    def __init__(self, operation: str, channels: int, stride: int, kept_channels: tuple[int, ...]) -> None:
        super().__init__()
        kept = torch.tensor(kept_channels)
        refilled = torch.tensor([c for c in range(channels) if c not in set(kept_channels)])
        # The plan rebuilds these, so they stay out of the state dict.
        self.register_buffer("kept", kept, persistent=False)
        self.register_buffer("refilled", refilled, persistent=False)
        self.register_buffer("restore_order", torch.cat((kept, refilled)).argsort(), persistent=False)
        self.operation = _droppable(build_operation(operation, len(kept), stride))
        self.skip = (
            nn.Identity() if stride == 1 else DropPath(FactorizedReduce(len(refilled), len(refilled), affine=True))
        )

    def forward(self, x: Tensor) -> Tensor:
        parts = (self.operation(x.index_select(1, self.kept)), self.skip(x.index_select(1, self.refilled)))
        return torch.cat(parts, dim=1).index_select(1, self.restore_order)


def build_edge(operation: str, channels: int, stride: int, plan: EdgePlan | None) -> nn.Module:
    """Return a derived edge; with no plan, or all channels kept, it is the plain operation, with none kept a skip."""
    if plan is None or plan.num_kept(channels) == channels:
        return _droppable(build_operation(operation, channels, stride))
    kept = plan.kept_channels(channels)
    if not kept:
        return _droppable(build_operation("skip_connect", channels, stride))
    return AllocatedEdge(operation, channels, stride, kept)


class DerivedCell(nn.Module):
    """A cell of the derived network: (B, len(concat)*C, H, W) from the two previous cells' outputs."""

    def __init__(
        self,
        genotype: Genotype,
        cell_type: CellType,
        before_channels: int,
        previous_channels: int,
        channels: int,
        *,
        after_reduction: bool,
        plans: tuple[EdgePlan, ...] | None,
    ) -> None:
        super().__init__()
        self.genotype = genotype.cell(cell_type)
        self.inputs = CellInputs(
            before_channels, previous_channels, channels, after_reduction=after_reduction, affine=True
        )
        self.edges = nn.ModuleList(
            build_edge(
                edge.operation,
                channels,
                2 if cell_type == "reduce" and edge.source < 2 else 1,
                None if plans is None else plans[index],
            )
            for index, edge in enumerate(self.genotype.edges)
        )

    def forward(self, before: Tensor, previous: Tensor) -> Tensor:
        nodes: dict[int, Tensor] = dict(enumerate(self.inputs(before, previous)))
        for edge, module in zip(self.genotype.edges, self.edges, strict=True):
            output = module(nodes[edge.source])
            nodes[edge.target] = nodes[edge.target] + output if edge.target in nodes else output
        return torch.cat([nodes[node] for node in self.genotype.concat], dim=1)


class AuxiliaryTower(nn.Module):
    """A second classifier on the features after two thirds of the cells, used in training only.

    Source: DARTS' official code (CIFAR).
    """

    def __init__(self, channels: int, num_classes: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.ReLU(),
            nn.AvgPool2d(5, stride=3, count_include_pad=False),
            nn.Conv2d(channels, 128, 1, bias=False),
            nn.BatchNorm2d(128),
            nn.ReLU(),
            nn.Conv2d(128, 768, 2, bias=False),
            nn.BatchNorm2d(768),
            nn.ReLU(),
        )
        self.classifier = nn.Linear(768, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x).flatten(1))


class DerivedNetwork(nn.Module):
    """The network that a genotype describes, trained from scratch in the evaluation stage.

    Args:
        genotype: the two cells.
        plan: channel allocation, or None for the plain network.
        channels: channels C of the first cells' edges; doubled at each reduction cell.
        num_cells: number of cells.
        num_classes: width of the last layer.
        in_channels: channels of the images.
        auxiliary: whether to build the auxiliary tower (needs 32x32 images).

    Source: Liu et al. 2019 (DARTS), section 3.2, and its official code.
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
    ) -> None:
        super().__init__()
        if plan is not None:
            plan.check_fits(genotype)
        before_channels = previous_channels = STEM_MULTIPLIER * channels
        self.stem = stem(in_channels, previous_channels)
        self.cells = nn.ModuleList()
        self.auxiliary_cell = 2 * num_cells // 3
        auxiliary_channels = 0
        after_reduction = False
        for index in range(num_cells):
            cell_type: CellType = "reduce" if index in reduction_cells(num_cells) else "normal"
            if cell_type == "reduce":
                channels *= 2
            self.cells.append(
                DerivedCell(
                    genotype,
                    cell_type,
                    before_channels,
                    previous_channels,
                    channels,
                    after_reduction=after_reduction,
                    plans=None if plan is None else plan.stages[stage_of_cell(index, num_cells)],
                )
            )
            before_channels, previous_channels = previous_channels, len(genotype.cell(cell_type).concat) * channels
            after_reduction = cell_type == "reduce"
            if index == self.auxiliary_cell:
                auxiliary_channels = previous_channels
        self.auxiliary = AuxiliaryTower(auxiliary_channels, num_classes) if auxiliary else None
        self.classifier = nn.Linear(previous_channels, num_classes)

    def set_drop_path(self, probability: float) -> None:
        """Set the drop-path probability, in [0, 1), of every operation but identities."""
        for module in self.modules():
            if isinstance(module, DropPath):
                module.probability = probability

    def forward(self, images: Tensor) -> Tensor:
        """Return (B, K) logits of (B, C, H, W) normalized images."""
        return self.forward_with_auxiliary(images)[0]

    def forward_with_auxiliary(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return (B, K) logits, and the auxiliary tower's while training with one."""
        before = previous = self.stem(images)
        auxiliary_logits = None
        for index, cell in enumerate(self.cells):
            before, previous = previous, cell(before, previous)
            if index == self.auxiliary_cell and self.auxiliary is not None and self.training:
                auxiliary_logits = self.auxiliary(previous)
        pooled = functional.adaptive_avg_pool2d(previous, 1).flatten(1)
        return self.classifier(pooled), auxiliary_logits


def check_auxiliary(height: int, width: int, place: str) -> None:
    """Raise ConfigError unless images of this size fit the auxiliary tower."""
    if (height, width) != (4 * AUXILIARY_SIZE, 4 * AUXILIARY_SIZE):
        raise ConfigError(f"{place}: the auxiliary tower needs 32x32 images, found {height}x{width}")
