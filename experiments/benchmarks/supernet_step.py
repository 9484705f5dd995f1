"""Time of one forward and backward pass of the supernet, relative to a plain one with a module per candidate and edge.

Run from anywhere with torch alone: `PYTHONPATH=<repository> python experiments/benchmarks/supernet_step.py`. Both run
in turns in one process; the medians are printed.
"""

from __future__ import annotations

import importlib.util
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional

from aca_ray.nn import CellMixing, Mixing, Supernet
from aca_ray.space import SPACES

REFERENCE = Path(__file__).resolve().parents[2] / "tests" / "nn" / "reference_supernet.py"


class Case(NamedTuple):
    """A supernet, its images, and how often it is timed."""

    channels: int
    cells: int
    batch: int
    size: int
    threads: int
    repetitions: int


CASES = (Case(4, 5, 64, 8, 1, 9), Case(4, 5, 64, 8, 2, 9), Case(16, 8, 16, 32, 2, 2))


def load_reference() -> ModuleType:
    spec = importlib.util.spec_from_file_location(REFERENCE.stem, REFERENCE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def prepare(network: nn.Module, case: Case) -> Callable[[], None]:
    """Return one training pass on fixed images."""
    images = torch.randn(case.batch, 3, case.size, case.size)
    labels = torch.randint(10, (case.batch,))
    logits = [torch.zeros(14, 8, requires_grad=True) for _ in range(2)]

    def step() -> None:
        mixing = Mixing(*(CellMixing(values.softmax(dim=1)) for values in logits))
        functional.cross_entropy(network(images, mixing), labels).backward()

    return step


def measure(steps: list[Callable[[], None]], repetitions: int) -> list[float]:
    """Return the median seconds of each step, timed in turns after one warm-up each."""
    seconds: list[list[float]] = [[] for _ in steps]
    for repetition in range(repetitions + 1):
        for step, own in zip(steps, seconds, strict=True):
            start = time.perf_counter()
            step()
            if repetition:
                own.append(time.perf_counter() - start)
    return [statistics.median(own) for own in seconds]


def cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")


def main() -> None:
    reference = load_reference()
    print(f"torch {torch.__version__}, {cpu_model()}, {torch.get_num_threads()} threads by default", flush=True)
    print(
        "| C | cells | batch | image | threads | product s | plain s | plain / product |\n" + "|---" * 8 + "|",
        flush=True,
    )
    for case in CASES:
        torch.set_num_threads(case.threads)
        torch.manual_seed(0)
        sizes = {"channels": case.channels, "num_cells": case.cells, "num_classes": 10}
        networks = (Supernet(SPACES["darts"], **sizes), reference.ReferenceSupernet(SPACES["darts"], **sizes))
        product, plain = measure([prepare(network, case) for network in networks], case.repetitions)
        print(
            f"| {case.channels} | {case.cells} | {case.batch} | {case.size}x{case.size} | {case.threads} "
            f"| {product:.3f} | {plain:.3f} | {plain / product:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
