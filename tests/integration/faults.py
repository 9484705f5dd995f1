"""A sweep on a cluster with faults: loss of nodes, workers, the driver, the head and the tracking server."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ray_nodes import RayCluster, RayNode
from services import MlflowServer, Postgres, Redis

if TYPE_CHECKING:
    from conftest import SweepProcess

SPEC = """
name: small
experiment:
  methods: darts
  data: {{name: digits, max_train_images: 192, max_test_images: 64}}
  seeds: {seeds}
  epochs: {epochs}
  network: {{channels: 4, cells: 3}}
  batch_size: 32
  skip_free: false
  retraining: {{protocol: small}}
runtime: {{max_concurrent: 2, max_failures: {max_failures}, tracking: {tracking}}}
"""

UNSAVED_SECONDS = 0.5  # between the save of a trial and the fault, so that the trial has unsaved work


@dataclass(frozen=True)
class Effect:
    """The effect of a fault.

    Attributes:
        fault: name of the fault.
        detected: seconds until the driver detected the fault, or the trial had left its node; None if not applicable.
        resumed: seconds until the trial or the sweep continued; None if nothing stopped.
        lost: seconds of work that were repeated.
    """

    fault: str
    detected: float | None
    resumed: float | None
    lost: float


class Scene:
    """A sweep on a head and two nodes, with Redis behind the head and PostgreSQL behind MLflow.

    The driver runs on the first node, which no fault removes.
    """

    def __init__(self, process: SweepProcess, servers: SweepProcess) -> None:
        self.process = process
        environment = servers.environment()
        self.redis = Redis(servers.folder / "redis", environment)
        self.postgres = Postgres(servers.folder / "postgres", environment)
        password = {"PGPASSWORD": self.postgres.password}
        self.mlflow = MlflowServer(servers.folder / "mlflow", {**environment, **password}, backend=self.postgres.uri)
        self.cluster = RayCluster(servers.folder, {**environment, "RAY_AUTH_MODE": "disabled"}, self.redis)
        process.tracking = self.mlflow.uri

    def start(self) -> None:
        """Start all servers and the cluster."""
        self.redis.start()
        self.postgres.start()
        self.mlflow.start()
        self.cluster.start_head()
        self.cluster.wait(1)
        self.cluster.start_node()
        self.cluster.start_node()
        self.cluster.wait(3)

    def every_fault(self) -> list[Effect]:
        """Run the sweep of spec.yaml, cause every fault once, and return the effects."""
        self.start()
        self.run("run", "spec.yaml")
        return [
            self.lose_node(),
            self.drain_node(),
            self.kill_worker(),
            self.restart_head(),
            self.kill_driver(),
            self.lose_mlflow(seconds=5),
        ]

    def run(self, verb: str, what: str) -> subprocess.Popen[str]:
        """Start a driver on the first node."""
        self.process.prefix = self.cluster.nodes[0].enter(self.process.folder)
        self.running = self.process.start(verb, what, "--address", self.cluster.address)
        return self.running

    def end_driver(self) -> None:
        """Kill the driver."""
        for pid in self.process.processes("aca_ray.cli"):
            os.kill(pid, signal.SIGKILL)
        self.running.wait(timeout=180)

    def trial_on(self, node: RayNode) -> dict[str, Any]:
        """Wait for a trial on a node that has worked for a while since its last save, and return its record."""
        while True:
            self.process.wait_for(lambda: self.running.poll() is not None or bool(self._at_work(node)))
            assert self.running.poll() is None, self.process.output()
            before = self._at_work(node)
            time.sleep(UNSAVED_SECONDS)
            now = self._at_work(node)
            for fingerprint in before.keys() & now.keys():
                return now[fingerprint]

    def _at_work(self, node: RayNode) -> dict[str, dict[str, Any]]:
        """Return the records of running trials on a node that have finished an epoch, by fingerprint."""
        return {
            record["fingerprint"]: record
            for record in self.process.records()
            if record["state"] == "running" and record["process"].startswith(f"{node.name}:") and record["epoch"]
        }

    def lose_node(self) -> Effect:
        """Kill the newest node without notice, and start another one."""
        node = self.cluster.nodes[-1]
        record = self.trial_on(node)
        with self._timing(record, "node vanishes") as effect:
            node.vanish()
            self.cluster.start_node()
            effect["detected"] = self._seconds_to(lambda: self._notes() > effect["notes"])
        return self._effect(effect)

    def drain_node(self) -> Effect:
        """Drain the newest node, and start another one."""
        node = self.cluster.nodes[-1]
        record = self.trial_on(node)
        with self._timing(record, "node drained") as effect:
            node.drain()
            self.cluster.start_node()
            effect["detected"] = self._seconds_to(node.gone)
        return self._effect(effect)

    def kill_worker(self) -> Effect:
        """Kill the process of a trial on the newest node."""
        node = self.cluster.nodes[-1]
        record = self.trial_on(node)
        with self._timing(record, "worker killed") as effect:
            os.kill(node.find("ray::TrialActor")[0], signal.SIGKILL)
            effect["detected"] = self._seconds_to(lambda: self._notes() > effect["notes"])
        return self._effect(effect)

    def kill_driver(self) -> Effect:
        """Kill the driver and resume the sweep."""
        record = self.trial_on(self.cluster.nodes[0])
        with self._timing(record, "driver killed, `resume`") as effect:
            self.end_driver()
            self.run("resume", "small")
        return self._effect(effect)

    def restart_head(self) -> Effect:
        """Kill the head, and restart it."""
        start = time.monotonic()
        self.cluster.head.vanish()
        self.cluster.start_head()
        self.cluster.wait(3)
        epochs = self._epochs()
        self.process.wait_for(lambda: self._epochs() > epochs or self.running.poll() is not None)
        return Effect("head restarted", None, time.monotonic() - start, 0.0)

    def lose_mlflow(self, seconds: float) -> Effect:
        """Kill the MLflow server, and restart it after `seconds`."""
        start = time.monotonic()
        self.mlflow.kill()
        self._seconds_to(lambda: "MLflow cannot be reached" in self.process.output())
        detected = time.monotonic() - start
        time.sleep(max(0.0, seconds - detected))
        self.mlflow.start()
        return Effect(f"MLflow away for {time.monotonic() - start:.0f} s", detected, None, 0.0)

    @contextmanager
    def _timing(self, record: dict[str, Any], fault: str) -> Iterator[dict[str, Any]]:
        """Yield a dict for the observations of a fault; wait afterwards until another process has resumed the trial."""
        folder = self._folder(record)
        effect: dict[str, Any] = {"fault": fault, "detected": None, "notes": self._notes(), "start": time.time()}
        yield effect

        def saved() -> float:
            times = [path.stat().st_mtime for path in folder.glob("*/*.ckpt")]
            return max(times, default=effect["start"])

        def gone_on() -> bool:
            now = next(other for other in self.process.records() if other["fingerprint"] == record["fingerprint"])
            if now["process"] == record["process"]:
                effect["saved"] = saved()
            return now["process"] != record["process"] or now["state"] == "finished"

        effect["saved"] = saved()
        effect["resumed"] = self._seconds_to(gone_on, since=effect["start"])

    def _effect(self, seen: dict[str, Any]) -> Effect:
        return Effect(seen["fault"], seen["detected"], seen["resumed"], max(0.0, seen["start"] - seen["saved"]))

    def _seconds_to(self, condition: Callable[[], bool], since: float | None = None) -> float:
        start = time.time() if since is None else since
        self.process.wait_for(condition)
        return time.time() - start

    def _notes(self) -> int:
        return self.process.output().count("its process died")

    def _epochs(self) -> int:
        return sum(record["epoch"] for record in self.process.records())

    def _folder(self, record: dict[str, Any]) -> Path:
        return next(path for path in self.process.sweep.glob("*/*") if record["fingerprint"].startswith(path.name))
