"""Drawings of the final mixing weights of a search: a heat map for each cell.

The colors are stops of cividis (Nunez et al. 2018), whose lightness increases for any color vision.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree.ElementTree import Element

from aca_ray.errors import ConfigError
from aca_ray.report.cells import CELL_NAMES
from aca_ray.report.svg import add, add_text, new_svg, to_string, write_svg
from aca_ray.space import CELL_TYPES, CellType, Topology
from aca_ray.space.candidates import DARTS_CANDIDATES, published_name
from aca_ray.space.spaces import DELETED
from aca_ray.storage import StoragePath

_STOPS = tuple(
    bytes.fromhex(color)
    for color in ("00224e", "1a386f", "434e6c", "61656f", "7d7c78", "9b9476", "bcae6c", "dec958", "fee838")
)
_NOT_OFFERED = bytes.fromhex("d9d9d9")
# Pixels.
_MARGIN, _LABEL_WIDTH, _TITLE_HEIGHT, _LINE_HEIGHT = 12, 48, 36, 13
_FIELD_WIDTH, _FIELD_HEIGHT = 54, 22
_SCALE_STEPS, _SCALE_STEP_WIDTH, _SCALE_HEIGHT = 20, 5, 48
_SIZE = 12


def draw_mixing(alphas: Mapping[str, Any], path: StoragePath) -> StoragePath:
    """Write the drawing of `mixing_svg` atomically, and return the path.

    Raises:
        ConfigError: the path does not end in .svg, or for the reasons of `mixing_svg`.
    """
    return write_svg(path, mixing_svg(alphas))


def mixing_svg(alphas: Mapping[str, Any]) -> str:
    """Return an <svg> of the mixing weights of the cells that have edges: heat maps, edges by candidates.

    Args:
        alphas: mixing weights as in record.json of a search: `normal` and `reduce` have one row of weights per edge,
            `candidates` the operation names of the weights, cell by cell. Without `reduce`, cells have one input.

    Raises:
        ConfigError: weights and names do not match, or no cell has this number of edges.
    """
    has_one_input = not alphas.get("reduce")
    cell_types: tuple[CellType, ...] = ("normal",) if has_one_input else CELL_TYPES
    tables = [_Table.of(alphas, cell_type, 1 if has_one_input else 2) for cell_type in cell_types]
    largest = max((weight for table in tables for row in table.rows for weight in row.values()), default=0.0) or 1.0
    width = 2 * _MARGIN + _LABEL_WIDTH + _FIELD_WIDTH * max(7, *(len(table.columns) for table in tables))
    height = sum(table.height for table in tables) + _SCALE_HEIGHT
    svg = new_svg(width, height, "Mixing weights of the search", " ".join(table.in_words() for table in tables))
    top = 0
    for table in tables:
        _draw_table(svg, table, top, largest)
        top += table.height
    _draw_scale(svg, top + 0.5 * _SCALE_HEIGHT, largest)
    return to_string(svg)


@dataclass(frozen=True)
class _Table:
    """The weights of one cell.

    Attributes:
        name: name of the cell.
        columns: candidates that any edge offers, in canonical order.
        edges: labels of the edges.
        rows: weights of the candidates that each edge offers; empty for a deleted edge.
    """

    name: str
    columns: tuple[str, ...]
    edges: tuple[str, ...]
    rows: tuple[dict[str, float], ...]

    @staticmethod
    def of(alphas: Mapping[str, Any], cell_type: CellType, num_inputs: int) -> _Table:
        """Return the table of one cell, or raise ConfigError."""
        try:
            rows, names = alphas[cell_type], alphas["candidates"][cell_type]
        except (KeyError, TypeError) as error:
            raise ConfigError(f"alphas: needs {cell_type!r} and candidates.{cell_type}, lacks {error}") from error
        if len(rows) != len(names) or any(len(row) != len(edge) for row, edge in zip(rows, names, strict=True)):
            raise ConfigError(
                f"alphas.{cell_type}: needs one weight per name in candidates.{cell_type}, found rows of "
                f"{[len(row) for row in rows]} weights and {[len(edge) for edge in names]} names"
            )
        offered = {name for edge in names for name in edge if tuple(edge) != DELETED}
        return _Table(
            CELL_NAMES[cell_type],
            (*(name for name in DARTS_CANDIDATES if name in offered), *sorted(offered - set(DARTS_CANDIDATES))),
            _edge_labels(len(rows), cell_type, num_inputs),
            tuple(
                {} if tuple(edge) == DELETED else dict(zip(edge, row, strict=True))
                for edge, row in zip(names, rows, strict=True)
            ),
        )

    @property
    def head(self) -> int:
        """Height of title and headings above the fields, in pixels."""
        return _TITLE_HEIGHT + _LINE_HEIGHT * max((len(_heading(name)) for name in self.columns), default=0)

    @property
    def height(self) -> int:
        """Height of the heat map with title and headings, in pixels."""
        return self.head + _FIELD_HEIGHT * len(self.rows)

    def in_words(self) -> str:
        """Return the description of the heat map, as a sentence."""
        edges = (
            f"edge {edge}: "
            f"{', '.join(f'{published_name(name)} {weight:.2f}' for name, weight in row.items()) or 'deleted'}"
            for edge, row in zip(self.edges, self.rows, strict=True)
        )
        return f"{self.name.capitalize()}: {'; '.join(edges)}."


def _edge_labels(num_edges: int, cell_type: CellType, num_inputs: int) -> tuple[str, ...]:
    """Return the labels of the edges of the densely connected cell with `num_edges` edges, node-major."""
    num_nodes = 0
    while len(Topology(num_inputs, num_nodes).edges) < num_edges:
        num_nodes += 1
    edges = Topology(num_inputs, num_nodes).edges
    if len(edges) != num_edges or not edges:
        raise ConfigError(f"alphas.{cell_type}: needs the edges of a densely connected cell, found {num_edges} edges")
    return tuple(f"{edge.source}->{edge.target}" for edge in edges)


def _heading(candidate: str) -> Sequence[str]:
    return published_name(candidate).split("_")


def _draw_table(svg: Element, table: _Table, top: float, largest: float) -> None:
    add_text(svg, _MARGIN, top + 18, table.name.capitalize(), 14, text_anchor="start", font_weight="bold")
    left, first = _MARGIN + _LABEL_WIDTH, top + table.head
    for column, name in enumerate(table.columns):
        words = _heading(name)
        for line, word in enumerate(words):
            y = first - 3 - _LINE_HEIGHT * (len(words) - line - 0.5)
            add_text(svg, left + _FIELD_WIDTH * (column + 0.5), y, word, _SIZE)
    for number, (edge, row) in enumerate(zip(table.edges, table.rows, strict=True)):
        y = first + _FIELD_HEIGHT * number
        add_text(svg, left - 6, y + 0.5 * _FIELD_HEIGHT, edge, _SIZE, text_anchor="end")
        for column, name in enumerate(table.columns):
            x = left + _FIELD_WIDTH * column
            color = _color(row[name] / largest) if name in row else _NOT_OFFERED
            field = f"M{x} {y}h{_FIELD_WIDTH - 1}v{_FIELD_HEIGHT - 1}h{1 - _FIELD_WIDTH}z"
            add(svg, "path", d=field, fill=f"#{color.hex()}")
            if name in row:
                middle = x + 0.5 * _FIELD_WIDTH, y + 0.5 * _FIELD_HEIGHT
                add_text(svg, *middle, f"{row[name]:.2f}", _SIZE, fill=_text_color(color))


def _draw_scale(svg: Element, y: float, largest: float) -> None:
    x: float = _MARGIN + _LABEL_WIDTH
    add_text(svg, x - 6, y, "0.00", _SIZE, text_anchor="end")
    for step in range(_SCALE_STEPS):
        color = f"#{_color(step / (_SCALE_STEPS - 1)).hex()}"
        add(svg, "rect", x=x, y=y - 7, width=_SCALE_STEP_WIDTH, height=14, fill=color)
        x += _SCALE_STEP_WIDTH
    add_text(svg, x + 6, y, f"{largest:.2f} mixing weight", _SIZE, text_anchor="start")
    add(svg, "rect", x=x + 150, y=y - 7, width=14, height=14, fill=f"#{_NOT_OFFERED.hex()}")
    add_text(svg, x + 170, y, "not offered", _SIZE, text_anchor="start")


def _color(share: float) -> bytes:
    """Return red, green and blue, 0 to 255, for a share of the largest weight, in [0, 1]."""
    index = min(int(share * (len(_STOPS) - 1)), len(_STOPS) - 2)
    rest = share * (len(_STOPS) - 1) - index
    return bytes(round(a + rest * (b - a)) for a, b in zip(_STOPS[index], _STOPS[index + 1], strict=True))


def _text_color(ground: bytes) -> str:
    """Return black or white, whichever has more contrast to the background.

    Source: relative luminance and contrast of WCAG 2.1, section 1.4.3.
    """
    linear = [((value / 255 + 0.055) / 1.055) ** 2.4 for value in ground]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "black" if (luminance + 0.05) ** 2 > 1.05 * 0.05 else "white"
