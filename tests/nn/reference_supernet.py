"""A plain supernet: one module per candidate and edge, each called separately.

Independent of aca_ray.nn except for the mixing weights, so that the product can be compared with it. Children have the
product's names, so that one state dict fits both.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from aca_ray.nn.mixing import CellMixing, Mixing
from aca_ray.space import Space


def norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, affine=False)


class ReferenceReduce(nn.Module):
    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(before, (after + 1) // 2, 1, stride=2, bias=False)
        self.second = nn.Conv2d(before, after // 2, 1, stride=2, bias=False) if after > 1 else None
        self.norm = norm(after)

    def forward(self, x: Tensor) -> Tensor:
        x = x.clamp(min=0)
        halves = [self.first(x)]
        if self.second is not None:
            halves.append(self.second(x[:, :, 1:, 1:]))
        return self.norm(torch.cat(halves, dim=1))


class ReferenceNoise(nn.Module):
    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        batch, channels, height, width = x.shape
        return torch.randn(batch, channels, height // self.stride, width // self.stride, dtype=x.dtype)


def block(channels: int, kernel: int, stride: int, padding: int, dilation: int) -> list[nn.Module]:
    return [
        nn.ReLU(),
        nn.Conv2d(channels, channels, kernel, stride, padding, dilation, groups=channels, bias=False),
        nn.Conv2d(channels, channels, 1, bias=False),
        norm(channels),
    ]


def candidate(name: str, channels: int, stride: int) -> nn.Module:
    if name == "max_pool_3x3":
        return nn.Sequential(nn.MaxPool2d(3, stride, 1), norm(channels))
    if name == "avg_pool_3x3":
        return nn.Sequential(nn.AvgPool2d(3, stride, 1, count_include_pad=False), norm(channels))
    if name == "skip_connect":
        return nn.Identity() if stride == 1 else ReferenceReduce(channels, channels)
    if name == "sep_conv_3x3":
        return nn.Sequential(*block(channels, 3, stride, 1, 1), *block(channels, 3, 1, 1, 1))
    if name == "sep_conv_5x5":
        return nn.Sequential(*block(channels, 5, stride, 2, 1), *block(channels, 5, 1, 2, 1))
    if name == "dil_conv_3x3":
        return nn.Sequential(*block(channels, 3, stride, 2, 2))
    if name == "dil_conv_5x5":
        return nn.Sequential(*block(channels, 5, stride, 4, 2))
    if name == "noise":
        return ReferenceNoise(stride)
    raise ValueError(name)


class ReferenceCandidates(nn.Module):
    def __init__(self, names: tuple[str, ...], channels: int, stride: int) -> None:
        super().__init__()
        self.names = names
        self.operations = nn.ModuleDict({name: candidate(name, channels, stride) for name in names if name != "none"})

    def forward(self, x: Tensor, weights: Tensor) -> Tensor:
        total: Tensor | None = None
        for column, name in enumerate(self.names):
            if name != "none":
                term = weights[column] * self.operations[name](x)
                total = term if total is None else total + term
        assert total is not None
        return total


class ReferenceEdge(nn.Module):
    """With share 1 all channels pass through the candidates; otherwise the first 1/share do, and all are shuffled."""

    def __init__(self, names: tuple[str, ...], channels: int, stride: int, share: int) -> None:
        super().__init__()
        self.share, self.stride = share, stride
        self.candidates = ReferenceCandidates(names, channels // share, stride)

    def forward(self, x: Tensor, weights: Tensor) -> Tensor:
        channels = x.shape[1]
        passing = channels // self.share
        output = self.candidates(x[:, :passing], weights)
        if self.share == 1:
            return output
        rest = x[:, passing:]
        if self.stride == 2:
            rest = nn.functional.max_pool2d(rest, 2, 2)
        joined = torch.cat((output, rest), dim=1)
        order = [group * passing + place for place in range(passing) for group in range(self.share)]
        return joined[:, order]


class ReferenceInputs(nn.Module):
    def __init__(self, before: int, previous: int, channels: int, after_reduction: bool) -> None:
        super().__init__()
        self.before: nn.Module
        if after_reduction:
            self.before = ReferenceReduce(before, channels)
        else:
            self.before = nn.Sequential(nn.ReLU(), nn.Conv2d(before, channels, 1, bias=False), norm(channels))
        self.previous = nn.Sequential(nn.ReLU(), nn.Conv2d(previous, channels, 1, bias=False), norm(channels))


class ReferenceCell(nn.Module):
    def __init__(
        self, space: Space, reduce: bool, before: int, previous: int, channels: int, after_reduction: bool, share: int
    ) -> None:
        super().__init__()
        self.reduce, self.topology = reduce, space.topology
        self.inputs = ReferenceInputs(before, previous, channels, after_reduction)
        candidates = space.reduce if reduce else space.normal
        self.edges = nn.ModuleList(
            ReferenceEdge(names, channels, 2 if reduce and source < 2 else 1, share)
            for names, (source, _) in zip(candidates, space.topology.edges, strict=True)
        )

    def forward(self, before: Tensor, previous: Tensor, mixing: CellMixing) -> Tensor:
        states = [self.inputs.before(before), self.inputs.previous(previous)]
        for node in range(2, 2 + self.topology.num_nodes):
            terms = []
            for index, (source, target) in enumerate(self.topology.edges):
                if target == node:
                    term = self.edges[index](states[source], mixing.operations[index])
                    terms.append(term if mixing.edges is None else mixing.edges[index] * term)
            states.append(torch.stack(terms).sum(dim=0))
        return torch.cat(states[2:], dim=1)


class ReferenceSupernet(nn.Module):
    def __init__(
        self, space: Space, *, channels: int, num_cells: int, num_classes: int, in_channels: int = 3, share: int = 1
    ) -> None:
        super().__init__()
        before = previous = 3 * channels
        self.stem = nn.Sequential(nn.Conv2d(in_channels, previous, 3, padding=1, bias=False), nn.BatchNorm2d(previous))
        self.cells = nn.ModuleList()
        after_reduction = False
        for index in range(num_cells):
            reduce = index in (num_cells // 3, 2 * num_cells // 3)
            channels *= 2 if reduce else 1
            self.cells.append(ReferenceCell(space, reduce, before, previous, channels, after_reduction, share))
            before, previous = previous, space.topology.num_nodes * channels
            after_reduction = reduce
        self.classifier = nn.Linear(previous, num_classes)

    def forward(self, images: Tensor, mixing: Mixing) -> Tensor:
        before = previous = self.stem(images)
        for cell in self.cells:
            before, previous = previous, cell(before, previous, mixing.reduce if cell.reduce else mixing.normal)
        return self.classifier(previous.mean(dim=(2, 3)))
