"""A derived network as one Python file that imports only torch."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Mapping
from typing import Any, cast

from torch import nn

from aca_ray.exports.cell_source import cell_class
from aca_ray.exports.literals import WIDTH, constant, for_docstring, kept_constant
from aca_ray.nn.blocks import (
    AveragePool,
    DepthwiseConv2d,
    DilatedConv,
    FactorizedReduce,
    MaxPool,
    Noise,
    ReluConvNorm,
    ResidualBlock,
    SeparableConv,
    depthwise_block,
)
from aca_ray.nn.cell_inputs import CellInputs
from aca_ray.nn.derived import AllocatedEdge, DerivedCell, DerivedNetwork
from aca_ray.nn.drop_path import DropPath, drop_path
from aca_ray.nn.stems import CifarStem, ImageNetStem
from aca_ray.space import ChannelPlan, Genotype

# The modules of `aca_ray.nn` whose text a file contains, in its order: a part follows the parts that it needs.
_PARTS: tuple[Any, ...] = (
    drop_path,
    DropPath,
    ReluConvNorm,
    FactorizedReduce,
    DepthwiseConv2d,
    depthwise_block,
    SeparableConv,
    DilatedConv,
    MaxPool,
    AveragePool,
    Noise,
    AllocatedEdge,
    CellInputs,
    ResidualBlock,
    CifarStem,
    ImageNetStem,
)

_HEADER = '''"""{title}.

{text}

build() returns the network in evaluation mode. It takes float32 images of the shape
(N, channels, height, width), normalized as (pixels / 255 - MEAN) / STD, and returns
(N, NUM_CLASSES) logits. Its state dict has the keys of aca_ray's DerivedNetwork without
those of the auxiliary tower, which exists in training only.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

# fmt: off
{constants}
# fmt: on
'''

_BUILD = '''def build(weights: str | None = WEIGHTS) -> Network:
    """Return the network in evaluation mode, on the CPU.

    Args:
        weights: file with a state dict that torch.save wrote; None for random weights.
    """
    network = Network()
    if weights is not None:
        state = torch.load(weights, map_location="cpu", weights_only=True)
        network.load_state_dict(state)
    return network.eval()
'''


def python_source(
    network: DerivedNetwork, genotype: Genotype, plan: ChannelPlan | None, metadata: Mapping[str, Any]
) -> str:
    """Return the text of a Python file whose `build` returns an equal network.

    Args:
        network: the network that genotype and plan describe.
        genotype: its cells.
        plan: its channel allocation, or None.
        metadata: becomes the docstring and constants. For a trained network, `build` reads the weights from a file of
            the same name with the suffix .pt.

    Returns:
        Text that `ruff format` leaves unchanged and that passes `ruff check` with E, F, W and I.
    """
    classes: dict[str, str] = {}
    kept: dict[tuple[int, int], tuple[int, ...]] = {}
    calls = []
    for cell in network.cells:
        if isinstance(cell, ResidualBlock):
            convolution = cast(nn.Conv2d, cell.convolutions[1])
            calls.append(f"ResidualBlock({convolution.in_channels}, {convolution.out_channels})")
            continue
        assert isinstance(cell, DerivedCell)
        site = cell.site
        name = ("NormalCell" if site.cell_type == "normal" else "ReductionCell") + (f"{site.stage}" if plan else "")
        if name not in classes:
            classes[name] = cell_class(name, cell, genotype.num_inputs)
            for index, edge in enumerate(cell.edges):
                if isinstance(edge, AllocatedEdge):
                    kept[site.stage, index] = tuple(edge.kept.tolist())
        calls.append(
            f"{name}({site.channels})"
            if genotype.num_inputs == 1
            else f"{name}({site.before_channels}, {site.previous_channels}, {site.channels}, {site.after_reduction})"
        )
    body = [*classes.values(), _network_class(network, calls)]
    parts: list[str] = []
    for part in reversed(_PARTS):
        if any(re.search(rf"\b{part.__name__}\b", text) for text in (*body, *parts)):
            parts.insert(0, inspect.getsource(part))
    weights = '__file__.removesuffix(".py") + ".pt"' if metadata["trained"] else "None"
    constants = [constant(name.upper(), value) for name, value in metadata.items()]
    constants.append(f"WEIGHTS = {weights}")
    if kept:
        constants += ["", "# The channels that an operation keeps, by stage and edge.", kept_constant(kept)]
    header = _HEADER.format(
        title=for_docstring(f"The network {metadata['name']}")[: WIDTH - 4],
        text="\n".join(textwrap.wrap(for_docstring(_summary(metadata)), WIDTH)),
        constants="\n".join(constants),
    )
    return "\n\n".join([header, *(f"{text.rstrip()}\n" for text in (*parts, *body, _BUILD))])


def _summary(metadata: Mapping[str, Any]) -> str:
    accuracy = metadata["test_accuracy"]
    tested = "" if accuracy is None else f" Its test accuracy is {100 * accuracy:.2f} %."
    return (
        f"{metadata['origin']}.{tested} {metadata['parameters']:,} parameters, {metadata['macs']:,} "
        f"multiply-accumulates per image. By aca_ray {metadata['aca_ray_version']}, torch {metadata['torch_version']}."
    )


def _network_class(network: DerivedNetwork, calls: list[str]) -> str:
    """Return the class of the whole network."""
    stem = network.stem.before if isinstance(network.stem, ImageNetStem) else network.stem
    first = cast(nn.Conv2d, cast(nn.Sequential, stem)[0])
    last = [layer for layer in stem.modules() if isinstance(layer, nn.Conv2d)][-1]
    stem_name = "ImageNetStem" if isinstance(network.stem, ImageNetStem) else "CifarStem"
    classifier = network.classifier
    has_head = not isinstance(network.head, nn.Identity)
    head = (
        f"        self.head = nn.Sequential(nn.BatchNorm2d({classifier.in_features}), nn.ReLU())\n" if has_head else ""
    )
    cells = "\n".join(f"                {call}," for call in calls)
    return f'''class Network(nn.Module):
    """Stem, cells, global average pooling, classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = {stem_name}({first.in_channels}, {last.out_channels})
        self.cells = nn.ModuleList(
            [
{cells}
            ]
        )
{head}        self.classifier = nn.Linear({classifier.in_features}, {classifier.out_features})

    def forward(self, images: Tensor) -> Tensor:
        """Return (N, K) logits of (N, C, H, W) normalized images."""
        before, previous = self.stem(images)
        for cell in self.cells:
            before, previous = previous, cell(before, previous)
        pooled = {"self.head(previous)" if has_head else "previous"}.mean(dim=(2, 3))
        return self.classifier(pooled)
'''
