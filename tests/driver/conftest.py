"""Fixtures: sweeps whose driver is real, and a pool that plays its trials by a clock of its own."""

from __future__ import annotations

import heapq
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from aca_ray.config import parse_spec
from aca_ray.display import LiveView
from aca_ray.driver.driver import Driver
from aca_ray.driver.interrupt import Interrupt
from aca_ray.driver.local import ended_task
from aca_ray.driver.pool import Task, Work
from aca_ray.driver.reporter import Reporter
from aca_ray.errors import SweepError
from aca_ray.records import AllocationSummary, PlanSummary, Question, TrialRecord
from aca_ray.space import PUBLISHED
from aca_ray.space.topology import NUM_STAGES, stage_cell_type
from aca_ray.sweep.manifest import Sweep, create_sweep
from aca_ray.sweep.orders import Order, SearchOrder
from aca_ray.sweep.ranking_orders import RankingOrder
from aca_ray.sweep.vocabulary import vocabulary

GENOTYPE = PUBLISHED["DARTS_V2"]
TEXT = """name: played
experiment:
  methods: {methods}
  skip: {skip}
  spaces: {spaces}
  data: {{name: digits, max_train_images: 64, max_test_images: 32}}
  seeds: {seeds}
  epochs: {epochs}
  {networks}
runtime: {{storage: {storage}, pack: {pack}}}
"""


@dataclass
class PlayedPool:
    """Plays the trials of a sweep: each takes the seconds that a test says, and leaves its record.

    Attributes:
        leave: returns the record that a trial leaves behind.
        seconds: duration of a trial.
        slots: trials that run at once.
        reuses_processes: whether trials share processes; changes nothing here.
        failing: trials that fail.
        unrankable: rankings that fail.
        stops: interrupts the sweep at this time.
        spans: (start, end) by trial.
        ranked: (time, ranking) in order.
    """

    interrupt: Interrupt
    leave: Callable[[Order], TrialRecord]
    seconds: Callable[[Order], float] = lambda order: 1.0
    slots: int = 2
    reuses_processes: bool = True
    failing: Callable[[Order], bool] = lambda order: False
    unrankable: Callable[[RankingOrder], bool] = lambda order: False
    stops: float = float("inf")
    now: float = 0.0
    spans: dict[str, tuple[float, float]] = field(default_factory=dict)
    orders: list[Order] = field(default_factory=list)
    ranked: list[tuple[float, RankingOrder]] = field(default_factory=list)

    def run(self, work: Work) -> None:
        running: list[tuple[float, int, tuple[Order, ...]]] = []
        while not work.over:
            while len(running) < self.slots and (orders := work.next()) is not None:
                end = self.now + max(map(self.seconds, orders))
                heapq.heappush(running, (end, len(self.orders), orders))
                self.orders += orders
                self.spans |= {order.trial.short: (self.now, end) for order in orders}
            if running:
                self.now, _, orders = heapq.heappop(running)
                if self.now >= self.stops:
                    self.interrupt.requested = True
                self._end(work, orders)
            if self.interrupt.requested:
                return
            work.turn()

    def _end(self, work: Work, orders: Sequence[Order]) -> None:
        for order in orders:
            if not self.interrupt.requested:
                state = "failed" if self.failing(order) else "finished"
                replace(self.leave(order), state=state).write(order.folder)
            work.changed(order.folder)
        work.ended(orders)

    def start(
        self, function: Callable[..., Any], *arguments: Any, cpus: int = 0, gpus: float = 0.0, alone: bool = False
    ) -> Task:
        order = arguments[0]
        assert isinstance(order, RankingOrder)
        self.ranked.append((self.now, order))
        if self.unrankable(order):
            return ended_task(error=SweepError("no such channel"))
        kept = tuple((1.0,) * len(GENOTYPE.cell(stage_cell_type(stage)).edges) for stage in range(NUM_STAGES))
        names = [plan.name for plan in order.plans]
        summary = AllocationSummary(
            Question(order.fingerprint, order.epoch, order.ranking, names[0], {"channels": 4, "cells": 3}),
            order.epoch,
            order.ranking,
            GENOTYPE,
            {name: PlanSummary(0.25, kept, 1000, 2000) for name in names},
            agreement=None,
            decided_share=0.9,
            seconds=1.0,
        )
        return ended_task(summary)


@pytest.fixture
def make_sweep(tmp_path: Path) -> Callable[..., Sweep]:
    """Return a function that creates a sweep, given parts of its spec."""

    def make(
        methods: str = "darts",
        skip: str = "searched",
        seeds: object = 0,
        epochs: object = 4,
        spaces: str = "darts",
        pack: int = 1,
        networks: str = "retraining: {protocol: small}",
    ) -> Sweep:
        parts = {"methods": methods, "skip": skip, "seeds": seeds, "epochs": epochs, "spaces": spaces, "pack": pack}
        text = TEXT.format(**parts, networks=networks, storage=tmp_path / "results")
        return create_sweep(parse_spec(text, vocabulary(tmp_path)), tmp_path, text)

    return make


@pytest.fixture
def leave(finished_record: Callable[..., TrialRecord]) -> Callable[[Order], TrialRecord]:
    """Return a function that makes the record of a finished trial; searches find another genotype per seed."""

    def make(order: Order) -> TrialRecord:
        record = finished_record(order.trial)
        if isinstance(order, SearchOrder):
            genotype = list(PUBLISHED.values())[order.trial.seed]
            return replace(record, milestones=order.trial.milestones, genotype=genotype)
        return record

    return make


@pytest.fixture
def play(leave: Callable[[Order], TrialRecord]) -> Callable[..., tuple[PlayedPool, Driver]]:
    """Return a function that plays a sweep to its end, and returns the pool and the driver."""

    def run(sweep: Sweep, **options: Any) -> tuple[PlayedPool, Driver]:
        interrupt = Interrupt()
        pool = PlayedPool(interrupt, leave, **options)
        reporter = Reporter(sweep, "sign", open_mirror=lambda _: pytest.fail("nothing is tracked"))
        driver = Driver(sweep, pool, LiveView(io.StringIO(), in_place=False), reporter, interrupt)
        driver.run()
        return pool, driver

    return run
