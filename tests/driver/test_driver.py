"""The driver with a pool that plays the trials: what runs when, and what follows a failure."""

from __future__ import annotations

import errno
import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from aca_ray.driver import driver as driver_module
from aca_ray.errors import StorageError
from aca_ray.records import TrialFolder, TrialRecord
from aca_ray.storage import StoragePath, patience
from aca_ray.sweep.manifest import Sweep
from aca_ray.sweep.orders import NetworkOrder, Order, SearchOrder, all_orders, network_orders, search_orders
from aca_ray.trials.new_record import new_record

MakeSweep = Callable[..., Sweep]
Play = Callable[..., tuple[Any, Any]]


def states(sweep: Sweep) -> dict[str, str | None]:
    """Return the state of every trial's record by its short name; None without a record."""
    records = {order.trial.short: TrialRecord.read(order.folder) for order in all_orders(sweep)}
    return {short: None if record is None else record.state for short, record in records.items()}


def is_search(order: Order) -> bool:
    return isinstance(order, SearchOrder)


def test_retrainings_begin_while_a_slow_search_runs(make_sweep: MakeSweep, play: Play) -> None:
    sweep = make_sweep(seeds=[0, 1, 2])
    slow = search_orders(sweep)[0]
    pool, driver = play(sweep, seconds=lambda order: 100.0 if order.folder == slow.folder else 1.0)
    (last,) = network_orders(sweep, slow)
    for order in all_orders(sweep):
        _, end = pool.spans[order.trial.short]
        assert (end > 100) == (order in (last,)) or order.folder == slow.folder
    assert pool.now == 101
    assert set(states(sweep).values()) == {"finished"}
    assert driver.failures == []


def test_the_longest_chain_goes_first_and_look_ups_before_all(make_sweep: MakeSweep, play: Play) -> None:
    sweep = make_sweep(seeds=[0, 1], epochs=[2, 8, 4])
    pool, _ = play(sweep, slots=1)
    assert [order.trial.epochs for order in pool.orders if is_search(order)] == [8, 8, 4, 4, 2, 2]
    assert [is_search(order) for order in pool.orders] == [True] * 6 + [False] * 2  # one retraining per genotype


def test_look_ups_wait_for_no_search(make_sweep: MakeSweep, play: Play) -> None:
    sweep = make_sweep(
        seeds=[0, 1], spaces="nasbench201", networks="table: nasbench201\n  retraining: {protocol: small}"
    )
    pool, _ = play(sweep, slots=1)
    kinds = [order.trial.kind for order in pool.orders]
    assert kinds == ["search", "look-up", "search", "look-up", "retraining", "retraining"]


def test_no_slot_is_idle_while_a_trial_is_ready(make_sweep: MakeSweep, play: Play) -> None:
    sweep = make_sweep(seeds=[0, 1, 2], epochs=[3, 5], methods="[darts, gdas]")
    pool, _ = play(sweep, slots=3, seconds=lambda order: float(order.trial.epochs + order.trial.seed))
    work = sum(end - start for start, end in pool.spans.values())
    busy = sorted(pool.spans.values())
    first_idle = sorted(end for _, end in busy)[-3]  # from here on, fewer than three run
    assert all(start <= first_idle for start, _ in busy)
    assert work / 3 <= pool.now <= work / 3 + max(end - start for start, end in busy)


def test_milestones_are_ranked_in_order_and_before_the_retraining(make_sweep: MakeSweep, play: Play) -> None:
    sweep = make_sweep(skip="allocated")
    pool, driver = play(sweep)
    assert [order.epoch for _, order in pool.ranked] == [1, 2, 3, 4]
    assert driver.failures == []
    rules = [order.trial.allocation for order in pool.orders if isinstance(order, NetworkOrder)]
    assert rules == ["all", "sign"]


def test_a_failed_search_takes_only_its_own_retrainings_along(make_sweep: MakeSweep, play: Play) -> None:
    sweep = make_sweep(seeds=[0, 1], skip="[searched, allocated]")
    bad = next(order for order in search_orders(sweep) if order.trial.skip == "allocated")
    _, driver = play(sweep, failing=lambda order: order.folder == bad.folder)
    lost = {order.trial.short for order in network_orders(sweep, bad)}
    assert len(lost) == 2
    found = states(sweep)
    assert {short for short, state in found.items() if state is None} == lost
    assert [state for short, state in found.items() if short not in lost].count("finished") == len(found) - 3
    sentences = [sentence for sentence in driver.failures if sentence.startswith("retraining")]
    assert {sentence.split()[1].rstrip(":") for sentence in sentences} == lost
    assert all(bad.trial.short in sentence for sentence in sentences)
    assert len(driver.failures) == 3  # the search itself, too


def test_a_failed_ranking_stops_the_later_ones_and_what_needs_them(make_sweep: MakeSweep, play: Play) -> None:
    sweep = make_sweep(skip="allocated")
    pool, driver = play(sweep, unrankable=lambda order: order.epoch == 2)
    assert [order.epoch for _, order in pool.ranked] == [1, 2]
    (sentence,) = driver.failures
    (lost,) = (order for order in all_orders(sweep) if getattr(order.trial, "ranking", None))
    assert lost.trial.short in sentence
    assert "no such channel" in sentence
    assert states(sweep)[lost.trial.short] is None


def test_equal_networks_are_trained_once(make_sweep: MakeSweep, play: Play) -> None:
    sweep = make_sweep(seeds=[0, 1], methods="[darts, gdas]")  # both methods find the genotype of the seed
    pool, _ = play(sweep)
    trained = [order for order in pool.orders if not is_search(order)]
    assert sorted(order.trial.seed for order in trained) == [0, 1]
    retrainings = [order for order in all_orders(sweep) if not is_search(order)]
    records = [TrialRecord.read(order.folder) for order in retrainings]
    assert len(records) == 4
    by_fingerprint = {order.trial.fingerprint for order in trained}
    assert sorted(record.shared_with in by_fingerprint for record in records) == [False, False, True, True]
    assert {record.state for record in records} == {"finished"}


def test_if_the_trained_one_fails_the_next_is_trained(make_sweep: MakeSweep, play: Play) -> None:
    sweep = make_sweep(methods="[darts, gdas]")
    pool, driver = play(sweep, failing=lambda order: not is_search(order) and order.trial.method == "darts")
    assert [order.trial.method for order in pool.orders if not is_search(order)] == ["darts", "gdas"]
    assert len(driver.failures) == 1


def test_a_new_driver_repeats_nothing(make_sweep: MakeSweep, play: Play) -> None:
    sweep = make_sweep(seeds=[0, 1, 2], methods="[darts, gdas]")
    play(sweep, stops=3.0)
    done = {short for short, state in states(sweep).items() if state == "finished"}
    assert 0 < len(done) < len(states(sweep))
    second, driver = play(sweep)
    assert not done & {order.trial.short for order in second.orders}
    assert set(states(sweep).values()) == {"finished"}
    assert driver.failures == []
    third, _ = play(sweep)
    assert third.orders == []


def failing_reads(monkeypatch: pytest.MonkeyPatch, fails: Callable[[int, StoragePath], bool]) -> None:
    """Let reads of records fail as a network file system does."""
    read, numbers = TrialRecord.read, itertools.count()

    def try_to_read(folder: StoragePath) -> TrialRecord | None:
        if fails(next(numbers), folder):
            cause = OSError(errno.EIO, "Input/output error")
            raise StorageError(f"{folder}: cannot be read") from cause
        return read(folder)

    monkeypatch.setattr(driver_module.TrialRecord, "read", try_to_read)


def test_a_failed_read_is_repeated(make_sweep: MakeSweep, play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep = make_sweep(skip="[searched, allocated]")
    monkeypatch.setattr(patience, "_FIRST_PAUSE_SECONDS", 0.0)
    num_trials = len(all_orders(sweep))
    with monkeypatch.context() as patched:
        failing_reads(patched, lambda number, _: number >= num_trials and number % 2 == 0)  # not while it starts
        _, driver = play(sweep)
    assert driver.failures == []
    assert set(states(sweep).values()) == {"finished"}


def test_a_record_that_cannot_be_read_costs_its_trial_alone(
    make_sweep: MakeSweep, play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = make_sweep(seeds=[0, 1])
    monkeypatch.setattr(driver_module, "PATIENCE_SECONDS", 0.0)
    num_trials = len(all_orders(sweep))
    bad = search_orders(sweep)[0]
    with monkeypatch.context() as patched:
        failing_reads(patched, lambda number, folder: number >= num_trials and folder == bad.folder)
        _, driver = play(sweep)
    (retraining,) = network_orders(sweep, bad)
    assert sorted(sentence.split()[1].rstrip(":") for sentence in driver.failures) == sorted(
        [bad.trial.short, retraining.trial.short]
    )
    assert [state for short, state in states(sweep).items() if short != retraining.trial.short] == ["finished"] * 3


def test_a_begun_search_without_its_checkpoints_is_ranked_when_it_gets_there_again(
    make_sweep: MakeSweep, play: Play, leave: Callable[[Order], TrialRecord]
) -> None:
    """Its record still names a milestone that was deleted, or left out of an archive."""
    sweep = make_sweep(skip="allocated")
    (search,) = search_orders(sweep)
    replace(leave(search), state="running", epoch=1, milestones=(1,), result=None).write(search.folder)
    gone = TrialFolder(search.folder).milestone(1)
    _, driver = play(sweep, unrankable=lambda order: not search_has_ended(search) and order.checkpoint == gone)
    assert driver.failures == []
    assert set(states(sweep).values()) == {"finished"}


def search_has_ended(search: SearchOrder) -> bool:
    record = TrialRecord.read(search.folder)
    return record is not None and record.state == "finished"


def test_an_interrupt_loses_nothing(make_sweep: MakeSweep, play: Play) -> None:
    sweep = make_sweep(seeds=[0, 1])
    pool, driver = play(sweep, stops=1.0)
    assert driver.failures == []
    assert [is_search(order) for order in pool.orders] == [True, True]


def test_a_begun_retraining_is_trained_before_its_equals(make_sweep: MakeSweep, play: Play) -> None:
    sweep = make_sweep(methods="[darts, gdas]")
    first, second = (order for search in search_orders(sweep) for order in network_orders(sweep, search))
    play(sweep, stops=2.0)  # both searches
    replace(new_record(second.trial), epoch=2).write(second.folder)
    pool, _ = play(sweep)
    assert [order.folder for order in pool.orders] == [second.folder]
    record = TrialRecord.read(first.folder)
    assert record is not None
    assert record.shared_with == second.trial.fingerprint


def test_a_copy_whose_source_is_gone_is_trained_again(make_sweep: MakeSweep, play: Play) -> None:
    sweep = make_sweep(methods="[darts, gdas]")
    pool, _ = play(sweep)
    (trained,) = (order for order in pool.orders if not is_search(order))
    TrialFolder(trained.folder).record.unlink()
    again, _ = play(sweep)
    assert len(again.orders) == 1
    assert set(states(sweep).values()) == {"finished"}


@pytest.mark.parametrize("pack", [1, 2])
def test_searches_that_differ_in_their_seed_are_packed(make_sweep: MakeSweep, play: Play, pack: int) -> None:
    sweep = make_sweep(seeds=[0, 1, 2], pack=pack)
    pool, _ = play(sweep, slots=1)
    starts = [pool.spans[order.trial.short][0] for order in pool.orders if is_search(order)]
    assert starts == ([0, 0, 1] if pack == 2 else [0, 1, 2])
