"""Records of trials that have not run: their kind and number of epochs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from aca_ray.config import LookUpTrial, RetrainingTrial, SearchTrial
from aca_ray.driver.assignment import record_failure
from aca_ray.records import LookUpRecord, RetrainingRecord, SearchRecord, TrialRecord
from aca_ray.retraining import find_protocol
from aca_ray.sweep.orders import NetworkOrder, Order, SearchOrder
from aca_ray.trials.new_record import new_record

TABLE = {"name": "nasbench201"}


@pytest.fixture
def orders(make_trial: Callable[..., SearchTrial], tmp_path: Path) -> list[Order]:
    """Return the orders for a search of three epochs, its retraining and its look-up."""
    search = make_trial(epochs=3)
    retraining = RetrainingTrial.of_search(search, "small", 0, None, "all")
    look_up = LookUpTrial.of_search(search, TABLE, None, "all")
    places = [tmp_path / name for name in ("search", "retraining", "look-up")]
    return [
        SearchOrder(search, places[0], tmp_path),
        NetworkOrder(retraining, places[1], tmp_path, search, places[0]),
        NetworkOrder(look_up, places[2], tmp_path, search, places[0]),
    ]


def test_kinds_and_epochs(orders: list[Order]) -> None:
    records = [new_record(order.trial) for order in orders]
    assert [type(record) for record in records] == [SearchRecord, RetrainingRecord, LookUpRecord]
    assert [record.num_epochs for record in records] == [3, find_protocol("small").epochs, 3]
    assert [record.fingerprint for record in records] == [order.trial.fingerprint for order in orders]


def test_a_failure_before_the_first_record(orders: list[Order]) -> None:
    for order in orders:
        record_failure(order, "the process died")
        record = TrialRecord.read(order.folder)
        assert record is not None
        assert (record.state, record.error, record.epoch) == ("failed", "the process died", 0)
        assert record.num_epochs == new_record(order.trial).num_epochs
        record_failure(order, "again")
        again = TrialRecord.read(order.folder)
        assert again is not None
        assert again.error == "again"
