"""A derived network as one Python file that imports only torch."""

from __future__ import annotations

import inspect
import json
import re
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, cast

from torch import nn

from aca_ray.exports import modules
from aca_ray.nn.derived import AllocatedEdge, DerivedCell, DerivedNetwork
from aca_ray.nn.image_scale import ImageNetStem
from aca_ray.nn.skeleton import ResidualBlock
from aca_ray.space import ChannelPlan, Genotype
from aca_ray.space.candidates import SKIP, published_name
from aca_ray.space.genotype import CellGenotype

WIDTH = 88
_EDGE_INDENT = 12  # in the body of a cell's class, which is indented by 4

# In the order of a file: a part follows the parts that it needs.
_PARTS = (
    modules.DropPath,
    modules.relu_conv_norm,
    modules.FactorizedReduce,
    modules.depthwise_block,
    modules.sep_conv,
    modules.dil_conv,
    modules.nor_conv,
    modules.max_pool,
    modules.avg_pool,
    modules.Noise,
    modules.AllocatedEdge,
    modules.CellInputs,
    modules.ResidualBlock,
    modules.CifarStem,
    modules.ImageNetStem,
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
            classes[name] = _cell_class(name, cell, genotype.num_inputs)
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
    constants = [_constant(name.upper(), value) for name, value in metadata.items()]
    constants.append(f"WEIGHTS = {weights}")
    if kept:
        constants += ["", "# The channels that an operation keeps, by stage and edge.", _kept_constant(kept)]
    header = _HEADER.format(
        title=_for_docstring(f"The network {metadata['name']}")[: WIDTH - 4],
        text="\n".join(textwrap.wrap(_for_docstring(_summary(metadata)), WIDTH)),
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


def _for_docstring(text: str) -> str:
    return text.replace("\\", "/").replace('"', "'")


def _constant(name: str, value: Any) -> str:
    """Return an assignment in lines of at most WIDTH columns."""
    if isinstance(value, list):
        return f"{name} = {_tuple(value)}"
    literal = _literal(value)
    if len(name) + len(literal) + 3 <= WIDTH:
        return f"{name} = {literal}"
    pieces = (value[start : start + WIDTH - 20] for start in range(0, len(value), WIDTH - 20))
    return "\n".join([f"{name} = (", *(f"    {_literal(piece)}" for piece in pieces), ")"])


def _literal(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def _kept_constant(kept: Mapping[tuple[int, int], tuple[int, ...]]) -> str:
    return "\n".join(["KEPT = {", *(f"    {place}: {_tuple(kept[place], margin='    ')}," for place in kept), "}"])


def _tuple(items: Sequence[Any], margin: str = "") -> str:
    """Return the text of a tuple, on one line if it is short; margin is the indentation of its first line."""
    text = ", ".join(map(_literal, items)) + ","
    if len(text) <= WIDTH - 30:
        return f"({text})" if len(items) == 1 else f"({text[:-1]})"
    inner = f"{margin}    "
    lines = textwrap.fill(
        text, WIDTH, initial_indent=inner, subsequent_indent=inner, break_long_words=False, break_on_hyphens=False
    )
    return f"(\n{lines}\n{margin})"


def _cell_class(name: str, cell: DerivedCell, num_inputs: int) -> str:
    """Return the class of a cell: its edges one by one, and what they compute node by node."""
    genotype, site = cell.genotype, cell.site
    if num_inputs == 1:
        reads = "the output of the previous cell: node 0"
        begin = ["def __init__(self, channels: int) -> None:", "    super().__init__()"]
        forward = ["node_0 = previous"]
    else:
        reads = "the outputs of the two previous cells: nodes 0 and 1"
        begin = [
            "def __init__(self, before: int, previous: int, channels: int, halved: bool) -> None:",
            "    super().__init__()",
            "    self.inputs = CellInputs(before, previous, channels, halved)",
        ]
        forward = ["node_0, node_1 = self.inputs(before, previous)"]
    edges = []
    for index, (kept, module) in enumerate(zip(genotype.edges, cell.edges, strict=True)):
        halves = site.cell_type == "reduce" and kept.source < num_inputs
        edges.append(f"            # node {kept.source} -> node {kept.target}: {published_name(kept.operation)}")
        edges.append(f"            {_edge(kept.operation, module, 2 if halves else 1, f'{site.stage}, {index}')},")
    listed = ["    self.edges = nn.ModuleList(", "        [", *edges, "        ]", "    )"]
    lines = [
        f'"""Reads {reads}."""',
        "",
        *begin,
        *(listed if edges else ["    self.edges = nn.ModuleList()"]),
        "",
        "def forward(self, before: Tensor, previous: Tensor) -> Tensor:",
        *(f"    {line}" for line in (*forward, *_node_lines(genotype, num_inputs))),
    ]
    return f"class {name}(nn.Module):\n" + textwrap.indent("\n".join(lines), "    ")


def _node_lines(genotype: CellGenotype, num_inputs: int) -> list[str]:
    """Return the statements that compute the nodes that the output depends on, and return it."""
    needed = set(genotype.concat)
    for edge in reversed(genotype.edges):
        if edge.target in needed:
            needed.add(edge.source)
    known = set(range(num_inputs))
    lines = []
    entered = {edge.target for edge in genotype.edges}
    for node in sorted(needed - known - entered):  # only in a cell of one input
        lines.append(f"node_{node} = torch.zeros_like(node_0)")
        known.add(node)
    for index, edge in enumerate(genotype.edges):
        if edge.target in needed:
            value = f"self.edges[{index}](node_{edge.source})"
            lines.append(f"node_{edge.target} = {f'node_{edge.target} + ' if edge.target in known else ''}{value}")
            known.add(edge.target)
    outputs = [f"node_{node}" for node in genotype.concat]
    return [*lines, f"return {outputs[0]}" if len(outputs) == 1 else f"return torch.cat([{', '.join(outputs)}], dim=1)"]


def _edge(operation: str, module: nn.Module, stride: int, place: str) -> str:
    """Return the expression of an edge of the network."""
    if isinstance(module, AllocatedEdge):
        arguments = [_operation(operation, str(len(module.kept)), stride), f"KEPT[{place}]", "channels", str(stride)]
        return _edge_call("AllocatedEdge", arguments)
    inner = getattr(module, "inner", module)
    # A skip replaces an operation that keeps no channel.
    is_skip = isinstance(inner, nn.Identity) or type(inner).__name__ == "FactorizedReduce"
    return _operation(SKIP if is_skip else operation, "channels", stride)


def _edge_call(name: str, arguments: Sequence[str]) -> str:
    """Return a call on one line, or one argument per line if it is too long with a trailing comma."""
    line = f"{name}({', '.join(arguments)})"
    if 4 + _EDGE_INDENT + len(line) < WIDTH:
        return line
    margin = " " * _EDGE_INDENT
    return "\n".join([f"{name}(", *(f"{margin}    {argument}," for argument in arguments), f"{margin})"])


def _operation(operation: str, channels: str, stride: int) -> str:
    """Return the expression of an operation, with drop path where the network has it."""
    operation = published_name(operation)
    if operation == SKIP:
        return "nn.Identity()" if stride == 1 else f"DropPath(FactorizedReduce({channels}, {channels}))"
    if operation == "noise":
        return f"DropPath(Noise({stride}))"
    kind, _, size = operation.rpartition("_")
    arguments = f"{stride}" if kind.endswith("pool") else f"{channels}, {size[0]}, {stride}"
    return f"DropPath({kind}({arguments}))"


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
