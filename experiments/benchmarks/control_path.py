"""What the sweep adds to Tune at many trials: 1,000 trials of next to no work, with MLflow, over plain Tune's.

A trial of next to no work is the smallest that there is. Half of them are searches: `darts` on nasbench201 with 1
channel and 3 cells, one epoch of one step of 2 images and the measurement on 2 others. The other half look up what the
searches have found in a table. Both sides build the same networks and take the same steps in the same reused actors;
plain Tune hands the results to its driver and keeps no checkpoints, records, pictures, comparison or MLflow runs.

Every side is a process of its own. The clock runs while Ray is up: from the first trial to the end of the last, for the
sweep also over its catching up, the comparison and the last request to MLflow. The MLflow store exists before.
Target: at most 1.3.

    python experiments/benchmarks/control_path.py [--trials 1000] [--repeats 1] [--sides plain sqlite postgresql]
"""

from __future__ import annotations

import argparse
import csv
import io
import itertools
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from machine import machine

SPEC = """
name: control
experiment:
  methods: darts
  skip: searched
  spaces: nasbench201
  data: {{name: digits, max_train_images: 4, max_test_images: 2}}
  seeds: {seeds}
  epochs: 1
  network: {{channels: 1, cells: 3}}
  batch_size: 2
  table: {{path: table.csv}}
runtime: {{tracking: {tracking}}}
"""
SIDES = ("plain", "sqlite", "postgresql")


def write_table(path: Path) -> None:
    """Write a table with an accuracy for every architecture of nasbench201."""
    from aca_ray.space.candidates import NASBENCH201_CANDIDATES, published_name

    with open(path, "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["architecture", "test_accuracy"])
        for number, names in enumerate(itertools.product(map(published_name, NASBENCH201_CANDIDATES), repeat=6)):
            nodes = ([0], [1, 2], [3, 4, 5])
            text = "+".join(
                "|" + "".join(f"{names[edge]}~{source}|" for source, edge in enumerate(node)) for node in nodes
            )
            table.writerow([text, 0.5 + number / 1e5])


def plain_tune(folder: Path) -> None:
    """Run the trials of the spec in a folder with nothing but Tune."""
    import torch

    from aca_ray import api
    from aca_ray.cluster.resources import trial_bundle
    from aca_ray.cluster.session import tune
    from aca_ray.config import SearchTrial
    from aca_ray.retraining import find_protocol
    from aca_ray.space import Genotype
    from aca_ray.sweep.orders import search_orders
    from aca_ray.training import EpochLoop
    from aca_ray.trials.costs import retrained_cost
    from aca_ray.trials.datasets import DataRef
    from aca_ray.trials.looking_up import read_benchmark
    from aca_ray.trials.retraining import TABLE_PROTOCOL, table_json
    from aca_ray.trials.searching import build_search

    class Plain(tune.Trainable):
        """Does what a config says in one step and returns what came out."""

        def setup(self, config: dict[str, Any]) -> None:
            torch.set_num_threads(1)
            self.job = config["job"]

        def reset_config(self, new_config: dict[str, Any]) -> bool:
            self.setup(new_config)
            return True

        def step(self) -> dict[str, Any]:
            return {**(self.look_up() if "genotype" in self.job else self.search()), tune.result.DONE: True}

        def search(self) -> dict[str, Any]:
            trial = SearchTrial.from_json(self.job["trial"])
            search = build_search(trial, DataRef(trial.data, folder).for_search(), torch.device("cpu"))
            report = EpochLoop(search, trial.epochs).advance()
            return {"metrics": report and report.metrics, "genotype": search.genotype().to_json()}

        def look_up(self) -> dict[str, Any]:
            genotype, protocol = Genotype.from_json(self.job["genotype"]), find_protocol(self.job["protocol"])
            data = DataRef(self.job["trial"]["data"], folder).for_retraining()
            cost = retrained_cost(genotype, None, protocol, data.info)
            standing = read_benchmark(self.job["table"], folder).find(genotype)
            metrics = standing and standing._asdict()
            return {"metrics": metrics, "parameters": cost.parameters, "macs": cost.macs}

    def run(jobs: list[dict[str, Any]]) -> list[dict[str, Any]]:
        analysis = tune.run(
            Plain,
            name="plain",
            config={"job": tune.grid_search(jobs)},
            resources_per_trial=tune.PlacementGroupFactory([trial_bundle(sweep.spec.runtime)]),
            storage_path=str(folder / "ray"),
            reuse_actors=True,
            raise_on_failed_trial=False,
            verbose=0,
        )
        return [trial.last_result for trial in analysis.trials]

    sweep = api.create(folder / "spec.yaml")
    table = sweep.spec.experiment.table
    assert table is not None
    shared = {"protocol": TABLE_PROTOCOL, "table": table_json(table)}
    trials = [order.trial.to_json() for order in search_orders(sweep)]
    found = run([{"trial": trial} for trial in trials])
    looked_up = run(
        [
            {"trial": trial, "genotype": result["genotype"], **shared}
            for trial, result in zip(trials, found, strict=True)
        ]
    )
    assert all(result["metrics"] for result in (*found, *looked_up))


def swept(folder: Path) -> None:
    """Run the spec in a folder as a sweep, shown as on a terminal that nobody sees."""
    from aca_ray import api

    terminal = io.StringIO()
    terminal.isatty = lambda: True  # type: ignore[method-assign]
    sweep = api.create(folder / "spec.yaml")
    outcome = api.drive(sweep, stream=terminal)
    assert outcome.tracked
    assert not outcome.failures


def one(side: str) -> None:
    """Run one side in the working directory and print what it took: seconds, CPU time, the driver's peak memory."""
    from aca_ray.cluster.session import ray_session

    with ray_session(None):
        start, cpu = time.perf_counter(), time.process_time()
        (plain_tune if side == "plain" else swept)(Path.cwd())
        seconds, driver = time.perf_counter() - start, time.process_time() - cpu
    peak = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())
    assert peak is not None
    result = {"seconds": seconds, "driver_cpu": driver, "peak_mib": int(peak[1]) / 1024}
    print(json.dumps(result))


@contextmanager
def postgresql() -> Iterator[str]:
    """Yield the MLflow URI of a PostgreSQL that lives as long, with the settings that it comes with."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1]
    user = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
    with socket.socket() as probe, tempfile.TemporaryDirectory(prefix="pg") as folder:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        if user:
            shutil.chown(folder, "postgres", "postgres")
        data = Path(folder) / "data"
        initialize = [programs / "initdb", "-D", data, "--auth=trust", "--username=aca"]
        subprocess.run(initialize, cwd=folder, check=True, stdout=subprocess.DEVNULL, **user)
        serve = [programs / "postgres", "-D", data, "-p", str(port), "-h", "127.0.0.1", "-k", folder]
        with subprocess.Popen(serve, cwd=folder, stderr=subprocess.DEVNULL, **user) as server:
            try:
                while subprocess.run([programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]).returncode:
                    time.sleep(0.1)
                yield f"postgresql+psycopg2://aca@127.0.0.1:{port}/postgres"
            finally:
                server.terminate()


def measure(side: str, trials: int, tracking: str) -> dict[str, float]:
    """Return what a fresh process measures for a side, in a folder of its own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "spec.yaml").write_text(SPEC.format(seeds=list(range(trials // 2)), tracking=tracking))
        write_table(folder / "table.csv")
        if side != "plain":
            make = "import sys; from aca_ray.tracking import *; from pathlib import Path; "
            make += "require_answer(open_store(sys.argv[1] or None, Path('results')))"
            uri = "" if tracking == "null" else tracking
            subprocess.run([sys.executable, "-c", make, uri], cwd=folder, check=True, stdout=subprocess.DEVNULL)
        command = [sys.executable, __file__, "--one", side]
        output = subprocess.run(command, cwd=folder, check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(output.splitlines()[-1])  # type: ignore[no-any-return]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=SIDES)
    parser.add_argument("--one", choices=SIDES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        one(options.one)
        return
    print(machine())
    columns = ("side", "seconds", "ms/trial", "driver CPU s", "driver MiB", "load")
    print("  ".join(f"{name:>12}" for name in columns))
    found: dict[str, list[dict[str, float]]] = {side: [] for side in options.sides}
    for repeat in range(options.repeats):
        for side in options.sides if repeat % 2 == 0 else reversed(options.sides):
            if side == "postgresql":
                with postgresql() as uri:
                    result = measure(side, options.trials, uri)
            else:
                result = measure(side, options.trials, "null")
            found[side].append(result)
            numbers = [result["seconds"], 1000 * result["seconds"] / options.trials, result["driver_cpu"]]
            numbers += [result["peak_mib"], os.getloadavg()[1]]
            print("  ".join([f"{side:>12}", *(f"{number:12.1f}" for number in numbers)]), flush=True)
    for side in options.sides:
        if side != "plain" and "plain" in found:
            ratios = [
                ours["seconds"] / plain["seconds"] for ours, plain in zip(found[side], found["plain"], strict=True)
            ]
            print(
                f"{side}: median ratio {statistics.median(ratios):.2f} (min {min(ratios):.2f}, max {max(ratios):.2f}); "
                "target 1.3"
            )


if __name__ == "__main__":
    main()
