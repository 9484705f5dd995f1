"""What a graph of jobs gains over two stages, searches and then retrainings, by simulation.

The sweep: four methods, both skips, budgets of 50, 100 and 200 epochs, three seeds, and every network retrained for 600
epochs. The graph and the order of its jobs are those of the program. Rankings take no slot. A trial takes its relative
length times the factor of its method, times a random factor for the machine that it lands on. `straggler` makes one of
the longest searches three times as long.

    python experiments/benchmarks/job_graph.py
"""

from __future__ import annotations

import heapq
import random
import statistics
from collections.abc import Callable, Iterable
from pathlib import Path

from aca_ray.config import parse_spec
from aca_ray.records.layout import SweepFolder
from aca_ray.sweep.graph import Graph
from aca_ray.sweep.manifest import Sweep
from aca_ray.sweep.orders import Order, SearchOrder, search_orders
from aca_ray.sweep.ranking_orders import RankingOrder
from aca_ray.sweep.simulation import simulated_end
from aca_ray.sweep.sweep_graph import relative_length, sweep_graph
from aca_ray.sweep.vocabulary import vocabulary

SPEC = """
name: simulated
experiment:
  methods: [darts, pc_darts, gdas, drnas]
  spaces: darts
  data: cifar10
  seeds: [0, 1, 2]
  epochs: [50, 100, 200]
  controls: []
  retraining: {protocol: %s}
"""
METHOD_FACTORS = {"darts": 1.0, "pc_darts": 0.5, "gdas": 0.4, "drnas": 1.2}  # of a search's time, roughly as measured
MACHINE_SPREAD = 0.1  # standard deviation of the logarithm of a trial's time
SLOTS = (4, 8, 16, 32)
REPEATS = 20


def main() -> None:
    """Print the time of two stages over that of the graph."""
    print(f"time of two stages over that of the graph: mean of {REPEATS} simulations, (smallest to largest)")
    for protocol, title in (
        ("{base: cifar, epochs: 600}", "retraining of 600 epochs, 20 cells, 36 channels"),
        ("{base: cifar, epochs: 100, channels: 16, cells: 8}", "retraining of 100 epochs, 8 cells, 16 channels"),
    ):
        sweep = sweep_of(SPEC % protocol)
        for straggler in (False, True):
            print(f"\n{title}{', one straggler' if straggler else ''}")
            for slots in SLOTS:
                ratios = [gain(sweep, slots, straggler, seed) for seed in range(REPEATS)]
                print(
                    f"  {slots:2} slots: {statistics.mean(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})",
                    flush=True,
                )


def sweep_of(text: str) -> Sweep:
    """Return a sweep that has no folder."""
    return Sweep(parse_spec(text, vocabulary(Path())), Path(), SweepFolder(Path("results/simulated")), text)


def gain(sweep: Sweep, slots: int, straggler: bool, seed: int) -> float:
    """Return the time of two stages over that of the graph, both with the same times of the trials."""
    draw = random.Random(seed)
    factors: dict[str, float] = {}
    longest = max(search_orders(sweep), key=lambda order: order.trial.epochs * METHOD_FACTORS[order.trial.method])

    def seconds(order: Order) -> float:
        trial = order.trial
        if trial.short not in factors:
            factors[trial.short] = draw.lognormvariate(0.0, MACHINE_SPREAD)
            if isinstance(order, SearchOrder):
                factors[trial.short] *= METHOD_FACTORS[trial.method] * (3 if straggler and order == longest else 1)
        return relative_length(order) * factors[trial.short]

    return in_two_stages(sweep, slots, seconds) / as_graph(sweep, slots, seconds)


def in_two_stages(sweep: Sweep, slots: int, seconds: Callable[[Order], float]) -> float:
    """Return the time of all searches in the order of the spec, and then of all retrainings."""
    graph = graph_of(sweep)
    searches = [job.work for job in graph.without_needs()]
    retrainings = [job for job in graph.jobs if job.needs and not isinstance(job.work, RankingOrder)]
    end = last_end(slots, (max(map(seconds, orders)) for orders in searches if not isinstance(orders, RankingOrder)))
    return end + last_end(slots, (seconds(job.work[0]) for job in retrainings if isinstance(job.work, tuple)))


def last_end(slots: int, times: Iterable[float]) -> float:
    """Return when the last of some trials ends, if each starts in the first free slot."""
    free = [0.0] * slots
    for time in times:
        heapq.heapreplace(free, free[0] + time)
    return max(free)


def as_graph(sweep: Sweep, slots: int, seconds: Callable[[Order], float]) -> float:
    """Return the time of the graph: whatever is ready, the longest chain first."""

    def time_of(work: tuple[Order, ...] | RankingOrder) -> float:
        return 0.0 if isinstance(work, RankingOrder) else max(map(seconds, work))

    return simulated_end(graph_of(sweep), slots, time_of, lambda work: not isinstance(work, RankingOrder))


def graph_of(sweep: Sweep) -> Graph[tuple[Order, ...] | RankingOrder]:
    """Return the graph of a sweep of which nothing is done."""
    return sweep_graph(sweep, [(order,) for order in search_orders(sweep)])


if __name__ == "__main__":
    main()
