"""How far `check --estimate` is from the truth: the estimated over the measured time of sweeps, one after the other.

The time of a sweep is that of its log, from `started` to `ended`, which is what the estimate is of: without the start
of Python and the check of the spec. Sweeps run into a temporary folder. Target: a ratio from 0.75 to 1.25. Nothing else
may run on the machine.

    python experiments/benchmarks/estimates.py [SPEC ...] [--repeats 1]

The default specs are the quickstart and estimates.yaml, which needs the Parquet files of CIFAR-10 that it names. A spec
must not set runtime.storage.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from datetime import datetime
from pathlib import Path

from machine import machine

SPECS = (Path(__file__).parent.parent / "quickstart.yaml", Path(__file__).parent / "estimates.yaml")
ESTIMATE = """
import json, sys, aca_ray
estimate = aca_ray.estimate(sys.argv[1], stream=sys.stderr)
whole = estimate.whole
print(json.dumps([whole.mean, whole.low, whole.high, estimate.ends]))
"""


def estimated(spec: Path) -> list[float]:
    """Return mean, low, high and the part before and after the epochs, in seconds."""
    command = [sys.executable, "-c", ESTIMATE, str(spec)]
    lines = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    return [float(value) for value in json.loads(lines[-1])]


def swept(spec: Path, folder: Path) -> float:
    """Return the seconds of the sweep, run in a folder."""
    command = [sys.executable, "-m", "aca_ray.cli", "run", str(spec), "--quiet"]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    (log,) = folder.glob("results/*/driver.log")
    lines = log.read_text().splitlines()
    begin, end = (datetime.fromisoformat(line[:19]) for line in (lines[0], lines[-1]))
    return (end - begin).total_seconds()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("specs", metavar="SPEC", nargs="*", type=Path, default=SPECS)
    parser.add_argument("--repeats", type=int, default=1)
    options = parser.parse_args()
    print(machine())
    print(
        "\n| spec | estimate s (range) | of it besides trials s | sweep s | estimate / sweep |\n|---|---|---|---|---|"
    )
    for spec in options.specs:
        ratios = []
        for _ in range(options.repeats):
            mean, low, high, ends = estimated(spec.resolve())
            with tempfile.TemporaryDirectory() as folder:
                truth = swept(spec.resolve(), Path(folder))
            ratios.append(mean / truth)
            row = f"{mean:.0f} ({low:.0f} to {high:.0f}) | {ends:.0f} | {truth:.0f} | {ratios[-1]:.2f}"
            print(f"| {spec.stem} | {row} |", flush=True)
        print(f"| {spec.stem}, median of n = {len(ratios)} | | | | {statistics.median(ratios):.2f} |", flush=True)


if __name__ == "__main__":
    main()
