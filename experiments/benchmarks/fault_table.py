"""What each fault costs a sweep of 12 short trials on a cluster of three nodes, as rows of a table.

The sweep is that of tests/integration/test_faults.py, which also holds what comes out against an undisturbed one.

    python experiments/benchmarks/fault_table.py

Needs Linux, root (for namespaces), and Debian's packages redis-server and postgresql.
"""

from __future__ import annotations

import sys
from pathlib import Path

from machine import machine

sys.path.append(str(Path(__file__).parents[2] / "tests" / "integration"))

from conftest import marked
from faults import SPEC, Scene


def main() -> None:
    print(machine())
    with marked("aca") as servers, marked("faults") as process:
        scene = Scene(process, servers)
        spec = SPEC.format(seeds=[0, 1, 2], epochs=40, max_failures=1, tracking=scene.mlflow.uri)
        (process.folder / "spec.yaml").write_text(spec)
        effects = scene.every_fault()
        assert scene.running.wait(timeout=600) == 0, process.output()
        process.check_tracked_once()
    print("| fault | detected after s | resumed after s | work done again s |", "|---|---|---|---|", sep="\n")
    for effect in effects:
        detected, resumed = ("-" if value is None else f"{value:.1f}" for value in (effect.detected, effect.resumed))
        print(f"| {effect.fault} | {detected} | {resumed} | {effect.lost:.1f} |")
    print("Bookkeeping: one run per trial in MLflow, every epoch once")


if __name__ == "__main__":
    main()
