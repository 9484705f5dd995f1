"""The memory of packed searches, measured in a separate process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

MEASURE = r"""
import json, re, sys
from dataclasses import asdict
from pathlib import Path

import torch

from aca_ray.config import SearchTrial
from aca_ray.pipeline.orders import SearchOrder
from aca_ray.pipeline.pack_memory import measure_pack

torch.set_num_threads(1)
method, precision, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3])
orders = [
    SearchOrder(
        SearchTrial(
            method=method,
            skip="searched",
            space="s2",
            seed=seed,
            epochs=1,
            data={"name": "digits", "max_train_images": 512, "max_test_images": 8},
            network={"channels": 8, "cells": 5},
            batch_size=128,
            precision=precision,
        ),
        folder / str(seed),
        folder,
    )
    for seed in (0, 1, 2)
]

def peak_bytes(device):  # getrusage(2) reports at least the memory of the parent when it forked
    return 1024 * int(re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())[1])


found = measure_pack(orders, torch.device("cpu"), peak_bytes)
print(json.dumps(None if found is None else asdict(found)))
"""


def measured(folder: Path, method: str = "darts", precision: str = "float32") -> dict[str, int] | None:
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, method, precision, str(folder)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    found: dict[str, int] | None = json.loads(done.stdout)
    return found


def test_the_second_search_takes_memory_and_writes_no_files(tmp_path: Path) -> None:
    memory = measured(tmp_path)
    assert memory is not None
    # The first includes the interpreter and the libraries.
    assert 2**20 < memory["further_bytes"] < memory["one_bytes"]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("method", "precision"), [("gdas", "float32"), ("darts", "bfloat16")])
def test_none_if_nothing_is_computed_together(tmp_path: Path, method: str, precision: str) -> None:
    assert measured(tmp_path, method, precision) is None
