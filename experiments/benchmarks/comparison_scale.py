"""How long the comparison of a large sweep takes, and how much memory: generated rows through the real files.

Half of the trials are searches in the space of DARTS (20 methods, both skip policies, the allocated ones with four
milestones), half are retrainings, all of 200 epochs. Written by a process of its own, so that the peak is the reader's.

    python experiments/benchmarks/comparison_scale.py [--trials 2000] [--epochs 200]
"""

from __future__ import annotations

import argparse
import hashlib
import json
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
from aca_ray.records import SweepFolder, TrialFolder, TrialRecord
from aca_ray.report.page import write_report
from aca_ray.space.candidates import DARTS_CANDIDATES, PARAMETRIC, SKIP
from aca_ray.space.genotype import CellGenotype, Genotype, KeptEdge
from aca_ray.space.topology import DARTS_TOPOLOGY, NUM_STAGES
from aca_ray.storage.files import write_bytes, write_json

METHODS = ("random_search", *(f"method_{index:02}" for index in range(1, 20)))
SKIPS = ("searched", "allocated")
PAIR = Pair("taylor_identity", "sign")
PLANS = ("sign", "sign_uniform")
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
    texts = [json.dumps(rows, indent=1) for rows in courses]
    milestones = [num_epochs * part // 4 for part in range(1, 5)]
    for index in range(num_searches):
        method, skip = METHODS[index // 2 % len(METHODS)], SKIPS[index % 2]
        seed, course = index // (2 * len(METHODS)), int(generator.integers(NUM_VARIANTS))
        common = {"method": method, "skip": skip, "space": "darts", "seed": seed, "epochs": num_epochs}
        network = {"channels": 16, "cells": 8}
        trial = {**common, "data": {"name": "cifar10"}, "network": network, "batch_size": 64, "milestones": milestones}
        search = write_record(sweep / "searches", "search", trial, num_epochs, texts[course])
        if skip == "allocated":
            for epoch in milestones:
                allocation = allocation_of(generator, courses[course][epoch - 1], epoch, epoch > milestones[0])
                folder = sweep / "searches" / search[:12] / "allocations" / f"epoch_{epoch:04d}" / PAIR.ranking
                write_json(folder / "allocation.json", allocation)
        rule = PAIR if skip == "allocated" else (None, None)
        retraining = {
            **common,
            "search": search,
            "data": {"name": "cifar10"},
            "network": {"channels": 36, "cells": 20},
            "protocol": "long",
            "retrain_seed": 0,
            "ranking": rule[0],
            "allocation": rule[1],
        }
        rows = json.dumps([retraining_row(generator, epoch) for epoch in range(1, num_epochs + 1)], indent=1)
        accuracy = float(generator.normal(0.97, 0.002))
        result = {"test_accuracy": accuracy, "best_test_accuracy": accuracy + 0.001, "parameters": 3_300_000 + index}
        result |= {"macs": 528_000_000, "num_skips": 2, "num_parametric": 12}
        result["refilled_share"] = 0.4 if skip == "allocated" else 0.0
        write_record(sweep / "evaluations", "evaluation", retraining, num_epochs, rows, result=result)


def write_record(folder: Path, kind: Any, trial: dict[str, Any], num_epochs: int, rows: str, **values: Any) -> str:
    """Write a record as trials do, its rows given as text, and return its fingerprint."""
    fingerprint = hashlib.sha256(json.dumps(trial, sort_keys=True).encode()).hexdigest()
    record = TrialRecord(
        kind=kind,
        fingerprint=fingerprint,
        trial=trial,
        num_epochs=num_epochs,
        state="finished",
        epoch=num_epochs,
        device="cuda",
        process=f"node{trial['seed'] % 4}:77",
        seconds=30.0 * num_epochs,
        data_info={"name": "cifar10", "digest": "d" * 64, "source": "files", "num_images": 50_000},
        environment={"aca_ray": "0.1.0", "python": "3.11", "torch": "2.14", "device": "NVIDIA H100 80GB HBM3"},
        **values,
    )
    text = json.dumps(record.to_json(), indent=1).replace('"rows": []', f'"rows": {rows}', 1)
    write_bytes(TrialFolder(folder / fingerprint[:12]).record, text.encode())
    return fingerprint


def search_rows(generator: np.random.Generator, num_epochs: int) -> list[dict[str, Any]]:
    num_edges, num_candidates = len(DARTS_TOPOLOGY.edges), len(DARTS_CANDIDATES)
    logits = np.zeros((2, num_edges, num_candidates))
    genotype = random_genotype(generator)
    rows = []
    for epoch in range(1, num_epochs + 1):
        logits += generator.normal(0.0, 0.05, logits.shape)
        weights = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
        if generator.random() < CHURN_SHARE:
            genotype = random_genotype(generator)
        architecture: dict[str, Any] = {
            "genotype": genotype.to_json(),
            "mixing": {"normal": weights[0].round(4).tolist(), "reduce": weights[1].round(4).tolist()},
        }
        if epoch == 1:
            offered = [list(DARTS_CANDIDATES)] * num_edges
            architecture["candidates"] = {"normal": offered, "reduce": offered}
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
        rows.append(
            {"epoch": epoch, "time_ms": 1_790_000_000_000 + epoch, "metrics": metrics, "architecture": architecture}
        )
    return rows


def retraining_row(generator: np.random.Generator, epoch: int) -> dict[str, Any]:
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
    return {"epoch": epoch, "time_ms": 1_790_000_000_000 + epoch, "metrics": metrics}


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
    generator: np.random.Generator, row: dict[str, Any], epoch: int, has_previous: bool
) -> dict[str, Any]:
    plans = {
        rule: {
            "refilled_share": 0.4,
            "kept_share": generator.random((NUM_STAGES, 8)).tolist(),
            "parameters": 3_000_000,
            "macs": 500_000_000,
        }
        for rule in PLANS
    }
    agreement = {"previous_epoch": epoch - 1, "kendall_tau": float(generator.uniform(0.2, 0.8)), "jaccard": 0.7}
    return {
        "epoch": epoch,
        "ranking": PAIR.ranking,
        "genotype": row["architecture"]["genotype"],
        "plans": plans,
        "agreement": agreement if has_previous else None,
        "decided_share": 0.6,
        "seconds": 20.0,
    }


if __name__ == "__main__":
    main()
