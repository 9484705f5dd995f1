"""The work of one process: single trials, and packed searches."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from aca_ray.config import SearchTrial
from aca_ray.driver.assignment import Assignment
from aca_ray.records import SearchRecord, TrialFolder
from aca_ray.storage import CheckpointFolder, read_checkpoint, write_json
from aca_ray.sweep.orders import SearchOrder, packable_searches, packed_searches
from aca_ray.trials.resumable import ResumableTrial

CPU = torch.device("cpu")


@pytest.fixture
def make_orders(make_trial: Callable[..., SearchTrial]) -> Callable[[Path], list[SearchOrder]]:
    """Return a function that makes orders for searches of two seeds in a folder."""
    return lambda base: [SearchOrder(make_trial(seed=seed), base / str(seed), base) for seed in (0, 1)]


@pytest.fixture(scope="module")
def run_alone(
    make_trial: Callable[..., SearchTrial],
    start: Callable[[SearchTrial, Path], ResumableTrial],
    finish: Callable[[ResumableTrial], ResumableTrial],
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[SearchOrder], ResumableTrial]:
    """Return a function that runs the search of an order alone, in a folder of its own, to its end: once per seed."""
    folder = tmp_path_factory.mktemp("alone")
    alone = cache(lambda seed: finish(start(make_trial(seed=seed), folder / str(seed))))
    return lambda order: alone(order.trial.seed)


def carry_out(orders: list[SearchOrder], seconds: float = 60.0) -> None:
    assignment = Assignment(orders, CPU)
    while not assignment.over:
        assignment.advance(seconds)


def record_of(order: SearchOrder) -> SearchRecord:
    record = SearchRecord.read(order.folder)
    assert record is not None
    return record


def weights(order: SearchOrder) -> dict[str, Tensor]:
    _, state = read_checkpoint(TrialFolder(order.folder).milestone(2))
    found: dict[str, Tensor] = state["work"]["network"]
    return found


def assert_equal_but_for_rounding(order: SearchOrder, alone: ResumableTrial) -> None:
    record = record_of(order)
    assert record.genotype == alone.record.genotype
    _, state = read_checkpoint(TrialFolder(alone.folder).milestone(2))
    for name, tensor in weights(order).items():
        torch.testing.assert_close(tensor, state["work"]["network"][name], rtol=1e-3, atol=1e-3)


def test_packed_searches_equal_those_of_two_processes(
    make_orders: Callable[[Path], list[SearchOrder]],
    run_alone: Callable[[SearchOrder], ResumableTrial],
    tmp_path: Path,
) -> None:
    orders = make_orders(tmp_path / "together")
    carry_out(orders)
    for order in orders:
        record = record_of(order)
        assert record.state == "finished"
        assert record.milestones == (1, 2)
        assert [row.epoch for row in record.rows] == [1, 2]
        assert record.packed is not None
        assert record.packed.searches == 2
        assert record.packed.computed == record.packed.passes / 2
        assert_equal_but_for_rounding(order, run_alone(order))
    assert record_of(orders[0]).fingerprint != record_of(orders[1]).fingerprint
    # Each has half of the elapsed time.
    times = [[row.seconds for row in record_of(order).rows] for order in orders]
    assert times[0] == times[1]


def test_saved_searches_resume(
    make_orders: Callable[[Path], list[SearchOrder]],
    run_alone: Callable[[SearchOrder], ResumableTrial],
    tmp_path: Path,
) -> None:
    orders = make_orders(tmp_path / "together")
    assignment = Assignment(orders, CPU)
    assignment.advance(1e-9)  # one step
    assignment.save()
    assert [record_of(order).epoch for order in orders] == [0, 0]
    carry_out(orders)
    for order in orders:
        assert record_of(order).resumes == 1
        assert_equal_but_for_rounding(order, run_alone(order))


def test_a_saved_pack_keeps_the_random_states_of_every_search(
    make_trial: Callable[..., SearchTrial], tmp_path: Path
) -> None:
    """The method draws in every step: saved after one step, each search has the random state of its own checkpoint."""
    orders = [SearchOrder(make_trial(method="sdarts_rs", seed=seed), tmp_path / str(seed), tmp_path) for seed in (0, 1)]
    assignment = Assignment(orders, CPU)
    assignment.advance(1e-9)
    assignment.save()
    packed = [random_state(order) for order in orders]
    assert not torch.equal(*packed)
    for order, state in zip(orders, packed, strict=True):
        alone = SearchOrder(order.trial, tmp_path / "alone" / str(order.trial.seed), tmp_path)
        single = Assignment([alone], CPU)
        single.advance(1e-9)
        single.save()
        assert torch.equal(random_state(alone), state)


def random_state(order: SearchOrder) -> Tensor:
    """Return the state of torch's global generator in the newest checkpoint."""
    checkpoint = CheckpointFolder(TrialFolder(order.folder).checkpoints, order.trial.fingerprint).newest()
    assert checkpoint is not None
    state: Tensor = checkpoint[1]["random"]["torch"]
    return state


def test_a_trial_that_another_process_has_carried_further_is_not_saved(
    make_orders: Callable[[Path], list[SearchOrder]], tmp_path: Path
) -> None:
    """A driver was suspended, another one took over, and the first one wakes up and stops."""
    order, _ = make_orders(tmp_path)
    suspended = Assignment([order], CPU)
    suspended.advance(1e-9)
    carry_out([order])
    before = {path: path.read_bytes() for path in order.folder.rglob("*") if path.is_file()}
    suspended.save()
    assert {path: path.read_bytes() for path in order.folder.rglob("*") if path.is_file()} == before
    assert record_of(order).state == "finished"


@pytest.mark.slow
@pytest.mark.parametrize("packed_first", [True, False])
def test_saved_searches_resume_in_another_pack(
    make_orders: Callable[[Path], list[SearchOrder]],
    run_alone: Callable[[SearchOrder], ResumableTrial],
    tmp_path: Path,
    packed_first: bool,
) -> None:
    orders = make_orders(tmp_path / "together")
    packs = ([orders], [[order] for order in orders])
    before, after = packs if packed_first else packs[::-1]
    for pack in before:
        assignment = Assignment(pack, CPU)
        assignment.advance(1e-9)
        assignment.save()
    for pack in after:
        carry_out(pack)
    for order in orders:
        assert (record_of(order).resumes, record_of(order).state) == (1, "finished")
        assert_equal_but_for_rounding(order, run_alone(order))


def test_a_failed_search_does_not_stop_the_other(
    make_orders: Callable[[Path], list[SearchOrder]], tmp_path: Path
) -> None:
    first, second = make_orders(tmp_path)
    write_json(first.folder / "record.json", {**record_elsewhere(second, tmp_path), "fingerprint": "f" * 64})
    carry_out([first, second])
    assert record_of(first).state == "failed"
    assert f"{first.folder}: " in (record_of(first).error or "")
    assert "f" * 64 in (record_of(first).error or "")
    assert record_of(second).state == "finished"


def record_elsewhere(order: SearchOrder, base: Path) -> dict[str, Any]:
    """Run a search in a folder of its own; return its record as JSON."""
    elsewhere = SearchOrder(order.trial, base / "elsewhere", base)
    carry_out([elsewhere])
    record = record_of(elsewhere)
    assert record.packed is None
    return record.to_json()


def test_orders_that_differ_only_in_the_seed_are_packed(make_trial: Callable[..., SearchTrial]) -> None:
    def order(seed: int, epochs: int) -> SearchOrder:
        trial = make_trial(seed=seed, epochs=epochs)
        return SearchOrder(trial, Path("folder"), Path("base"))

    orders = [order(seed, epochs) for epochs in (2, 4) for seed in range(5)]
    alike = packable_searches(orders)
    assert alike == [orders[:5], orders[5:]]
    groups = packed_searches(alike, [2, 3])
    assert [[own.trial.seed for own in group] for group in groups] == [[0, 1], [2, 3], [4], [0, 1, 2], [3, 4]]
    assert [{own.trial.epochs for own in group} for group in groups] == [{2}] * 3 + [{4}] * 2
    assert packed_searches(alike, [1, 1]) == [(own,) for own in orders]
    rounded = SearchOrder(make_trial(precision="bfloat16", epochs=2), Path("folder"), Path("base"))
    assert len(packable_searches([*orders, rounded])) == 3
