"""Drawings of derived cells and their channel allocation.

A cell is drawn as an arc diagram: the nodes are in one row, edges that run side by side have different heights, and
the label of an edge is in the gap to the left of its target node. Labels in different gaps are side by side, and labels
in the same gap are at different heights, so labels never overlap, whatever the genotype.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from aca_ray.report.colors import BLUE, BROWN, GRAY, GREEN
from aca_ray.report.svg import add, add_text, new_svg, text_width, to_string, write_svg
from aca_ray.space import CELL_TYPES, CellGenotype, CellType, ChannelPlan, Genotype, KeptEdge, stage_cell_type
from aca_ray.space.candidates import PARAMETRIC, SKIP, published_name
from aca_ray.storage import StoragePath

CELL_NAMES: dict[CellType, str] = {"normal": "normal cell", "reduce": "reduction cell"}

# Pixels. A label of 12 characters has to fit between the boxes of two nodes.
_NODE_DISTANCE, _NODE_WIDTH, _NODE_HEIGHT = 150, 44, 32
_MARGIN, _TITLE_HEIGHT, _OUTPUT_HEIGHT, _LEGEND_STEP = 12, 40, 66, 18
_LABEL_SIZE, _SMALL_SIZE = 14, 10
_LEVEL_STEP, _BAR_STEP, _BAR_WIDTH, _BAR_HEIGHT = 26, 12, 56, 9
_CORNER, _SAMPLE_WIDTH = 6, 106


@dataclass(frozen=True)
class _Look:
    """Color of an operation and dash pattern of its line ("none" if solid)."""

    color: str
    dashes: str


_WITH_WEIGHTS, _SKIP, _WITHOUT_WEIGHTS = _Look(BLUE, "none"), _Look(GREEN, "7 3"), _Look(BROWN, "2 3")


def draw_genotype(genotype: Genotype, path: StoragePath, plan: ChannelPlan | None = None) -> StoragePath:
    """Write the drawing of `cell_svg` atomically, and return the path.

    Raises:
        ConfigError: the path does not end in .svg, or the plan does not fit the genotype.
    """
    return write_svg(path, cell_svg(genotype, plan))


def cell_svg(genotype: Genotype, plan: ChannelPlan | None = None, title: str = "") -> str:
    """Return an <svg> of the cells, inputs left and output right, every edge labeled with its operation.

    A residual block in place of a cell is not drawn.

    Args:
        genotype: the derived cells.
        plan: if given, a bar to scale for every edge and stage shows the share of the channels that the operation
            keeps and the share that a skip connection refills.
        title: title for screen readers; not drawn.

    Raises:
        ConfigError: the plan does not fit the genotype.
    """
    if plan is not None:
        plan.check_fits(genotype)
    layouts: list[_Layout] = []
    top = 0.0
    for cell_type in CELL_TYPES:
        if genotype.cell(cell_type).nodes:
            layouts.append(_Layout.of(genotype, cell_type, plan, top))
            top = layouts[-1].bottom
    legend = _legend(plan)
    width = max(
        *(layout.width for layout in layouts),
        *(_MARGIN + _SAMPLE_WIDTH + text_width(line, _SMALL_SIZE + 1) + _MARGIN for line in legend),
    )
    words = " ".join(_in_words(layout) for layout in layouts)
    svg = new_svg(width, top + _LEGEND_STEP * len(legend) + _MARGIN, title or "The cells of the network", words)
    for layout in layouts:
        _draw_cell(svg, layout)
    _draw_legend(svg, legend, top)
    return to_string(svg)


@dataclass(frozen=True)
class _Layout:
    """Positions of the parts of one cell, in pixels.

    Attributes:
        name: name of the cell.
        cell: the cell.
        kept: share that the operation keeps, by stage, for every kept edge; empty without a plan.
        position: x of every node; -1 is the output.
        row: y of the nodes.
        level: y of every kept edge, by index.
        start: x at which each edge leaves its source.
        end: x at which each edge enters its target.
        top, bottom, width: extent of the drawing.
    """

    name: str
    cell: CellGenotype
    kept: tuple[dict[int, float], ...]
    position: dict[int, float]
    row: float
    level: tuple[float, ...]
    start: tuple[float, ...]
    end: tuple[float, ...]
    top: float
    bottom: float
    width: float

    @staticmethod
    def of(genotype: Genotype, cell_type: CellType, plan: ChannelPlan | None, top: float) -> _Layout:
        """Return the layout of a cell whose top is at y = `top`."""
        cell = genotype.cell(cell_type)
        stages = [stage for stage in range(len(plan.stages)) if stage_cell_type(stage) == cell_type] if plan else []
        kept = tuple(
            {stage: plan.stages[stage][index].kept_fraction for stage in stages} if plan else {}
            for index in range(len(cell.edges))
        )
        first = _MARGIN + 0.5 * _NODE_WIDTH
        nodes = (*range(cell.num_inputs), *sorted(cell.nodes), -1)
        position = {node: first + _NODE_DISTANCE * index for index, node in enumerate(nodes)}
        tracks = _tracks(cell.edges, position)
        step = _LEVEL_STEP + _BAR_STEP * len(stages)
        row = top + _TITLE_HEIGHT + step * (max(tracks, default=-1) + 1) + 0.5 * _NODE_HEIGHT
        start, end = [0.0] * len(cell.edges), [0.0] * len(cell.edges)
        for node, x in position.items():
            # Higher edges leave and enter closer to the middle of the box, so edges of the same node never cross.
            leaving = sorted((i for i, edge in enumerate(cell.edges) if edge.source == node), key=lambda i: -tracks[i])
            entering = sorted((i for i, edge in enumerate(cell.edges) if edge.target == node), key=lambda i: -tracks[i])
            for ports, indices, side in ((start, leaving, 1), (end, entering, -1)):
                for rank, index in enumerate(indices):
                    ports[index] = x + side * (0.5 * _NODE_WIDTH - 1) * (rank + 0.6) / max(len(indices), 2)
        return _Layout(
            name=CELL_NAMES[cell_type],
            cell=cell,
            kept=kept,
            position=position,
            row=row,
            level=tuple(row - 0.5 * _NODE_HEIGHT - step * (track + 1) for track in tracks),
            start=tuple(start),
            end=tuple(end),
            top=top,
            bottom=row + _OUTPUT_HEIGHT,
            width=max(position.values()) + first,
        )

    def node_name(self, node: int) -> str:
        """Return the name of a node, such as c_{k-1} for the output of the previous cell."""
        if node == -1:
            return "c_k"
        return f"c_{{k-{self.cell.num_inputs - node}}}" if node < self.cell.num_inputs else str(node)


def _tracks(edges: Sequence[KeptEdge], position: Mapping[int, float]) -> list[int]:
    """Return a height level for every edge, short edges lowest; edges that do not overlap may share a level.

    Source: greedy interval coloring.
    """
    tracks = [0] * len(edges)
    taken: list[list[tuple[float, float]]] = []

    def span(index: int) -> tuple[float, float]:
        return position[edges[index].source], position[edges[index].target]

    for index in sorted(range(len(edges)), key=lambda i: (span(i)[1] - span(i)[0], span(i))):
        left, right = span(index)
        track = 0
        while track < len(taken) and any(left < end and start < right for start, end in taken[track]):
            track += 1
        if track == len(taken):
            taken.append([])
        taken[track].append((left, right))
        tracks[index] = track
    return tracks


def _look(operation: str) -> _Look:
    if operation in PARAMETRIC:
        return _WITH_WEIGHTS
    return _SKIP if operation == SKIP else _WITHOUT_WEIGHTS


def _in_words(layout: _Layout) -> str:
    """Return the description of a cell, as a sentence."""
    edges = [_edge_in_words(layout, index) for index in range(len(layout.cell.edges))]
    nodes = ", ".join(map(str, layout.cell.concat))
    output = f"concatenation of nodes {nodes}" if layout.cell.num_inputs > 1 else f"node {nodes}"
    return f"{layout.name.capitalize()}: {'; '.join(edges) or 'no edges'}. Its output is the {output}."


def _edge_in_words(layout: _Layout, index: int) -> str:
    edge, kept = layout.cell.edges[index], layout.kept[index]
    shares = ", ".join(f"{_percent(share)} in stage {stage}" for stage, share in kept.items())
    operation = f"{published_name(edge.operation)} from {layout.node_name(edge.source)} to node {edge.target}"
    return f"{operation}, keeps {shares}" if shares else operation


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _draw_cell(svg: Element, layout: _Layout) -> None:
    title = layout.name.capitalize()
    add_text(svg, _MARGIN, layout.top + 16, title, _LABEL_SIZE, text_anchor="start", font_weight="bold")
    below, above = layout.row + 0.5 * _NODE_HEIGHT, layout.row - 0.5 * _NODE_HEIGHT
    for node in layout.cell.concat:
        _draw_line(svg, (layout.position[node], below), below + 18, (layout.position[-1], below), _Look(GRAY, "none"))
    if layout.cell.num_inputs > 1:
        add_text(svg, layout.position[-1] - 0.5 * _NODE_DISTANCE, below + 28, "concat", _SMALL_SIZE, fill=GRAY)
    for index, edge in enumerate(layout.cell.edges):
        group = add(svg, "g")
        add(group, "title").text = _edge_in_words(layout, index)
        look, level = _look(edge.operation), layout.level[index]
        _draw_line(group, (layout.start[index], above), level, (layout.end[index], above), look)
        x, name = layout.position[edge.target] - 0.5 * _NODE_DISTANCE, published_name(edge.operation)
        width = text_width(name, _LABEL_SIZE)
        add(group, "rect", x=x - 0.5 * width, y=level - 8, width=width, height=16, fill="white")
        add_text(group, x, level, name, _LABEL_SIZE, fill=look.color)
        for number, (stage, share) in enumerate(layout.kept[index].items()):
            _draw_bar(group, x, level + 14 + _BAR_STEP * number, str(stage), share, look.color)
    for node, x in layout.position.items():
        _draw_node(svg, x, layout.row, layout.node_name(node))


def _draw_node(svg: Element, x: float, y: float, name: str) -> None:
    base, _, index = name.partition("_")
    left, top = x - 0.5 * _NODE_WIDTH, y - 0.5 * _NODE_HEIGHT
    fill = "#e8e8e8" if index else "white"
    add(svg, "rect", x=left, y=top, width=_NODE_WIDTH, height=_NODE_HEIGHT, rx=6, fill=fill, stroke="black")
    text = add_text(svg, x, y, base, _LABEL_SIZE)
    if index:
        add(text, "tspan", dy=4, font_size=_SMALL_SIZE).text = index.strip("{}")


def _draw_bar(parent: Element, x: float, y: float, stage: str, share: float, color: str) -> None:
    """Draw, centered at (x, y), the stage, a bar of the kept and the refilled share, and the kept share in percent."""
    left, right = x - 0.5 * _BAR_WIDTH - 12, x + 0.5 * _BAR_WIDTH - 12
    border = left + share * _BAR_WIDTH
    top = y - 0.5 * _BAR_HEIGHT
    add_text(parent, left - 4, y, stage, _SMALL_SIZE, text_anchor="end", fill=GRAY)
    add(parent, "rect", x=left, y=top, width=border - left, height=_BAR_HEIGHT, fill=color)
    # A dashed line as thick as the bar gives stripes.
    add(parent, "line", x1=border, y1=y, x2=right, y2=y, stroke=GREEN, stroke_width=_BAR_HEIGHT, stroke_dasharray="2 2")
    add(parent, "rect", x=left, y=top, width=_BAR_WIDTH, height=_BAR_HEIGHT, fill="none", stroke=GRAY)
    add_text(parent, right + 4, y, _percent(share), _SMALL_SIZE, text_anchor="start")


def _draw_line(
    parent: Element, start: tuple[float, float], level: float, end: tuple[float, float], look: _Look
) -> None:
    """Draw an up-across-down (or down-across-up) line with rounded corners and an arrow head at its end."""
    (x0, y0), (x1, y1) = start, end
    turn = _CORNER if level < y0 else -_CORNER
    outline = (
        f"M{x0:g} {y0:g}V{level + turn:g}Q{x0:g} {level:g} {x0 + _CORNER:g} {level:g}"
        f"H{x1 - _CORNER:g}Q{x1:g} {level:g} {x1:g} {level + turn:g}V{y1 - turn:g}"
    )
    add(parent, "path", d=outline, fill="none", stroke=look.color, stroke_width=1.5, stroke_dasharray=look.dashes)
    head = f"M{x1:g} {y1:g}l-3.5 {-1.4 * turn:g}h7z"
    add(parent, "path", d=head, fill=look.color)


def _legend(plan: ChannelPlan | None) -> tuple[str, ...]:
    """Return the lines of the legend; the first four have samples."""
    lines = ("operation with weights", "skip connection", "operation without weights (pooling, noise)")
    if plan is None:
        return lines
    return (
        *lines,
        "stage; channels that the operation keeps (solid, in percent)",
        "and channels that a skip connection refills (striped)",
        f"allocation {plan.allocation} of {plan.ranking}: {_percent(plan.refilled_share)} of all channels refilled",
    )


def _draw_legend(svg: Element, lines: Sequence[str], top: float) -> None:
    for number, line in enumerate(lines):
        y = top + _LEGEND_STEP * (number + 0.5)
        add_text(svg, _MARGIN + _SAMPLE_WIDTH, y, line, _SMALL_SIZE + 1, text_anchor="start")
        if number < 3:
            look = (_WITH_WEIGHTS, _SKIP, _WITHOUT_WEIGHTS)[number]
            sample = f"M{_MARGIN} {y:g}h80"
            add(svg, "path", d=sample, stroke=look.color, stroke_width=1.5, stroke_dasharray=look.dashes)
        elif number == 3:
            _draw_bar(svg, _MARGIN + 50, y, "0", 0.6, BLUE)
