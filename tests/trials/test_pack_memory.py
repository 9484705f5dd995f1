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

from aca_ray.trials.datasets import DataRef
from aca_ray.config import SearchTrial
from aca_ray.trials.pack_memory import measure_pack

torch.set_num_threads(1)
folder, cases = Path(sys.argv[1]), json.loads(sys.argv[2])


def trials(method, precision):
    return [
        SearchTrial(
            method=method,
            skip="searched",
            space="s2",
            seed=seed,
            epochs=1,
            data={"name": "digits", "max_train_images": 256, "max_test_images": 8},
            network={"channels": 8, "cells": 5},
            batch_size=64,
            precision=precision,
        )
        for seed in (0, 1, 2)
    ]


def peak_bytes(device):  # getrusage(2) reports at least the memory of the parent when it forked
    return 1024 * int(re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())[1])


data = DataRef(trials(*cases[0])[0].data, folder)
found = [measure_pack(trials(*case), data, torch.device("cpu"), peak_bytes) for case in cases]
print(json.dumps([own and asdict(own) for own in found]))
"""
TOGETHER, ALONE = ("darts", "float32"), (("gdas", "float32"), ("darts", "bfloat16"))


@pytest.mark.slow
def test_what_packed_searches_measure(tmp_path: Path) -> None:
    """The second search takes memory, none writes a file, and searches that are computed alone have no measurement."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(tmp_path), json.dumps([TOGETHER, *ALONE])],  # the peak is of the first
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    memory, *none = json.loads(done.stdout)
    # The first includes the interpreter and the libraries.
    assert 2**20 < memory["further_bytes"] < memory["one_bytes"]
    assert none == [None] * len(ALONE)
    assert not list(tmp_path.iterdir())
