"""A sweep with a retraining protocol given by value, on resized images: from the spec to MLflow's tags."""

from __future__ import annotations

import json

import pytest
import torch

from aca_ray.config import parse_spec
from aca_ray.records import AllocationSummary, RetrainingRecord, TrialFolder
from aca_ray.retraining import find_protocol
from aca_ray.storage import read_checkpoint
from aca_ray.sweep.manifest import create_sweep
from aca_ray.sweep.orders import (
    NetworkOrder,
    network_orders,
    order_from_json,
    plans_of,
    protocol_of,
    rankings_of,
    search_orders,
)
from aca_ray.sweep.vocabulary import vocabulary
from aca_ray.tracking.description import params, run_tags
from aca_ray.trials.allocating import allocate_milestone
from aca_ray.trials.network_files import read_network

CPU = torch.device("cpu")
SPEC = """name: by-value
experiment:
  methods: darts
  skip: allocated
  data: {{name: digits, max_train_images: 64, max_test_images: 16, resize: 4}}
  seeds: 0
  epochs: 1
  network: {{channels: 4, cells: 3}}
  batch_size: 16
  retraining:
    protocol: {protocol}
runtime: {{storage: {storage}}}
"""
VALUE = {"base": "small", "channels": 12, "cells": 4, "epochs": 2}
LABEL = "small(cells=4, channels=12, epochs=2)"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[AllocationSummary, NetworkOrder, RetrainingRecord]:
    """Return the summary of the allocation, and the allocated network's retraining with its record."""
    storage = tmp_path_factory.mktemp("storage")
    text = SPEC.format(storage=storage, protocol=json.dumps({**VALUE, "lr": 0.05, "epochs": 2.0}))
    sweep = create_sweep(parse_spec(text, vocabulary(storage)), storage, text)
    (search,) = search_orders(sweep)
    trial = search.open(CPU)
    while not trial.finished:
        trial.advance()
    ranking = rankings_of(sweep)[0]
    folder = TrialFolder(search.folder).allocation(1, ranking)
    allocate_milestone(
        TrialFolder(search.folder).milestone(1),
        folder,
        storage,
        ranking=ranking,
        plans=plans_of(sweep),
        protocol=find_protocol(protocol_of(sweep.spec.experiment)),
        device=CPU,
    )
    order = next(order for order in network_orders(sweep, search) if order.trial.ranking is not None)
    sent = order_from_json(json.loads(json.dumps(order.to_json())))
    assert sent == order
    assert isinstance(sent, NetworkOrder)
    retraining = sent.open(CPU)
    while not retraining.finished:
        retraining.advance()
    return AllocationSummary.read(folder), order, retraining.record


def test_the_trained_network_has_the_size_in_the_protocol(
    finished: tuple[AllocationSummary, NetworkOrder, RetrainingRecord],
) -> None:
    summary, order, record = finished
    assert (record.state, record.num_epochs) == ("finished", 2)
    _, plan = read_network(order.folder / "network.json")
    assert plan is not None
    _, state = read_checkpoint(TrialFolder(order.folder).milestone(2))
    weights = state["work"]["network"]
    assert len({name.split(".")[1] for name in weights if name.startswith("cells.")}) == 4
    assert weights["classifier.weight"].shape == (10, 4 * 48)  # four nodes, after two reductions of 12 channels
    assert record.result is not None
    allocated = summary.plans[plan.allocation]
    assert (allocated.parameters, allocated.macs) == (record.result.parameters, record.result.macs)


def test_the_protocol_in_record_label_tags_and_params(
    finished: tuple[AllocationSummary, NetworkOrder, RetrainingRecord],
) -> None:
    summary, order, record = finished
    assert order.trial.protocol == VALUE
    assert record.trial.protocol == VALUE
    assert record.trial.label == LABEL
    assert summary.question.network["channels"] == VALUE["channels"]
    assert run_tags(record)["aca.protocol"] == LABEL
    flat = params(record.trial.to_json())
    assert {name: flat[f"protocol.{name}"] for name in VALUE} == {name: str(item) for name, item in VALUE.items()}
    assert record.data_info is not None
    assert (record.data_info.height, record.data_info.width) == (4, 4)
    assert "resized to 4x4 (antialiased bilinear)" in record.data_info.augmentation
