"""Selection of the networks drawn on a page: one per method, policy and budget, other seeds folded, up to a limit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter

from aca_ray.comparison import ALLOCATED, Comparison, NetworkRow, kind_of
from aca_ray.comparison.grouping import distinct, grouped
from aca_ray.comparison.kinds import main_networks
from aca_ray.report.cells import cell_svg
from aca_ray.space import ChannelPlan, Genotype

MOST_DRAWINGS = 24

NetworkOf = Callable[[NetworkRow], tuple[Genotype, ChannelPlan | None]]


@dataclass(frozen=True)
class Drawing:
    """The cells of one network, as a self-contained <svg>."""

    title: str
    svg: str


@dataclass(frozen=True)
class Drawings:
    """The drawings of a page.

    Attributes:
        shown: the lowest seed of every method, policy and budget.
        folded: other seeds.
        num_left_out: number of networks not drawn, to keep the page small.
    """

    shown: tuple[Drawing, ...]
    folded: tuple[Drawing, ...]
    num_left_out: int


def make_drawings(comparison: Comparison, network_of: NetworkOf) -> Drawings:
    """Return the drawings of searched networks and those of the main pair, one network per search.

    The skip-free network of a search has the same cells as the allocated one, and is drawn if that is missing.

    Args:
        comparison: comparison with the networks to draw and their main pairs.
        network_of: function that returns the genotype and plan of a network.
    """
    rows = main_networks(comparison.rows.networks, comparison.main_pairs)
    rows.sort(key=lambda row: (kind_of(row).networks != ALLOCATED, row.retrain_seed))
    once = distinct(rows, lambda row: (_drawn_once(row), row.seed))
    ordered = [sorted(own, key=attrgetter("seed")) for _, own in sorted(grouped(once, _drawn_once).items())]
    shown = [rows[0] for rows in ordered][:MOST_DRAWINGS]
    others = [row for rows in ordered for row in rows[1:]]
    folded = others[: MOST_DRAWINGS - len(shown)]

    def drawn(row: NetworkRow) -> Drawing:
        place = f"{row.space} on {row.data}, {row.epochs} epochs, seed {row.seed}"
        title = f"{row.method}, {kind_of(row).networks}, {place}"
        return Drawing(title, cell_svg(*network_of(row), title=f"Cells of {title}"))

    num_left_out = len(ordered) + len(others) - len(shown) - len(folded)
    return Drawings(tuple(map(drawn, shown)), tuple(map(drawn, folded)), num_left_out)


def _drawn_once(row: NetworkRow) -> tuple[str, bool, str, str, int, str, str]:
    """Return what a drawing stands for, up to the seed; searched cells come before allocated ones."""
    return row.method, row.skip == ALLOCATED, row.space, row.data, row.epochs, row.protocol, row.setting
