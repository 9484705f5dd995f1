"""The text of the class of a derived network's cell."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from torch import nn

from aca_ray.exports.literals import WIDTH
from aca_ray.nn.blocks import FactorizedReduce
from aca_ray.nn.derived import AllocatedEdge, DerivedCell
from aca_ray.space.candidates import SKIP, published_name
from aca_ray.space.genotype import CellGenotype

_EDGE_INDENT = 12  # in the body of a cell's class, which is indented by 4

# Calls that build an operation, by its name without the kernel size.
_CONSTRUCTORS = {
    "sep_conv": "SeparableConv({channels}, {kernel}, {stride})",
    "dil_conv": "DilatedConv({channels}, {kernel}, {stride})",
    "nor_conv": "ReluConvNorm({channels}, {channels}, {kernel}, {stride})",
    "max_pool": "MaxPool({stride})",
    "avg_pool": "AveragePool({stride})",
}


def cell_class(name: str, cell: DerivedCell, num_inputs: int) -> str:
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
    is_skip = isinstance(inner, nn.Identity | FactorizedReduce)
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
    return f"DropPath({_CONSTRUCTORS[kind].format(channels=channels, kernel=size[0], stride=stride)})"
