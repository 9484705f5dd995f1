"""What a search step costs: fused over plain supernets, packed seeds, methods over one another, memory, ranking.

A step is an architecture and a weight update on random images. Whatever a row compares runs in turns in one process;
ratios are those of the medians. The plain supernet calls every module of every candidate and edge. Needs torch and the
repository, nothing else:

    PYTHONPATH=<repository> python experiments/benchmarks/search_step.py [--device cuda] [--repeats 5]

With `--search EPOCHS` it times a whole `darts` search instead, on random images of CIFAR-10's number and size:

    PYTHONPATH=<repository> python experiments/benchmarks/search_step.py --search 50 --device cuda
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import torch
from machine import machine
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from turns import measure, row, seconds

from aca_ray.channels import DEFAULT_RANKING, rank_channels
from aca_ray.data import DataInfo, ImageSet, SearchData
from aca_ray.methods.core import SearchMethod
from aca_ray.methods.loss import batch_loss
from aca_ray.methods.moment import Moment
from aca_ray.methods.parts.fixed_weights import logits_at_fixed_weights
from aca_ray.methods.registry import find_method
from aca_ray.methods.views import ArchStep
from aca_ray.nn import Mixing, Supernet
from aca_ray.nn.fused import fuse
from aca_ray.packing import Pack
from aca_ray.search.search import Accelerator, Search
from aca_ray.space import SPACES

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


def accelerator(plain: bool) -> Accelerator:
    return (lambda network: network) if plain else fuse


class Stepper:
    """A search of nothing but steps on two fixed batches."""

    def __init__(
        self,
        name: str,
        size: Size,
        device: torch.device,
        *,
        accelerate: Accelerator = fuse,
        precision: torch.dtype = torch.float32,
    ) -> None:
        torch.manual_seed(0)
        self.method: SearchMethod = find_method(name)
        sizes: dict[str, Any] = {"channels": size.channels, "num_cells": size.num_cells, "num_classes": 10}
        network = Supernet(SPACE, **sizes, build_edge=self.method.build_edge, precision=precision)
        self.network = accelerate(network.to(device))
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


class Calls(TorchDispatchMode):
    """Counts the operations that a device is given."""

    # Views, and what only allocates.
    FREE = ("view", "_unsafe_view", "permute", "expand", "select", "slice", "detach", "t", "transpose", "unsqueeze")
    FREE += (
        "squeeze",
        "split",
        "split_with_sizes",
        "unbind",
        "alias",
        "as_strided",
        "empty",
        "empty_like",
        "new_empty",
    )

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = function.overloadpacket.__name__
        if name not in self.FREE:
            self.counts[name] += 1
        return function(*args, **(kwargs or {}))


def num_calls(name: str, *, plain: bool) -> int:
    """Return how many operations the two passes of a step, forward and backward, give a device that is no CPU.

    Torch's `meta` device stands for it, so no GPU is needed. What optimizers and clipping do is not counted: on a GPU
    they are a few calls for all tensors.
    """
    stepper = Stepper(name, PAPER, torch.device("meta"), accelerate=accelerator(plain))
    network, (images, labels) = stepper.network, stepper.batches[0]
    with Calls() as calls:
        mixing = stepper.method.mixing(SPACE, stepper.parameters, MOMENT)
        loss = batch_loss(logits_at_fixed_weights(network, images, mixing), labels)
        torch.autograd.grad(loss, list(stepper.parameters.values()))
        loss = batch_loss(network(images, mixing.detach()), labels)
        torch.autograd.grad(loss, list(network.parameters()), allow_unused=True)
    return calls.counts.total()


def whole_search(num_epochs: int, num_images: int, precision: torch.dtype, device: torch.device) -> float:
    """Return the seconds of a `darts` search, including the accuracy on search_valid after every epoch."""
    generator = torch.Generator().manual_seed(0)

    def images() -> ImageSet:
        pixels = torch.randint(256, (num_images, 3, 32, 32), dtype=torch.uint8, generator=generator)
        return ImageSet(pixels, torch.randint(10, (num_images,), generator=generator))

    info = DataInfo(
        name="random",
        num_classes=10,
        class_names=(),
        channels=3,
        height=32,
        width=32,
        mean=(0.5, 0.5, 0.5),
        std=(0.25, 0.25, 0.25),
        flip=True,
        digest="",
        source="",
    )
    start = time.perf_counter()
    search = Search(
        find_method("darts"),
        SPACE,
        SearchData(info, images(), images()),
        channels=PAPER.channels,
        num_cells=PAPER.num_cells,
        num_epochs=num_epochs,
        seed=0,
        device=device,
        precision=precision,
    )
    for epoch in range(num_epochs):
        index = 0
        while not search.is_over(epoch, index):
            search.step(epoch, index)
            index += 1
        print(f"epoch {epoch}: {search.end_epoch(epoch)['search_train/loss']:.3f}", flush=True)
    return time.perf_counter() - start


def seconds_beside(size: Size, repeats: int) -> list[float]:
    """Return the seconds of two steps of one search while a second process does the same, one CPU thread each.

    So four searches take where trials are given a core each and none is packed.
    """
    context = multiprocessing.get_context("spawn")
    barrier, times = context.Barrier(2), context.Queue()
    processes = [context.Process(target=_step_beside, args=(size, repeats, barrier, times)) for _ in range(2)]
    for process in processes:
        process.start()
    found = [times.get() for _ in processes]
    for process in processes:
        process.join()
    return [max(own) for own in zip(*found, strict=True)]


def _step_beside(size: Size, repeats: int, barrier: Any, times: Any) -> None:
    torch.set_num_threads(1)
    stepper = Stepper("darts", size, torch.device("cpu"))
    stepper.step()
    found = []
    for _ in range(repeats):
        barrier.wait()
        found.append(sum(seconds(stepper.step, torch.device("cpu")) for _ in range(2)))
    times.put(found)


def peak_mebibytes(plain: bool, device: torch.device) -> float:
    """Return how much memory two steps need at their peak, on a CPU in a process of their own."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        stepper = Stepper("darts", PAPER, device, accelerate=accelerator(plain))
        stepper.step()
        stepper.step()
        return (torch.cuda.max_memory_allocated() - before) / 2**20
    command = [sys.executable, __file__, "--peak-of", "plain" if plain else "fused"]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def print_own_peak(plain: bool) -> None:
    before = resident_peak()
    stepper = Stepper("darts", PAPER, torch.device("cpu"), accelerate=accelerator(plain))
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
    parser.add_argument("--search", type=int, metavar="EPOCHS", help="time a whole search instead")
    parser.add_argument("--images", type=int, default=25_000, help="of either split of that search")
    parser.add_argument("--precision", default="float32", choices=("float32", "bfloat16"), help="of that search")
    parser.add_argument("--peak-of", choices=("plain", "fused"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    device = torch.device(options.device)
    torch.set_num_threads(2)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False  # exact float32
    if options.peak_of:
        print_own_peak(options.peak_of == "plain")
        return
    if options.search:
        print(f"{machine()}; device {device}, {options.precision}, n = 1\n", flush=True)
        found = whole_search(options.search, options.images, getattr(torch, options.precision), device)
        print(f"{options.search} epochs of 2 x {options.images:,} images: {found:.1f} s")
        return
    print(f"{machine()}; device {device}, 2 CPU threads, n = {options.repeats}, load {os.getloadavg()[0]:.1f}\n")
    print("| what | seconds: median (min to max) | over seconds | ratio | target |\n|---|---|---|---|---|", flush=True)
    name, target = (
        ("on a GPU, exact fp32, plain over fused", "at least 5")
        if options.device == "cuda"
        else ("plain over fused", "at least 3")
    )
    for size, where in ((QUICKSTART, ", the quickstart's size"), (PAPER, "")):
        pair = {plain: Stepper("darts", size, device, accelerate=accelerator(plain)) for plain in (True, False)}
        times = measure({str(plain): own.step for plain, own in pair.items()}, options.repeats, device)
        row(f"search step {name}{where}", target, times["True"], times["False"])
    del pair
    calls = {plain: num_calls("darts", plain=plain) for plain in (True, False)}
    print(
        f"| calls of both passes of a step where the device is no CPU, plain over fused | {calls[True]} "
        f"| {calls[False]} | {calls[True] / calls[False]:.2f} | - |",
        flush=True,
    )
    if options.device == "cuda":
        precise, rough = (Stepper("darts", PAPER, device, precision=own) for own in (torch.float32, torch.bfloat16))
        times = measure({"float32": precise.step, "bfloat16": rough.step}, options.repeats, device)
        row("search step, bfloat16 over float32", "-", times["bfloat16"], times["float32"])
        del precise, rough
    fused, plain = (peak_mebibytes(plain, device) for plain in (False, True))
    print(
        f"| peak memory, fused over plain | {fused:.0f} MiB | {plain:.0f} MiB | {fused / plain:.2f} | at most 1.0 |",
        flush=True,
    )
    for size, where in ((QUICKSTART, ", the quickstart's size"), (PAPER, "")):
        pack = Pack(device, NUM_PACKED)
        steppers = [Stepper("darts", size, device, accelerate=member.accelerate) for member in pack.members]
        alone = Stepper("darts", size, device)
        actions = {
            "packed": lambda pack=pack, steppers=steppers: pack.run([own.step for own in steppers]),
            "one": alone.step,
        }
        times = measure(actions, options.repeats, device)
        row(f"{NUM_PACKED} packed seeds over 1{where}", "at most 1.5 (GPU), 3 (CPU)", times["packed"], times["one"])
        if options.device == "cpu":
            beside = seconds_beside(size, options.repeats)
            row(f"4 seeds, unpacked, two at a time on one thread each, over 1{where}", "-", beside, times["one"])
        counts = pack.counts()
        print(f"<!-- {counts['passes']} passes, {counts['computed']} computed -->", flush=True)
    del steppers, alone, pack, actions
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
        print("| search step on a GPU, exact fp32, plain over fused | not measured | | | at least 5 |")
    print("| 50-epoch search on an H200 | not measured | | | at most 15 min |")


if __name__ == "__main__":
    main()
