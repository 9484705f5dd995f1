"""A sweep of 52 short trials on a cluster that loses something at random every few seconds.

Nodes vanish or are drained, and others come; workers, the driver, the head and the MLflow server are killed, and the
last three started again. The order is drawn from a seed. After the given time nothing more is taken away, and the sweep
has to end exactly as the undisturbed one: no trial lost, none done twice, no process and no file left.

    python experiments/benchmarks/soak.py [--minutes 10] [--pause 10] [--seed 0]

Needs Linux, root (for namespaces), and Debian's packages redis-server and postgresql.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import threading
import time
from collections import Counter
from pathlib import Path

from machine import machine

sys.path.append(str(Path(__file__).parents[2] / "tests" / "integration"))

from conftest import SweepProcess, marked
from faults import SPEC, Scene

WEIGHTS = {  # how often each is drawn
    "node vanishes": 3,
    "node drained": 3,
    "worker killed": 6,
    "driver killed": 2,
    "head restarted": 1,
    "MLflow": 1,
}


class Soak:
    """Takes things away from a scene, and does not wait for what comes of it."""

    def __init__(self, scene: Scene, seed: int) -> None:
        self.scene, self.draw = scene, random.Random(seed)
        self.done: Counter[str] = Counter()
        self.restarts: list[threading.Thread] = []

    def take_something(self) -> str:
        """Take one thing away; return which."""
        fault = self.draw.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        cluster = self.scene.cluster
        if fault == "node vanishes":
            cluster.nodes[-1].vanish()
            cluster.start_node()
        elif fault == "node drained":
            cluster.nodes[-1].drain()
            cluster.start_node()
        elif fault == "worker killed":
            workers = [pid for node in cluster.nodes if not node.gone() for pid in node.find("ray::TrialActor")]
            if not workers:
                return "nothing to kill"
            os.kill(self.draw.choice(sorted(workers)), signal.SIGKILL)
        elif fault == "driver killed":
            self.scene.end_driver()
            self.scene.run("resume", "small")
        elif fault == "head restarted":
            cluster.head.vanish()
            cluster.start_head()
        elif any(thread.is_alive() for thread in self.restarts):
            return "MLflow is away already"
        else:
            self.scene.mlflow.kill()
            self.restarts.append(threading.Thread(target=self.scene.mlflow.start))
            self.restarts[-1].start()
        self.done[fault] += 1
        return fault

    def keep_running(self) -> None:
        """Resume the sweep where its driver has ended before the end."""
        if self.scene.running.poll() not in (None, 0):
            self.done["driver ended of itself"] += 1
            self.scene.run("resume", "small")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--pause", type=float, default=10.0, help="seconds from one fault to the next")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print(machine())
    with marked("aca") as servers, marked("soak") as process, marked("alone") as undisturbed:
        soak(process, servers, undisturbed, options)


def soak(process: SweepProcess, servers: SweepProcess, undisturbed: SweepProcess, options: argparse.Namespace) -> None:
    """Run the sweep, disturbed and not, and hold the two against each other."""
    scene = Scene(process, servers)
    spec = {"seeds": list(range(13)), "epochs": 25, "max_failures": 100}
    (process.folder / "spec.yaml").write_text(SPEC.format(**spec, tracking=scene.mlflow.uri))
    scene.start()
    scene.run("run", "spec.yaml")
    soaking = Soak(scene, options.seed)
    start = time.monotonic()
    while time.monotonic() - start < 60 * options.minutes and scene.running.poll() != 0:
        time.sleep(options.pause)
        soaking.keep_running()
        if scene.running.poll() is None:
            print(f"{time.monotonic() - start:6.0f} s  {soaking.take_something()}", flush=True)
    disturbed = time.monotonic() - start
    for thread in soaking.restarts:
        thread.join()
    while scene.running.poll() != 0:
        time.sleep(1)
        soaking.keep_running()
    print(f"disturbed for {disturbed:.0f} s, ended after {time.monotonic() - start:.0f} s: {dict(soaking.done)}")

    time.sleep(20)  # Ray's own processes outlive a driver for a while
    orphans = process.processes() + servers.processes("ray::TrialActor")
    leaked = [path for pattern in ("*.part-*", ".shared-*") for path in process.sweep.rglob(pattern)]
    leaked += list(process.sweep.glob("*/*/checkpoints/*"))
    (undisturbed.folder / "spec.yaml").write_text(SPEC.format(**spec, tracking="null"))
    code, output = undisturbed.run("run", "spec.yaml", seconds=3600)
    assert code == 0, output
    process.check_tracked_once()
    records = process.records()
    equal = process.outcome() == undisturbed.outcome()
    print(f"trials: {len(records)}, {Counter(record['state'] for record in records)}")
    print(f"taken up from a checkpoint: {sum(record['resumes'] for record in records)} times")
    print(f"equal to the undisturbed sweep, bit for bit: {equal}")
    print("in MLflow: one run per trial, every epoch once")
    print(f"processes left: {len(orphans)}, files left: {len(leaked)}")
    assert equal
    assert not orphans
    assert not leaked


if __name__ == "__main__":
    main()
