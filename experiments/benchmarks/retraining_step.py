"""What a step of a retraining costs: fast over plain networks, allocated over plain ones, single edges.

A step is a forward and a backward pass, clipping and an update of the weights on random images. Whatever a row compares
runs in turns in one process; ratios are those of the medians. The plain network calls every module as it is written.
On a GPU, lower precisions are compared with float32; with `--compile` a compiled network as well, which takes minutes.
Needs torch and the repository, nothing else:

    PYTHONPATH=<repository> python experiments/benchmarks/retraining_step.py [--device cuda] [--repeats 5] [--compile]
"""

from __future__ import annotations

import argparse
import os
import random
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, NamedTuple

import torch
from machine import machine
from torch import nn
from torch.nn import functional
from turns import measure, row

from aca_ray.nn.derived import DerivedNetwork, build_edge
from aca_ray.nn.fused.derived import lay_out_modules
from aca_ray.retraining import Protocol
from aca_ray.retraining.passes import Passes
from aca_ray.space import PUBLISHED, ChannelPlan, EdgePlan, Genotype
from aca_ray.space.topology import NUM_STAGES, stage_cell_type

GENOTYPE = PUBLISHED["DARTS_V2"]
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
EDGE_OPERATIONS = ("sep_conv_3x3", "dil_conv_5x5")


class Size(NamedTuple):
    """A derived network and its images."""

    channels: int
    num_cells: int
    side: int
    batch: int

    def __str__(self) -> str:
        return f"{self.num_cells} cells, {self.channels} channels, {self.side}x{self.side}, batch {self.batch}"


CIFAR, PROXY, SMALL = Size(36, 20, 32, 8), Size(16, 8, 16, 64), Size(4, 5, 8, 64)
FULL = CIFAR._replace(batch=96)
PRECISIONS: dict[str, dict[str, Any]] = {
    "float32": {},
    "tf32": {"precision": "tf32"},
    "bfloat16": {"precision": "bfloat16"},
}
COMPILED: dict[str, dict[str, Any]] = {
    "float32, compiled": {"compile": True},
    "bfloat16, compiled": {"precision": "bfloat16", "compile": True},
}


def drawn_plan(genotype: Genotype, channels: int, share: float) -> ChannelPlan:
    """Return a plan that keeps a share of the channels of every edge, drawn at random."""
    draw = random.Random(0)

    def edge() -> EdgePlan:
        return EdgePlan(share, tuple(draw.sample(range(channels), channels)))

    stages = (genotype.cell(stage_cell_type(stage)).edges for stage in range(NUM_STAGES))
    return ChannelPlan("random", "drawn", tuple(tuple(edge() for _ in edges) for edges in stages))


class Stepper:
    """A retraining of nothing but steps on one fixed batch.

    Args:
        size: size of network and batch.
        device: device to compute on.
        plan: channel plan, or None.
        plain: whether to call every module as it is written, without the passes of a retraining.
        changes: fields of the protocol.
    """

    def __init__(
        self, size: Size, device: torch.device, plan: ChannelPlan | None, *, plain: bool = False, **changes: Any
    ) -> None:
        torch.manual_seed(0)
        network = DerivedNetwork(GENOTYPE, plan, channels=size.channels, num_cells=size.num_cells, num_classes=10)
        network.set_drop_path(0.1)
        self.network = network.to(device)
        self.forward, self.context = network.forward_with_auxiliary, nullcontext
        if not plain:
            protocol = Protocol("timed", "-", size.channels, size.num_cells, epochs=1, batch_size=size.batch, **changes)
            passes = Passes(network, protocol, device)
            self.forward, self.context = passes.train, passes.tf32
        self.optimizer = torch.optim.SGD(
            network.parameters(), 0.025, momentum=0.9, weight_decay=3e-4, fused=None if plain else True
        )
        self.images = torch.randn(size.batch, 3, size.side, size.side, device=device)
        self.labels = torch.randint(10, (size.batch,), device=device)

    def step(self) -> None:
        with self.context():
            logits, _ = self.forward(self.images)
            loss = functional.cross_entropy(logits, self.labels)
            self.optimizer.zero_grad()
            loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        self.optimizer.step()


def edge_pass(operation: str, size: Size, share: float, device: torch.device) -> Callable[[], None]:
    """Return a function that makes a forward and a backward pass of one edge at stride 1."""
    torch.manual_seed(0)
    channels = size.channels
    order = tuple(random.Random(0).sample(range(channels), channels))
    edge = build_edge(operation, channels, 1, EdgePlan(share, order)).to(device)
    state = torch.randn(size.batch, channels, size.side, size.side, device=device)
    if device.type == "cpu":
        lay_out_modules(edge)
        state = state.contiguous(memory_format=torch.channels_last)
    state.requires_grad_()
    towards = torch.randn_like(state)

    def passes() -> None:
        edge(state).backward(towards)

    return passes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--compile", action="store_true", help="on a GPU: compare compiled networks too")
    options = parser.parse_args()
    device = torch.device(options.device)
    torch.set_num_threads(options.threads)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False  # exact float32
    print(f"{machine()}; device {device}, {options.threads} CPU threads, n = {options.repeats}", end=", ")
    print(f"load {os.getloadavg()[0]:.1f}\n")
    print("| what | seconds: median (min to max) | over seconds | ratio | target |\n|---|---|---|---|---|", flush=True)
    for size in (CIFAR, PROXY, SMALL):
        half = drawn_plan(GENOTYPE, size.channels, 0.5)
        steppers = {
            "plain": Stepper(size, device, None, plain=True),
            "fast": Stepper(size, device, None),
            "half": Stepper(size, device, half),
        }
        times = measure({name: own.step for name, own in steppers.items()}, options.repeats, device)
        row(
            f"plain over fast, {size}", "at least 1.5" if size == CIFAR else "at least 1", times["plain"], times["fast"]
        )
        row(f"half of the channels over all, {size}", "at most 0.7", times["half"], times["fast"])
    if device.type == "cuda":
        changes = PRECISIONS | COMPILED if options.compile else PRECISIONS
        for title, plan in (("", None), (", half of the channels", drawn_plan(GENOTYPE, FULL.channels, 0.5))):
            named = {name: Stepper(FULL, device, plan, **own) for name, own in changes.items()}
            times = measure({name: own.step for name, own in named.items()}, options.repeats, device)
            for name in list(changes)[1:]:
                row(f"float32 over {name}, {FULL}{title}", "at least 3 (compiled)", times["float32"], times[name])
            del named
    for name in EDGE_OPERATIONS:
        passes = {str(share): edge_pass(name, CIFAR, share, device) for share in SHARES}
        times = measure(passes, 4 * options.repeats, device)
        for share in SHARES[:-1]:
            row(f"edge of {name}, share kept {share:.2f} over 1", "-", times[str(share)], times["1.0"])


if __name__ == "__main__":
    main()
