"""What a search step costs: the supernet over a plain one, packed seeds, methods over one another, memory, ranking.

A step is an architecture and a weight update on random images. Whatever a row compares runs in turns in one process;
ratios are those of the medians. The plain supernet is the tests' oracle, with a module per candidate and edge. Needs
torch and the repository, nothing else:

    PYTHONPATH=<repository> python experiments/benchmarks/search_step.py [--device cuda] [--repeats 5]
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import torch
from machine import machine
from torch import nn

from aca_ray.channels import DEFAULT_RANKING, rank_channels
from aca_ray.methods.core import SearchMethod
from aca_ray.methods.loss import batch_loss
from aca_ray.methods.moment import Moment
from aca_ray.methods.registry import find_method
from aca_ray.methods.views import ArchStep
from aca_ray.nn import Mixing, Supernet
from aca_ray.search.together import Together
from aca_ray.space import SPACES

REFERENCE = Path(__file__).resolve().parents[2] / "tests" / "nn" / "reference_supernet.py"
SPACE = SPACES["darts"]
MOMENT = Moment(epoch=0, num_epochs=50)
RANKED_BATCHES, RANKED_STEPS = 10, 30
NUM_PACKED = 4


class Size(NamedTuple):
    """A supernet and its images."""

    channels: int
    num_cells: int
    side: int
    batch: int = 64


PAPER, QUICKSTART = Size(16, 8, 32), Size(4, 5, 8)


def load_reference() -> ModuleType:
    spec = importlib.util.spec_from_file_location(REFERENCE.stem, REFERENCE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Stepper:
    """A search of nothing but steps on two fixed batches."""

    def __init__(self, name: str, size: Size, device: torch.device, *, plain: bool = False) -> None:
        torch.manual_seed(0)
        self.method: SearchMethod = find_method(name)
        sizes: dict[str, Any] = {"channels": size.channels, "num_cells": size.num_cells, "num_classes": 10}
        self.network: Any = (
            load_reference().ReferenceSupernet(SPACE, **sizes)
            if plain
            else Supernet(SPACE, **sizes, build_edge=self.method.build_edge)
        ).to(device)
        initial = self.method.initial_parameters(SPACE, torch.Generator().manual_seed(0))
        self.parameters = {name: nn.Parameter(value.detach().to(device)) for name, value in initial.items()}
        recipe = self.method.recipe
        self.weight_optimizer = torch.optim.SGD(self.network.parameters(), recipe.weight_lr, momentum=recipe.momentum)
        self.arch_optimizer = torch.optim.Adam(self.parameters.values(), recipe.arch_lr, betas=recipe.arch_betas)
        shape = (size.batch, 3, size.side, size.side)
        self.batches = [
            (torch.randn(shape, device=device), torch.randint(10, shape[:1], device=device)) for _ in range(2)
        ]

    def step(self) -> None:
        train, valid = self.batches

        def mixing() -> Mixing:
            return self.method.mixing(SPACE, self.parameters, MOMENT)

        gradients = self.method.arch_gradient(
            ArchStep(
                network=self.network,
                parameters=self.parameters,
                mixing=mixing,
                penalty=lambda _: torch.zeros((), device=valid[0].device),
                train=train,
                valid=valid,
                optimizer=self.weight_optimizer,
            )
        )
        for parameter, gradient in zip(self.parameters.values(), gradients, strict=True):
            parameter.grad = gradient
        self.arch_optimizer.step()
        loss = batch_loss(self.network(train[0], mixing().detach()), train[1])
        self.weight_optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), self.method.recipe.clip_norm)
        self.weight_optimizer.step()

    def rank(self) -> None:
        mixing = self.method.mixing(SPACE, self.parameters, MOMENT).detach()
        genotype = self.method.genotype(mixing, SPACE)
        batches = [self.batches[0]] * RANKED_BATCHES
        rank_channels(self.network, mixing, SPACE, genotype, batches, DEFAULT_RANKING, seed=0)


def seconds(action: Callable[[], None], device: torch.device) -> float:
    """Return how long an action and what it leaves to the device take."""
    start = time.perf_counter()
    action()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def measure(actions: dict[str, Callable[[], None]], repeats: int, device: torch.device) -> dict[str, list[float]]:
    """Return the seconds of every action, each in turn, after one round that is not counted."""
    rounds = [{name: seconds(action, device) for name, action in actions.items()} for _ in range(repeats + 1)]
    return {name: [own[name] for own in rounds[1:]] for name in actions}


def shown(times: list[float]) -> str:
    return f"{statistics.median(times):.3f} ({min(times):.3f} to {max(times):.3f})"


def row(what: str, target: str, over: list[float], under: list[float]) -> None:
    ratio = statistics.median(over) / statistics.median(under)
    print(f"| {what} | {shown(over)} | {shown(under)} | {ratio:.2f} | {target} |", flush=True)


def peak_mebibytes(plain: bool, device: torch.device) -> float:
    """Return how much memory two steps need at their peak, on a CPU in a process of their own."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        stepper = Stepper("darts", PAPER, device, plain=plain)
        stepper.step()
        stepper.step()
        return (torch.cuda.max_memory_allocated() - before) / 2**20
    command = [sys.executable, __file__, "--peak-of", "plain" if plain else "batched"]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def print_own_peak(plain: bool) -> None:
    before = resident_peak()
    stepper = Stepper("darts", PAPER, torch.device("cpu"), plain=plain)
    stepper.step()
    stepper.step()
    print(resident_peak() - before)


def resident_peak() -> float:
    """Return the most MiB that this process had in memory; getrusage would count its parent's."""
    (line,) = (own for own in Path("/proc/self/status").read_text().splitlines() if own.startswith("VmHWM"))
    return int(line.split()[1]) / 2**10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--peak-of", choices=("plain", "batched"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    device = torch.device(options.device)
    torch.set_num_threads(2)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False  # exact float32
    if options.peak_of:
        print_own_peak(options.peak_of == "plain")
        return
    print(f"{machine()}; device {device}, 2 CPU threads, n = {options.repeats}, load {os.getloadavg()[0]:.1f}\n")
    print("| what | seconds: median (min to max) | over seconds | ratio | target |\n|---|---|---|---|---|", flush=True)
    name, target = (
        ("on a GPU, exact fp32, plain over batched", "at least 5")
        if options.device == "cuda"
        else ("plain over batched", "at least 3")
    )
    for size, where in ((QUICKSTART, ", the quickstart's size"), (PAPER, "")):
        pair = {plain: Stepper("darts", size, device, plain=plain) for plain in (True, False)}
        times = measure({str(plain): own.step for plain, own in pair.items()}, options.repeats, device)
        row(f"search step {name}{where}", target, times["True"], times["False"])
    del pair
    batched, plain = (peak_mebibytes(plain, device) for plain in (False, True))
    print(
        f"| peak memory, batched over plain | {batched:.0f} MiB | {plain:.0f} MiB | {batched / plain:.2f} "
        "| at most 1.0 |",
        flush=True,
    )
    for size, where in ((QUICKSTART, ", the quickstart's size"), (PAPER, "")):
        steppers = [Stepper("darts", size, device) for _ in range(NUM_PACKED)]
        together = Together(device, NUM_PACKED)
        actions = {
            "packed": lambda together=together, steppers=steppers: together.run([own.step for own in steppers]),
            "one": steppers[0].step,
        }
        times = measure(actions, options.repeats, device)
        row(f"{NUM_PACKED} packed seeds over 1{where}", "at most 1.5 (GPU), 3 (CPU)", times["packed"], times["one"])
        counts = together.counts()
        print(f"<!-- {counts['passes']} passes, {counts['computed']} computed -->", flush=True)
    del steppers, together, actions
    first, second, partial = (Stepper(name, PAPER, device) for name in ("darts", "darts_second_order", "pc_darts"))
    actions = {"first": first.step, "second": second.step, "partial": partial.step, "ranking": first.rank}
    times = measure(actions, options.repeats, device)
    row("second order over first", "at most 2.5", times["second"], times["first"])
    row("PC-DARTS step over DARTS step", "at most 0.4", times["partial"], times["first"])
    row(
        f"ranking, {RANKED_BATCHES} batches, over {RANKED_STEPS} search steps",
        "at most 1",
        times["ranking"],
        [RANKED_STEPS * own for own in times["first"]],
    )
    if options.device == "cpu":
        print("| search step on a GPU, exact fp32, plain over batched | not measured | | | at least 5 |")
    print("| 50-epoch search on an H200 | not measured | | | at most 15 min |")


if __name__ == "__main__":
    main()
