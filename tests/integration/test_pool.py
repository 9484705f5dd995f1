"""Trials on a real Ray: processes that hold a GPU, die while they are idle, or take too much memory."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from aca_ray.cluster import pool as pool_module
from aca_ray.cluster.actor import TrialActor
from aca_ray.cluster.pool import RayPool
from aca_ray.cluster.session import ray
from aca_ray.config import RuntimeSpec, SearchTrial
from aca_ray.driver.interrupt import Interrupt
from aca_ray.driver.pool import Task
from aca_ray.storage import StoragePath
from aca_ray.sweep.orders import Order, SearchOrder

pytestmark = pytest.mark.integration

LIMIT_SECONDS = 120.0


@pytest.fixture(autouse=True)
def short_trials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trials need no GPU and no data: each writes the id of its process, and takes memory if its folder asks for it."""

    class ShortTrial(TrialActor):
        def setup(self, config: dict[str, Any]) -> None:
            self._folder = Path(json.loads(config["orders"])[0]["folder"])

        def step(self) -> dict[str, Any]:
            self._folder.mkdir(exist_ok=True)
            (self._folder / "pid").write_text(str(os.getpid()))
            if (self._folder / "large").exists():
                taken = bytearray(300 * 2**20)
                time.sleep(LIMIT_SECONDS + 0 * len(taken))
            return {"folders": [str(self._folder)], "node": ray.get_runtime_context().get_node_id(), "done": True}

        def cleanup(self) -> None:
            pass

    monkeypatch.setattr(pool_module, "TrialActor", ShortTrial)


@contextmanager
def started(**resources: float) -> Iterator[None]:
    ray.init(**resources, include_dashboard=False, log_to_driver=False, object_store_memory=80 * 2**20)
    try:
        yield
    finally:
        ray.shutdown()


@dataclass
class Trials:
    """Hands out trials one after the other; the next one is ready as soon as `is_next_ready` says so."""

    orders: list[SearchOrder]
    after: Callable[[SearchOrder], None] = lambda order: None
    is_next_ready: Callable[[], bool] = lambda: True
    deaths: int = 0
    given_up: list[Order] = field(default_factory=list)
    finished: list[Order] = field(default_factory=list)
    running: bool = False
    until: float = field(default_factory=lambda: time.monotonic() + LIMIT_SECONDS)

    @property
    def over(self) -> bool:
        return not self.running and not self.orders

    def next(self) -> tuple[Order, ...] | None:
        if self.running or not self.is_next_ready():
            return None
        self.running = True
        return (self.orders.pop(0),)

    def changed(self, folder: StoragePath) -> None:
        pass

    def died(self, orders: Sequence[Order]) -> None:
        self.deaths += 1

    def give_up(self, orders: Sequence[Order]) -> None:
        self.given_up += orders

    def ended(self, orders: Sequence[Order]) -> None:
        self.running = False
        (order,) = orders
        assert isinstance(order, SearchOrder)
        self.finished.append(order)
        self.after(order)

    def turn(self) -> None:
        if time.monotonic() > self.until:
            pytest.fail("the trials have not ended in time")


@pytest.fixture
def orders(make_trial: Callable[..., SearchTrial], tmp_path: Path) -> list[SearchOrder]:
    return [SearchOrder(make_trial(seed=seed), tmp_path / str(seed), tmp_path) for seed in (0, 1)]


def pool_of(runtime: RuntimeSpec) -> RayPool:
    return RayPool("short", runtime, Interrupt(), lambda line: None, reuses_processes=True)


def pid_of(order: Order) -> int:
    return int((Path(str(order.folder)) / "pid").read_text())


def test_an_idle_process_does_not_keep_the_gpu_from_a_ranking(orders: list[SearchOrder]) -> None:
    """The second trial is ready once a task with a GPU is done, as a retraining once its search is ranked."""
    pool = pool_of(RuntimeSpec(gpus_per_trial=1))
    tasks: list[Task] = []
    work = Trials(
        list(orders),
        after=lambda order: tasks.append(pool.start(os.getpid, gpus=1.0)),
        is_next_ready=lambda: all(task.done() for task in tasks),
    )
    with started(num_cpus=2, num_gpus=1):
        pool.run(work)
    assert work.finished == orders


def test_a_trial_given_to_a_dead_idle_process_runs_in_another(orders: list[SearchOrder]) -> None:
    killed_at: list[float] = []

    def kill(order: SearchOrder) -> None:
        if not killed_at:
            killed_at.append(time.monotonic())
            os.kill(pid_of(order), signal.SIGKILL)

    work = Trials(list(orders), after=kill, is_next_ready=lambda: not killed_at or time.monotonic() > killed_at[0] + 3)
    with started(num_cpus=1):
        pool_of(RuntimeSpec()).run(work)
    assert work.finished == orders
    assert pid_of(orders[1]) != pid_of(orders[0])


def test_a_process_ended_by_the_memory_monitor_ends_its_trial_alone(
    orders: list[SearchOrder], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every process is too large for the monitor, which ends the largest."""
    monkeypatch.setenv("RAY_memory_usage_threshold", "0.01")
    for order in orders:
        order.folder.mkdir()
        (order.folder / "large").touch()
    work = Trials(list(orders))
    with started(num_cpus=1):
        pool_of(RuntimeSpec(max_failures=1)).run(work)
    assert work.given_up == orders
    assert work.deaths >= 2 * len(orders)
