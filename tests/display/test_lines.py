"""Trials as labeled lines and as JSON, and watching a sweep from its records."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from aca_ray.display import EventView, LiveView, QuietView, View, read_progress, trial_json, watch
from aca_ray.display.lines import differing, labeled
from aca_ray.records import AllocationSummary, LookUpRecord, LookUpRow, PlanSummary, Question, TrialRecord
from aca_ray.space import PUBLISHED
from aca_ray.space.topology import NUM_STAGES, stage_cell_type
from aca_ray.sweep.orders import Order, SearchOrder

MakeOrders = Callable[..., list[Order]]
WriteRecord = Callable[..., None]
LOOKED_UP = "skip: searched\n  spaces: nasbench201\n  table: nasbench201"
GENOTYPE = PUBLISHED["DARTS_V2"]
KEYS = (
    *("trial", "kind", "method", "skip", "space", "data", "seed", "epochs"),
    *("ranking", "allocation", "control", "retrain_seed"),
    *("state", "epoch", "of", "metrics", "seconds", "seconds_left", "error"),
)


def fields(order: Order, orders: list[Order]) -> list[str]:
    """Return the fields of the line of an order without the trial's id, which is the last one."""
    (line,) = read_progress([order]).lines
    *found, trial = labeled(line, differing(orders)).split("  ")
    assert trial == f"trial {order.trial.short}"
    return found


def summary(epoch: int) -> AllocationSummary:
    kept = tuple((0.75,) * len(GENOTYPE.cell(stage_cell_type(stage)).edges) for stage in range(NUM_STAGES))
    plans = {"all": PlanSummary(0.0, kept, 20, 40), "sign": PlanSummary(0.25, kept, 10, 30)}
    question = Question("f" * 64, epoch, "fisher", "sign", {"channels": 4, "cells": 3})
    return AllocationSummary(question, epoch, "fisher", GENOTYPE, plans, None, 0.9, 1.0)


def test_every_field_of_a_line_is_labeled(make_orders: MakeOrders, write_record: WriteRecord) -> None:
    orders = make_orders(1)
    for order in orders:
        assert fields(order, orders)[1:] == ["waiting"]
        write_record(order, 3, seconds=12.0)
    search = next(order for order in orders if isinstance(order, SearchOrder))
    start = "search darts/searched seed 0"
    assert fields(search, orders) == [start, "epoch 3/4", "loss 0.667", "acc 37.5 %", "skips 3", "left 0:04"]
    retraining = next(order for order in orders if not isinstance(order, SearchOrder))
    start = "retrain plain of darts/searched seed 0"
    assert fields(retraining, orders) == [start, "epoch 3/4", "loss 0.667", "test acc 37.5 %", "left 0:04"]


def test_a_look_up_has_fields_of_its_own(make_orders: MakeOrders, finished_record: Callable[..., TrialRecord]) -> None:
    orders = make_orders(1, LOOKED_UP)
    (order,) = (order for order in orders if not isinstance(order, SearchOrder))
    record = finished_record(order.trial)
    assert isinstance(record, LookUpRecord)
    row = LookUpRow(4, 0, {"test/accuracy": 0.9, "table/regret": 0.0412, "table/rank": 1234.0})
    replace(record, rows=(row,)).write(order.folder)
    name, state, _, *measured = fields(order, orders)
    assert (name, state) == ("look up plain of darts/searched seed 0", "finished")
    assert measured == ["test acc 90.0 %", "regret 4.1 %", "rank 1,234"]


def test_a_failed_trial_shows_the_end_of_its_error(
    make_orders: MakeOrders, finished_record: Callable[..., TrialRecord]
) -> None:
    orders = make_orders(1)
    error = "Traceback (most recent call last):\n  File\nValueError: too small"
    replace(finished_record(orders[0].trial), state="failed", epoch=0, error=error).write(orders[0].folder)
    _, state, epoch, told = fields(orders[0], orders)
    assert (state, epoch.split()[0], told) == ("failed", "epoch", "error ValueError: too small")
    (line,) = read_progress(orders[:1]).lines
    assert trial_json(line)["error"] == "ValueError: too small"


def test_a_line_names_what_differs_in_the_sweep(make_orders: MakeOrders) -> None:
    axes = "spaces: [darts, s3]\n  allocation: [sign, rounded]\n  ranking: [fisher, taylor]"
    orders = make_orders(2, f"{axes}\n  retraining: {{protocol: small, seeds: [0, 7]}}")
    names = [fields(order, orders)[0] for order in orders]
    assert len(set(names)) == len(names)
    assert "search darts/searched seed 1 space s3" in names
    assert "retrain sign of darts/allocated seed 0 space darts ranking fisher retraining seed 7" in names
    assert "retrain plain of darts/searched seed 0 space darts retraining seed 0" in names


def test_events_are_json_with_stable_keys(make_orders: MakeOrders, write_record: WriteRecord) -> None:
    orders = make_orders(1)
    stream = io.StringIO()
    told: list[str] = []
    view = EventView(stream, told.append)
    view.open(orders)
    view.update(orders[0].folder)  # nothing has changed
    write_record(orders[0], 1, seconds=10.0)
    for _ in range(2):
        view.update(orders[0].folder)
        view.refresh()
    view.ranked(orders[0].folder, summary(1))
    view.say("a message")
    view.note(orders[0].folder, "its process died")
    view.close()
    trial, ranking = map(json.loads, stream.getvalue().splitlines())
    assert tuple(trial) == ("event", *KEYS)
    assert tuple(ranking)[: len(KEYS[:12]) + 1] == ("event", *KEYS[:12])
    expected: dict[str, Any] = {
        **{"event": "trial", "trial": orders[0].trial.short, "kind": "search", "method": "darts", "skip": "searched"},
        **{"space": "darts", "data": "digits", "seed": 0, "epochs": 4, "state": "running", "epoch": 1, "of": 4},
        **{"seconds": 10.0, "seconds_left": 30.0, "error": None, "ranking": None, "retrain_seed": None},
    }
    assert {key: trial[key] for key in expected} == expected
    assert trial["metrics"]["search_valid/accuracy"] == 0.125
    assert (ranking["event"], ranking["epoch"], ranking["ranking"]) == ("ranking", 1, "fisher")
    assert ranking["plans"]["sign"] == {"refilled_share": 0.25, "parameters": 10, "macs": 30}
    assert told == ["a message", f"{orders[0].trial.short}: its process died"]


def test_the_ranking_of_a_milestone_is_a_line(make_orders: MakeOrders) -> None:
    orders = make_orders(1)
    stream = io.StringIO()
    view = LiveView(stream, in_place=False)
    view.open(orders)
    view.ranked(orders[0].folder, summary(2))
    (line,) = stream.getvalue().splitlines()[1:]
    shown = ["ranking of darts/searched seed 0", "epoch 2", "by fisher", "refilled 25.0 %", "decided 90 %"]
    assert line.partition("] ")[2].split("  ")[:-1] == shown


def test_a_quiet_view_knows_the_progress_and_shows_nothing(
    make_orders: MakeOrders, write_record: WriteRecord, capfd: pytest.CaptureFixture[str]
) -> None:
    orders = make_orders(1)
    view = QuietView()
    view.open(orders)
    write_record(orders[0], 4, state="finished")
    view.update(orders[0].folder)
    view.ranked(orders[0].folder, summary(2))
    view.say("a message")
    view.refresh()
    view.close()
    assert [line.state for line in view.progress.lines] == ["finished", "waiting", "waiting", "waiting"]
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("driven", [True, False])
def test_watching_ends_with_the_sweep(make_orders: MakeOrders, write_record: WriteRecord, driven: bool) -> None:
    orders = make_orders(1)
    stream = io.StringIO()
    view: View = LiveView(stream, in_place=False)
    epochs = iter(range(1, 5))
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        epoch = next(epochs)
        write_record(orders[0], epoch, state="finished" if epoch == 4 else "running")

    assert watch(orders, lambda: driven and len(waits) < 4, view, sleep) == driven
    lines = stream.getvalue().splitlines()
    assert lines[0] == "4 trials"
    assert [line.split("epoch ")[1][:3] for line in lines[1:-1]] == (["1/4", "2/4", "3/4", "4/4"] if driven else [])
    assert lines[-1] == read_progress(orders).summary()
    assert all(seconds >= 1.0 for seconds in waits)
