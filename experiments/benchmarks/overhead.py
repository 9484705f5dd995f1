"""What the sweep costs: epochs of a trial run through Ray, with checkpoints and MLflow, over the bare loop's.

Both run the same search in a fresh process with one thread, in turn. Compared is the time from the end of the first
epoch to the end of the last, so that process start and warm-up count on neither side. Target: at most 1.05.

    python experiments/benchmarks/overhead.py [--repeats 5] [--epochs 8]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from machine import machine

SPEC = """
name: overhead
experiment:
  methods: darts
  skip: searched
  data: digits
  seeds: [0]
  epochs: [{epochs}]
  network: {{channels: 4, cells: 5}}
  batch_size: 64
  retraining: {{protocol: small}}
runtime: {{cpus_per_trial: 1}}
"""

BARE = """
import json, sys, time, torch
torch.set_num_threads(1)
from aca_ray.config import SearchTrial
from aca_ray.trials.datasets import DataRef
from aca_ray.trials.searching import build_search
from aca_ray.training import EpochLoop
from pathlib import Path
trial = SearchTrial.from_json(json.loads(sys.argv[1]))
loop = EpochLoop(build_search(trial, DataRef(trial.data, Path.cwd()).for_search(), torch.device("cpu")), trial.epochs)
ends = []
while not loop.finished:
    loop.advance()
    ends.append(time.time())
print(ends[-1] - ends[0])
"""


def swept(epochs: int, folder: Path) -> tuple[float, dict[str, object]]:
    """Return the seconds of all epochs but the first, run as a sweep, and the trial."""
    (folder / "spec.yaml").write_text(SPEC.format(epochs=epochs))
    subprocess.run(
        [sys.executable, "-m", "aca_ray.cli", "run", "spec.yaml"], cwd=folder, check=True, stdout=subprocess.DEVNULL
    )
    (path,) = folder.glob("results/overhead/searches/*/record.json")
    record = json.loads(path.read_text())
    return (record["rows"][-1]["time_ms"] - record["rows"][0]["time_ms"]) / 1000, record["trial"]


def bare(trial: dict[str, object], folder: Path) -> float:
    """Return the seconds of all epochs but the first in the bare loop."""
    command = [sys.executable, "-c", BARE, json.dumps(trial)]
    return float(subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=8)
    options = parser.parse_args()
    print(machine())
    ratios = []
    print(f"{'sweep s':>8} {'bare s':>8} {'ratio':>6}")
    for _ in range(options.repeats):
        with tempfile.TemporaryDirectory() as folder:
            sweep_seconds, trial = swept(options.epochs, Path(folder))
            bare_seconds = bare(trial, Path(folder))
        ratios.append(sweep_seconds / bare_seconds)
        print(f"{sweep_seconds:8.2f} {bare_seconds:8.2f} {ratios[-1]:6.3f}", flush=True)
    print(f"median ratio {statistics.median(ratios):.3f} (min {min(ratios):.3f}, max {max(ratios):.3f}); target 1.05")


if __name__ == "__main__":
    main()
