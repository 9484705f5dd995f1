"""The time of a search step in two versions of this package, measured in turns.

    python experiments/benchmarks/two_versions.py BEFORE AFTER [--repeats 5]

BEFORE and AFTER are checkouts, such as worktrees of the commit before a change and of the change. Every measurement
is a fresh process of one thread; CPU seconds are counted, so that other work on the machine disturbs little.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys

from machine import machine

MEASURE = """
import json, sys, time
from functools import partial
import torch
from aca_ray.data import DataInfo, ImageSet, SearchData
from aca_ray.methods.registry import find_method
from aca_ray.nn.fused import fuse
from aca_ray.packing import Pack
from aca_ray.search.search import Search
from aca_ray.space import SPACES

case = json.loads(sys.argv[1])
torch.set_num_threads(1)
torch.manual_seed(0)
size, shape = 64 * (case["steps"] + 3), (3, case["side"], case["side"])
train, valid = (
    ImageSet(torch.randint(256, (size, *shape), dtype=torch.uint8), torch.randint(10, (size,))) for _ in range(2)
)
names = tuple(map(str, range(10)))
info = DataInfo("made", 10, names, 3, case["side"], case["side"], (0.5,) * 3, (0.25,) * 3, True, "0" * 64, "made")
pack = Pack(torch.device("cpu"), case["seeds"])
searches = [
    Search(
        find_method(case["method"]), SPACES[case["space"]], SearchData(info, train, valid), channels=case["channels"],
        num_cells=case["cells"], num_epochs=4, seed=seed, device=torch.device("cpu"), batch_size=64,
        accelerate=member.accelerate if case["seeds"] > 1 else fuse,
    )
    for seed, member in enumerate(pack.members)
]
position = 0


def take(steps):
    def one(search):
        for index in range(position, position + steps):
            search.step(search.clock, index)

    if len(searches) == 1:
        one(searches[0])
    else:
        pack.run([partial(one, search) for search in searches])


for search in searches:
    search.clock = 3
take(3)
position = 3
start = time.process_time()
take(case["steps"])
print((time.process_time() - start) / case["steps"])
"""

CASES = {
    "darts on nasbench201, 16x16, C = 8, 5 cells": {
        "method": "darts",
        "space": "nasbench201",
        "side": 16,
        "channels": 8,
    },
    "pc_darts, the same": {"method": "pc_darts", "space": "nasbench201", "side": 16, "channels": 8},
    "darts on nasbench201, 8x8, C = 4, 6 packed": {
        **{"method": "darts", "space": "nasbench201", "side": 8, "channels": 4},
        "seeds": 6,
    },
    "darts on darts, 16x16, C = 8, 5 cells": {"method": "darts", "space": "darts", "side": 16, "channels": 8},
}


def seconds(checkout: str, case: dict[str, object]) -> float:
    """Return the CPU seconds of a step in a checkout."""
    command = [sys.executable, "-c", MEASURE, json.dumps({"cells": 5, "seeds": 1, "steps": 8, **case})]
    environment = {**os.environ, "PYTHONPATH": checkout, "OMP_NUM_THREADS": "1"}
    return float(subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    """Print a row per case."""
    parser = argparse.ArgumentParser()
    parser.add_argument("before")
    parser.add_argument("after")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    print(machine())
    print("| a search step | before, CPU s | after, CPU s | ratio of medians | ratios |\n|---|---|---|---|---|")
    for title, case in CASES.items():
        pairs = [(seconds(options.before, case), seconds(options.after, case)) for _ in range(options.repeats)]
        before, after = (statistics.median(values) for values in zip(*pairs, strict=True))
        ratios = sorted(b / a for a, b in pairs)
        print(f"| {title} | {before:.3f} | {after:.3f} | {after / before:.2f} | {ratios[0]:.2f} to {ratios[-1]:.2f} |")


if __name__ == "__main__":
    main()
