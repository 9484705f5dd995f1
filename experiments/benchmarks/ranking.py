"""What ranking costs: all channels of all kept edges over search_valid, over two search epochs on as many batches.

Target: at most 1. One thread, in turn, median of the repeats after one that is not counted.

    python experiments/benchmarks/ranking.py [--repeats 5]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from machine import machine

from aca_ray.channels import RANKERS, rank_channels
from aca_ray.data import evaluation_batches, load_search_data
from aca_ray.methods.registry import find_method
from aca_ray.search.search import Search
from aca_ray.space import SPACES, without_skip
from aca_ray.training import EpochLoop

BATCH = 64


def seconds(action: Callable[[], object]) -> float:
    """Return how long an action takes."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(machine())
    data = load_search_data({"name": "digits"})
    device = torch.device("cpu")
    search = Search(
        find_method("darts"),
        without_skip(SPACES["darts"]),
        data,
        channels=4,
        num_cells=5,
        num_epochs=2 * (options.repeats + 1),
        seed=0,
        device=device,
        batch_size=BATCH,
    )
    loop = EpochLoop(search, 2 * (options.repeats + 1))

    def rank(name: str) -> None:
        batches = evaluation_batches(data.valid, data.info, BATCH, device)
        rank_channels(search.network, search.mixing(), search.space, search.genotype(), batches, name, seed=0)

    def two_epochs() -> None:
        loop.advance()
        loop.advance()

    times: dict[str, list[float]] = {name: [] for name in ("two search epochs", *RANKERS)}
    for repeat in range(options.repeats + 1):
        measured = {"two search epochs": seconds(two_epochs), **{n: seconds(lambda n=n: rank(n)) for n in RANKERS}}
        if repeat:
            for name, value in measured.items():
                times[name].append(value)
    baseline = statistics.median(times["two search epochs"])
    print(f"{'what':<18} {'median s':>9} {'ratio':>6}")
    for name, values in times.items():
        print(f"{name:<18} {statistics.median(values):9.2f} {statistics.median(values) / baseline:6.2f}")


if __name__ == "__main__":
    main()
