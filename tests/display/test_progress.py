"""The progress table: values of the records, in aligned columns."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from aca_ray.display import progress_lines, read_progress
from aca_ray.display.progress import clock
from aca_ray.sweep.orders import Order
from aca_ray.trials.cadence import Cadence

MakeOrders = Callable[..., list[Order]]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0:00"),
        (0.4, "0:00"),
        (9.6, "0:10"),
        (59.4, "0:59"),
        (59.6, "1:00"),
        (61, "1:01"),
        (3599.4, "59:59"),
        (3599.6, "1:00:00"),
        (3661, "1:01:01"),
        (100 * 3600, "100:00:00"),
    ],
)
def test_clock(seconds: float, text: str) -> None:
    assert clock(seconds) == text


def test_lines_have_the_values_of_the_records(make_orders: MakeOrders, write_record: Callable[..., None]) -> None:
    orders = make_orders(1)
    searched, allocated, retraining, _ = orders
    write_record(searched, 3, seconds=180.0)
    write_record(allocated, 4, state="finished", seconds=100.0)
    write_record(retraining, 0, state="failed", num_epochs=6)
    progress = read_progress(orders)
    assert progress.summary() == "4 trials: 1 finished, 1 running, 1 waiting, 1 failed"
    first, second, third, fourth = (line.cells() for line in progress.lines)
    assert first == (
        *(searched.trial.short, "search", "darts", "searched", "0", "4", "running", "3/4"),
        *("0.667", "37.5 %", "3", "1:00"),  # 60 s per epoch, one left
    )
    assert second[6:] == ("finished", "4/4", "0.500", "50.0 %", "3", "")
    assert third[1] == "retrain plain"
    assert third[6:] == ("failed", "0/6", "", "", "", "")
    assert fourth[1] == "retrain sign"
    assert fourth[6:] == ("waiting", "", "", "", "", "")


def test_columns_line_up(make_orders: MakeOrders, write_record: Callable[..., None]) -> None:
    orders = make_orders(11)
    write_record(orders[0], 2, seconds=2.0)
    write_record(orders[3], 4, state="finished", seconds=2.0)
    lines = progress_lines(read_progress(orders).lines)
    assert len(lines) == 1 + 44
    header = lines[0]
    assert header.split() == [
        *("trial", "kind", "method", "skip", "seed", "budget", "state", "epoch", "loss", "accuracy", "skips", "left"),
    ]
    state = header.index("state")
    seed_end = header.index("seed") + len("seed")
    for order, line in zip(orders, lines[1:], strict=True):
        assert line[state:].split()[0] in ("running", "finished", "waiting")
        assert line[:seed_end].split()[-1] == str(order.trial.seed)  # numbers end where their header ends
    assert read_progress(orders).summary() == "44 trials: 1 finished, 1 running, 42 waiting"


def test_kinds_name_action_and_network(make_orders: MakeOrders) -> None:
    networks = "table: nasbench201\n  controls: [random]\n  retraining: {protocol: small}"
    axes = ("spaces: nasbench201", "allocation: [rounded, sign]")
    kinds = [line.cells()[1] for line in read_progress(make_orders(1, "\n  ".join((*axes, networks)))).lines]
    networks = ["plain", "all", "rounded", "sign", "rounded/random", "sign/random"]
    looked_up = [f"look up {network}" for network in networks if "sign" not in network]
    assert sorted(kinds) == sorted(["search"] * 2 + [f"retrain {network}" for network in networks] + looked_up)


def test_no_estimate_before_the_first_epoch(make_orders: MakeOrders, write_record: Callable[..., None]) -> None:
    (order, *_) = make_orders(1)
    write_record(order, 0)
    (line,) = read_progress([order]).lines
    assert (line.state, line.epoch, line.num_epochs, line.seconds_left) == ("running", 0, 4, None)


def test_cost_of_checkpoints_and_work_at_risk(make_orders: MakeOrders, write_record: Callable[..., None]) -> None:
    orders = make_orders(1)
    for order in orders:
        write_record(order, 1)
    assert read_progress(orders).checkpoints() is None
    slow = Cadence(
        num_saves=5,
        saving_seconds=8.0,
        training_seconds=640.0,
        longest_seconds=128.5,
        cost_seconds=1.6,
        epoch_seconds=90.0,
    )
    quick = Cadence(
        num_saves=75,
        saving_seconds=2.0,
        training_seconds=360.0,
        longest_seconds=9.0,
        cost_seconds=0.02,
        epoch_seconds=9.0,
    )
    write_record(orders[0], 3, cadence=slow)
    write_record(orders[1], 4, state="finished", cadence=quick)
    sentence = read_progress(orders).checkpoints()
    assert sentence is not None
    assert re.search(r"checkpoints: .*\b1\.0 %.*\b12\.5 s.*\b128\.5 s", sentence)
    write_record(orders[0], 3, cadence=replace(slow, cost_seconds=9.0, epoch_seconds=1800.0))
    sentence = read_progress(orders).checkpoints()
    assert sentence is not None
    assert re.search(r"\b450\.0 s$", sentence)  # the next is due after 50 times its cost
    assert len(sentence) < 100


def test_a_damaged_record_makes_only_its_own_trial_unreadable(
    make_orders: MakeOrders, write_record: Callable[..., None]
) -> None:
    orders = make_orders(1)
    for order in orders[:3]:
        write_record(order, 3)
    path = orders[1].folder / "record.json"
    path.write_bytes(path.read_bytes()[:-3])
    progress = read_progress(orders)
    assert [line.state for line in progress.lines] == ["running", "unreadable", "running", "waiting"]
    assert progress.summary() == "4 trials: 2 running, 1 waiting, 1 unreadable"
    (problem,) = progress.problems
    assert problem.startswith(f"{path}: ")


def test_no_sentence_before_the_first_checkpoint(make_orders: MakeOrders, write_record: Callable[..., None]) -> None:
    (order, *_) = make_orders(1)
    write_record(order, 3, cadence=Cadence(training_seconds=5.0))
    assert read_progress([order]).checkpoints() is None
