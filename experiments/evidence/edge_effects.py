"""Print whether the importance of an edge's channels says what the edge is worth.

    python experiments/evidence/edge_effects.py results/nb201

For every milestone of the skip-free searches of a sweep on NAS-Bench-201's space, the benchmark gives the true effect
of turning one edge of the cell into a skip connection. The script ranks the supernet's channels by every ranker. It
prints how the edges' totals go with these effects (Spearman's rho, negative where important edges cost more), and what
refilling the edge of the lowest total costs compared with the mean over edges. Milestones of a search are averaged, so
that n is a number of searches. It also prints what refilling so many drawn edges costs, and of `taylor_identity` at the
last milestones the share of positive scores per edge and the share of scores beyond 1.96 standard errors.
"""

from __future__ import annotations

import itertools
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean, pstdev

import torch
from scipy import stats

from aca_ray.benchmark import load_table
from aca_ray.channels import DEFAULT_RANKING, RANKERS, EdgeScores, rank_channels
from aca_ray.data import evaluation_batches
from aca_ray.records import TrialFolder, TrialRecord
from aca_ray.space import CellGenotype, Genotype
from aca_ray.space.candidates import SKIP
from aca_ray.storage import read_checkpoint
from aca_ray.sweep.manifest import find_sweep
from aca_ray.sweep.orders import search_orders
from aca_ray.trials.datasets import DataRef
from aca_ray.trials.searching import build_search

CPU = torch.device("cpu")
BATCH = 256
BENCHMARK = load_table("nasbench201")
Edge = tuple[int, int]

# What of an edge's scores, and of its mixing weights, is set against its effect.
TOTALS: dict[str, Callable[[EdgeScores], float]] = {
    "share of positive scores": lambda edge: fmean(score > 0 for score in edge.scores),
    "sum of scores": lambda edge: sum(edge.scores),
}


def accuracy(genotype: Genotype, to_skip: Iterable[Edge] = ()) -> float:
    """Return the benchmark's accuracy, in percent, of a cell of which some edges become skip connections."""
    skips = set(to_skip)
    cell = genotype.normal
    edges = tuple(edge._replace(operation=SKIP) if edge.edge in skips else edge for edge in cell.edges)
    found = BENCHMARK.find(replace(genotype, normal=CellGenotype(edges, cell.concat, cell.num_inputs)))
    assert found is not None  # the program's own table is whole
    return 100 * found.accuracy


def effects(genotype: Genotype) -> dict[Edge, float]:
    """Return, by edge, the change in accuracy (points) when this edge alone becomes a skip connection."""
    plain = accuracy(genotype)
    return {edge.edge: accuracy(genotype, [edge.edge]) - plain for edge in genotype.normal.edges}


def costs_of_drawn_edges(genotype: Genotype) -> list[float]:
    """Return the mean change in accuracy (points) when n drawn edges become skip connections, for n = 0, 1, ..."""
    edges, plain = [edge.edge for edge in genotype.normal.edges], accuracy(genotype)
    return [
        fmean(accuracy(genotype, drawn) - plain for drawn in itertools.combinations(edges, number))
        for number in range(len(edges) + 1)
    ]


def mean_over_cells(
    scores: Sequence[EdgeScores], genotype: Genotype, total: Callable[[EdgeScores], float]
) -> dict[Edge, float]:
    """Return, by edge of the cell, the mean total over the supernet's cells."""
    found: dict[Edge, list[float]] = defaultdict(list)
    for edge in scores:
        found[genotype.normal.edges[edge.genotype_edge].edge].append(total(edge))
    return {edge: fmean(values) for edge, values in found.items()}


def agreement(totals: Mapping[Edge, float], effect: Mapping[Edge, float]) -> tuple[float, float] | None:
    """Return rho, and the effect of the edge of the lowest total minus the mean effect; None where all are alike."""
    edges = sorted(totals)
    if len(edges) < 3 or len(set(totals.values())) < 2 or len(set(effect.values())) < 2:
        return None
    rho = float(stats.spearmanr([totals[edge] for edge in edges], [effect[edge] for edge in edges]).statistic)
    return rho, effect[min(edges, key=lambda edge: totals[edge])] - fmean(effect.values())


def main(name: str) -> None:
    """Print both tables for a sweep."""
    torch.set_num_threads(1)
    sweep = find_sweep(name, Path("results"))
    found: dict[tuple[str, str], dict[str, list[tuple[float, float]]]] = defaultdict(lambda: defaultdict(list))
    drawn: list[list[float]] = []
    last: list[EdgeScores] = []
    for order in search_orders(sweep):
        record = TrialRecord.read(order.folder)
        if order.trial.skip != "allocated" or record is None or record.state != "finished":
            continue
        data = DataRef(order.trial.data, sweep.base).for_search()
        search = build_search(replace(order.trial, precision="float32"), data, CPU)
        for epoch in record.milestones:
            search.load_state_dict(read_checkpoint(TrialFolder(order.folder).milestone(epoch))[1]["work"])
            genotype = search.genotype()
            effect = effects(genotype)
            for ranker in RANKERS:
                batches = evaluation_batches(data.valid, data.info, BATCH, CPU)
                scores = rank_channels(
                    search.network, search.mixing(), search.space, genotype, batches, ranker, seed=order.trial.seed
                )
                if (ranker, epoch) == (DEFAULT_RANKING, order.trial.epochs):
                    last += scores.edges
                for title, total in TOTALS.items():
                    measured = agreement(mean_over_cells(scores.edges, genotype, total), effect)
                    if measured is not None:
                        found[ranker, title][order.trial.fingerprint].append(measured)
        drawn.append(costs_of_drawn_edges(genotype))
    print("ranker           total                      n   rho      p   lowest - mean      p")
    for (ranker, title), searches in found.items():
        rhos = [fmean(rho for rho, _ in values) for values in searches.values()]
        lowest = [fmean(cost for _, cost in values) for values in searches.values()]
        p_rho, p_lowest = (stats.ttest_1samp(values, 0).pvalue for values in (rhos, lowest))
        tests = f"{fmean(rhos):+.2f}  {p_rho:.3f}  {fmean(lowest):+13.2f}  {p_lowest:.3f}"
        print(f"{ranker:16} {title:24} {len(rhos):3} {tests}")
    print("\ndrawn edges that become skips, final cells: mean change in points")
    for number in range(max(map(len, drawn), default=0)):
        values = [costs[number] for costs in drawn if len(costs) > number]
        print(f"{number} {fmean(values):+.2f} (n = {len(values)})")
    shares = [fmean(score > 0 for score in edge.scores) for edge in last]
    decided = [
        fmean(abs(score) > 1.96 * error for score, error in zip(edge.scores, edge.standard_errors, strict=True))
        for edge in last
        if edge.standard_errors is not None
    ]
    print(f"\n{DEFAULT_RANKING}: positive {fmean(shares):.2f} +- {pstdev(shares):.2f}, decided {fmean(decided):.2f}")


if __name__ == "__main__":
    main(sys.argv[1])
