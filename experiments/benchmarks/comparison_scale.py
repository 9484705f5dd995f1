"""How long the comparison of a large sweep takes, and how much memory: generated rows through the real files.

Half of the trials are searches in the space of DARTS (20 methods, both skip policies, the allocated ones with four
milestones), half are retrainings, all of 200 epochs. Written by a process of its own, so that the peak is the reader's.

    python experiments/benchmarks/comparison_scale.py [--trials 2000] [--epochs 200]
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import Process
from pathlib import Path
from typing import Any

import numpy as np
from machine import machine

from aca_ray.comparison import Pair, compare, read_sweep
from aca_ray.records import (
    Agreement,
    AllocationSummary,
    Architecture,
    DataFacts,
    PlanSummary,
    Question,
    RetrainingRecord,
    RetrainingResult,
    Row,
    SearchRecord,
    SearchResult,
    SearchRow,
    SweepFolder,
)
from aca_ray.report.page import write_report
from aca_ray.space.candidates import DARTS_CANDIDATES, PARAMETRIC, SKIP
from aca_ray.space.genotype import CellGenotype, Genotype, KeptEdge
from aca_ray.space.topology import DARTS_TOPOLOGY, NUM_STAGES
from aca_ray.space.trials import RetrainingTrial, SearchTrial, Skip

METHODS = ("random_search", *(f"method_{index:02}" for index in range(1, 20)))
SKIPS: tuple[Skip, ...] = ("searched", "allocated")
PAIR = Pair("taylor_identity", "sign")
PLANS = ("sign", "sign_uniform")
DATA = DataFacts(
    name="cifar10",
    num_classes=10,
    class_names=(),
    channels=3,
    height=32,
    width=32,
    mean=(0.5,) * 3,
    std=(0.25,) * 3,
    digest="d" * 64,
    source="files",
    augmentation="crop and flip",
    num_images=50_000,
)
NUM_VARIANTS = 8  # different courses of a search; every trial takes one of them
CHURN_SHARE = 0.2  # of the epochs derive another genotype than the one before


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--trials", type=int, default=2000, help="searches and retrainings together")
    parser.add_argument("--epochs", type=int, default=200)
    options = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory(prefix="aca_ray-scale-") as folder:
        sweep = Path(folder, "scale")
        writer = Process(target=write_sweep, args=(sweep, options.trials // 2, options.epochs))
        writer.start()
        writer.join()
        num_bytes = sum(path.stat().st_size for path in sweep.rglob("*") if path.is_file())
        print(f"{options.trials} trials x {options.epochs} epochs, {num_bytes / 1e6:,.0f} MB of records")
        with measured("all"):
            with measured("read_sweep"):
                rows = read_sweep(SweepFolder(sweep))
            with measured("compare"):
                comparison = compare(rows, [PAIR])
            drawn = random_genotype(np.random.default_rng(0)), None  # the records hold no network of their own
            with measured("write_report"):
                write_report(comparison, Path(folder, "report"), "scale", lambda _: drawn)
            page = Path(folder, "report", "report.html")
            print(f"report.html {page.stat().st_size / 1e6:.1f} MB")
        print(f"load {' '.join(f'{load:.1f}' for load in os.getloadavg())}")


@contextmanager
def measured(name: str) -> Iterator[None]:
    start, cpu_start = time.perf_counter(), time.process_time()
    yield
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu_start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"{name:<14} {seconds:6.1f} s, {cpu_seconds:6.1f} s of CPU, peak so far {peak:.2f} GB", flush=True)


def write_sweep(sweep: Path, num_searches: int, num_epochs: int) -> None:
    generator = np.random.default_rng(0)
    courses = [search_rows(generator, num_epochs) for _ in range(NUM_VARIANTS)]
    folder = SweepFolder(sweep)
    for index in range(num_searches):
        rows = courses[int(generator.integers(NUM_VARIANTS))]
        trial = SearchTrial(
            method=METHODS[index // 2 % len(METHODS)],
            skip=SKIPS[index % 2],
            space="darts",
            seed=index // (2 * len(METHODS)),
            epochs=num_epochs,
            data={"name": "cifar10"},
            network={"channels": 16, "cells": 8},
            batch_size=64,
        )
        last = rows[-1].architecture
        assert last is not None
        search = SearchRecord(
            fingerprint=trial.fingerprint, trial=trial, rows=rows, result=SearchResult(2, 12), **common(trial, last)
        )
        search.write(folder.trial(trial).path)
        pair: tuple[str | None, str | None] = (None, None)
        if trial.skip == "allocated":
            pair = PAIR
            for epoch in trial.milestones:
                architecture = rows[epoch - 1].architecture
                assert architecture is not None
                summary = allocation_of(generator, search, architecture, epoch)
                summary.write(folder.trial(trial).allocation(epoch, PAIR.ranking))
        retraining = RetrainingTrial.of_search(trial, "cifar", 0, *pair)
        accuracy = float(generator.normal(0.97, 0.002))
        RetrainingRecord(
            fingerprint=retraining.fingerprint,
            trial=retraining,
            rows=tuple(retraining_row(generator, epoch) for epoch in range(1, num_epochs + 1)),
            result=RetrainingResult(
                accuracy, accuracy + 0.001, 3_300_000 + index, 528_000_000, 2, 12, 0.4 if pair[0] else 0.0
            ),
            **common(trial, last),
        ).write(folder.trial(retraining).path)


def common(trial: SearchTrial, last: Architecture) -> dict[str, Any]:
    """Return the values that the record of a search and that of its retraining share."""
    return {
        "num_epochs": trial.epochs,
        "state": "finished",
        "epoch": trial.epochs,
        "genotype": last.genotype,
        "device": "cuda",
        "process": f"node{trial.seed % 4}:77",
        "seconds": 30.0 * trial.epochs,
        "data_info": DATA,
        "environment": {"aca_ray": "0.1.0", "python": "3.11", "torch": "2.14", "device": "NVIDIA H100 80GB HBM3"},
    }


def search_rows(generator: np.random.Generator, num_epochs: int) -> tuple[SearchRow, ...]:
    num_edges, num_candidates = len(DARTS_TOPOLOGY.edges), len(DARTS_CANDIDATES)
    offered = (tuple(DARTS_CANDIDATES),) * num_edges
    logits = np.zeros((2, num_edges, num_candidates))
    genotype = random_genotype(generator)
    rows = []
    for epoch in range(1, num_epochs + 1):
        logits += generator.normal(0.0, 0.05, logits.shape)
        weights = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
        if generator.random() < CHURN_SHARE:
            genotype = random_genotype(generator)
        normal, reduce = (tuple(map(tuple, cell.round(4).tolist())) for cell in weights)
        candidates: Any = {"normal": offered, "reduce": offered} if epoch == 1 else None
        architecture = Architecture(genotype, {"normal": normal, "reduce": reduce}, candidates)
        edges = [*genotype.normal.edges, *genotype.reduce.edges]
        metrics = {
            "search_train/loss": 1.0 / epoch,
            "search_train/accuracy": 0.9 - 0.5 / epoch,
            "search_valid/loss": 1.1 / epoch,
            "search_valid/accuracy": 0.85 - 0.5 / epoch + float(generator.normal(0.0, 0.01)),
            "lr/weights": 0.025,
            "lr/architecture": 0.0003,
            "arch/entropy": float(-(weights * np.log(weights)).sum(axis=-1).mean() / np.log(num_candidates)),
            "arch/skip_count": float(sum(edge.operation == SKIP for edge in edges)),
            "arch/parametric_count": float(sum(edge.operation in PARAMETRIC for edge in edges)),
            "time/epoch_seconds": 60.0,
            "time/images_per_second": 800.0,
            "memory/peak_bytes": 2e10,
        }
        rows.append(SearchRow(epoch, 1_790_000_000_000 + epoch, metrics, architecture))
    return tuple(rows)


def retraining_row(generator: np.random.Generator, epoch: int) -> Row:
    metrics = {
        "train/loss": 1.0 / epoch,
        "train/accuracy": 0.99 - 0.5 / epoch,
        "test/loss": 1.2 / epoch,
        "test/accuracy": 0.97 - 0.5 / epoch + float(generator.normal(0.0, 0.002)),
        "lr/weights": 0.025,
        "time/epoch_seconds": 30.0,
        "time/images_per_second": 1600.0,
        "memory/peak_bytes": 1e10,
    }
    return Row(epoch, 1_790_000_000_000 + epoch, metrics)


def random_genotype(generator: np.random.Generator) -> Genotype:
    def cell() -> CellGenotype:
        edges = [
            KeptEdge(str(generator.choice(DARTS_CANDIDATES[1:])), int(source), node)
            for node in DARTS_TOPOLOGY.intermediate_nodes
            for source in generator.choice(node, 2, replace=False)
        ]
        return CellGenotype(tuple(edges), tuple(DARTS_TOPOLOGY.output_nodes))

    return Genotype(cell(), cell())


def allocation_of(
    generator: np.random.Generator, search: SearchRecord, architecture: Architecture, epoch: int
) -> AllocationSummary:
    plans = {
        rule: PlanSummary(0.4, tuple(map(tuple, generator.random((NUM_STAGES, 8)).tolist())), 3_000_000, 500_000_000)
        for rule in PLANS
    }
    agreement = Agreement(epoch - 1, float(generator.uniform(0.2, 0.8)), 0.7)
    return AllocationSummary(
        question=Question(search.fingerprint, epoch, PAIR.ranking, PAIR.allocation, {"channels": 36, "cells": 20}),
        epoch=epoch,
        ranking=PAIR.ranking,
        genotype=architecture.genotype,
        plans=plans,
        agreement=agreement if epoch > search.trial.milestones[0] else None,
        decided_share=0.6,
        seconds=20.0,
    )


if __name__ == "__main__":
    main()
