"""How long the command line takes to answer. Targets: --help under 0.5 s, check under 5 s.

python experiments/benchmarks/start.py [--repeats 5]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

from machine import machine

QUICKSTART = Path(__file__).parent.parent / "quickstart.yaml"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    print(machine())
    print(f"{'command':<32} {'median s':>9} {'min':>6} {'max':>6} {'target':>7}")
    for arguments, target in ((["--help"], 0.5), (["check", str(QUICKSTART)], 5.0)):
        times = []
        for repeat in range(options.repeats + 1):
            start = time.perf_counter()
            subprocess.run([sys.executable, "-m", "aca_ray.cli", *arguments], check=True, stdout=subprocess.DEVNULL)
            if repeat:  # the first one fills the disk cache
                times.append(time.perf_counter() - start)
        name = " ".join(Path(a).name for a in arguments)
        print(f"{name:<32} {statistics.median(times):9.2f} {min(times):6.2f} {max(times):6.2f} {target:7.1f}")


if __name__ == "__main__":
    main()
