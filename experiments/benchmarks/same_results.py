"""Write hashes of what searches, rankings and retrainings compute, and compare them with those of another version.

    python experiments/benchmarks/same_results.py write after.json
    python experiments/benchmarks/same_results.py compare before.json after.json

For a change that must not change a number: write the hashes at the commit before (in a worktree, with its own
PYTHONPATH) and after it, on the same machine, and compare them. Every method is searched on each of three spaces it is
defined on, with skip connections searched and allocated, stopped and resumed in the middle; a milestone is ranked and
allocated; the network is retrained for an epoch. Two seeds are also searched as a pack.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from aca_ray.channels import ChannelScores
from aca_ray.config import parse_spec
from aca_ray.driver.assignment import Assignment
from aca_ray.methods.registry import methods
from aca_ray.storage import read_checkpoint
from aca_ray.sweep.manifest import create_sweep
from aca_ray.sweep.orders import network_orders, plans_of, rankings_of, search_orders
from aca_ray.sweep.ranking_orders import milestone_orders
from aca_ray.sweep.vocabulary import vocabulary

CPU = torch.device("cpu")
COMPARED_SPACES = ("s1", "darts_without_none", "nasbench201")
EPOCHS = 4
SPEC = """
name: {name}
experiment:
  methods: {method}
  skip: [searched, allocated]
  spaces: {space}
  data: {{name: digits, max_train_images: 64, max_test_images: 32}}
  seeds: {seeds}
  epochs: {epochs}
  network: {{channels: {channels}, cells: 3}}
  batch_size: 16
  ranking: [taylor_identity, catro]
  controls: [uniform, random]
  retraining: {{protocol: {{base: small, epochs: 1, channels: 4, cells: 3}}}}
runtime: {{storage: {storage}}}
"""


def digest(value: Any) -> str:
    """Return a hash of nested tensors and plain values."""
    found = hashlib.sha256()

    def add(value: Any) -> None:
        if isinstance(value, torch.Tensor):
            found.update(str(value.dtype).encode() + value.detach().contiguous().numpy().tobytes())
        elif isinstance(value, dict):
            for key in sorted(value, key=str):
                found.update(str(key).encode())
                add(value[key])
        elif isinstance(value, list | tuple):
            for item in value:
                add(item)
        else:
            found.update(repr(value).encode())

    add(value)
    return found.hexdigest()[:16]


def finish(orders: list[Any]) -> None:
    """Carry out orders in this process, opened anew after each stretch as if the process had died."""
    while True:
        assignment = Assignment(orders, CPU)
        assignment.advance(0.0)
        if assignment.over:
            return
        assignment.save()
        for _ in range(EPOCHS):
            assignment.advance(0.0)
        assignment.save()


def results(method: str, space: str, seeds: list[int], storage: Path, name: str) -> Iterator[tuple[str, str]]:
    """Yield what a sweep computes, as names and hashes."""
    channels = 4 * methods()[method].channel_divisor
    text = SPEC.format(
        method=method, space=space, seeds=seeds, epochs=EPOCHS, channels=channels, storage=storage, name=name
    )
    sweep = create_sweep(parse_spec(text, vocabulary(storage)), storage, text)
    orders = search_orders(sweep)
    if len(seeds) > 1:
        for skip in ("searched", "allocated"):
            finish([order for order in orders if order.trial.skip == skip])
    for order in orders:
        if len(seeds) == 1:
            finish([order])
        place = f"{method} {space} {order.trial.skip} {seeds} {order.trial.seed}"
        (last,) = order.folder.glob(f"milestones/*{EPOCHS}.ckpt")
        header, state = read_checkpoint(last)
        yield f"{place} weights", digest(state["work"]["network"])
        yield f"{place} architecture", digest(state["work"]["architecture"])
        yield f"{place} genotype", digest(header["record"]["genotype"])
        if order.trial.skip == "allocated":
            for ranking in milestone_orders(sweep, order, [EPOCHS], rankings_of(sweep), plans_of(sweep)):
                ranking.carry_out(threads=1, gpus=0)
            for file in sorted(order.folder.glob("allocations/*/*/*")):
                if file.name == "scores.parquet":
                    scores = ChannelScores.read_parquet(file)
                    yield f"{place} {file.parent.name} scores", digest([edge.scores for edge in scores.edges])
                elif file.name.startswith("plan_"):
                    yield f"{place} {file.parent.name} {file.stem}", digest(json.loads(file.read_text()))
        for retraining in network_orders(sweep, order)[: 3 if len(seeds) == 1 else 1]:
            finish([retraining])
            (trained,) = retraining.folder.glob("milestones/*.ckpt")
            trial = retraining.trial
            title = f"{place} retraining {trial.ranking} {trial.allocation} {trial.control}"
            yield title, digest(read_checkpoint(trained)[1]["work"]["network"])


def write(path: Path) -> None:
    """Write the hashes of this version."""
    torch.set_num_threads(1)
    found: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        for number, (name, method) in enumerate(methods().items()):
            for space in COMPARED_SPACES:
                if space in method.spaces:
                    found |= results(name, space, [number], Path(folder), f"{name}-{space}")
        for name in ("darts", "pc_darts"):
            found |= results(name, "s1", [1, 2], Path(folder), f"{name}-pack")
    path.write_text(json.dumps(found, indent=1))
    print(f"{len(found)} hashes in {path}")


def compare(before: Path, after: Path) -> int:
    """Print what differs and return the exit code."""
    old, new = (json.loads(path.read_text()) for path in (before, after))
    differing = [name for name in sorted({*old, *new}) if old.get(name) != new.get(name)]
    print("\n".join([*differing, f"{len(differing)} of {len({*old, *new})} differ"]))
    return 1 if differing else 0


if __name__ == "__main__":
    if sys.argv[1] == "write":
        write(Path(sys.argv[2]))
    else:
        sys.exit(compare(Path(sys.argv[2]), Path(sys.argv[3])))
