"""Retraining from a file: interrupted at any step, it ends with the same weights and the same accuracy."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from aca_ray.config import StandaloneTrial
from aca_ray.errors import ConfigError, StorageError
from aca_ray.nn import derived_cost
from aca_ray.records import TrialFolder
from aca_ray.retraining import find_protocol
from aca_ray.space import PUBLISHED, ChannelPlan, EdgePlan, Genotype
from aca_ray.space.topology import NUM_STAGES
from aca_ray.storage import read_checkpoint, write_json
from aca_ray.trials.datasets import DataRef
from aca_ray.trials.network_files import read_network
from aca_ray.trials.new_record import new_standalone
from aca_ray.trials.resumable import ResumableTrial
from aca_ray.trials.retraining import network_json, open_retraining

EPOCHS = find_protocol("small").epochs


Finish = Callable[[ResumableTrial], ResumableTrial]
GENOTYPE = PUBLISHED["DARTS_V2"]
# Half of the channels of every edge; which half differs between edges.
PLAN = ChannelPlan(
    "random",
    "sign",
    tuple(
        tuple(EdgePlan(0.5, tuple((start + 3 * i) % 4 for i in range(4))) for start in range(8))
        for _ in range(NUM_STAGES)
    ),
)
TRIAL = StandaloneTrial(
    network="0" * 64,
    name="planned",
    data={"name": "digits", "max_train_images": 128, "max_test_images": 32},
    protocol="small",
    retrain_seed=0,
)


def start(folder: Path, genotype: Genotype = GENOTYPE, plan: ChannelPlan | None = PLAN) -> ResumableTrial:
    return open_retraining(
        new_standalone(TRIAL), genotype, plan, folder, DataRef(TRIAL.data, folder), torch.device("cpu")
    )


@pytest.fixture(scope="module")
def retrained(tmp_path_factory: pytest.TempPathFactory, finish: Finish) -> Path:
    folder = tmp_path_factory.mktemp("retrained")
    finish(start(folder))
    return folder


def test_record(retrained: Path) -> None:
    record = json.loads((retrained / "record.json").read_text())
    assert (record["state"], record["epoch"], record["num_epochs"], record["milestones"]) == (
        "finished",
        EPOCHS,
        EPOCHS,
        [EPOCHS],
    )
    accuracies = [row["metrics"]["test/accuracy"] for row in record["rows"]]
    cost = derived_cost(GENOTYPE, PLAN, channels=8, num_cells=5, num_classes=10, in_channels=1, height=8, width=8)
    assert record["result"] == {
        "test_accuracy": accuracies[-1],
        "best_test_accuracy": max(accuracies),
        "parameters": cost.parameters,
        "macs": cost.macs,
        "num_skips": 5,
        "num_parametric": 6,
        "refilled_share": 0.5,
    }
    plain = derived_cost(GENOTYPE, None, channels=8, num_cells=5, num_classes=10, in_channels=1, height=8, width=8)
    assert cost.parameters < plain.parameters
    assert all(round(32 * accuracy) == pytest.approx(32 * accuracy) for accuracy in accuracies)  # of 32 test images
    assert record["rows"][-1]["metrics"]["train/loss"] < record["rows"][0]["metrics"]["train/loss"]


@pytest.mark.parametrize("num_steps", [4, 7])
def test_resuming_from_network_json_is_bit_for_bit(
    tmp_path: Path, retrained: Path, finish: Finish, assert_equal_states: Callable[[Any, Any], None], num_steps: int
) -> None:
    folder = tmp_path / "trial"
    genotype, plan = read_network(retrained / "network.json")
    trial = start(folder, genotype, plan)
    for _ in range(num_steps):  # two steps an epoch
        trial.advance(0.0)
    trial.save()
    del trial
    torch.manual_seed(4321)
    genotype, plan = read_network(folder / "network.json")
    resumed = start(folder, genotype, plan)
    assert (resumed.record.epoch, resumed.record.resumes) == (num_steps // 2, 1)
    finish(resumed)
    found, expected = (json.loads((path / "record.json").read_text()) for path in (folder, retrained))
    assert found["result"] == expected["result"]
    assert [row["epoch"] for row in found["rows"]] == list(range(1, EPOCHS + 1))
    names = ("train/loss", "train/accuracy", "test/loss", "test/accuracy", "lr/weights")
    for row, other in zip(found["rows"], expected["rows"], strict=True):
        assert {name: row["metrics"][name] for name in names} == {name: other["metrics"][name] for name in names}
    _, state = read_checkpoint(TrialFolder(folder).milestone(EPOCHS))
    _, reference = read_checkpoint(TrialFolder(retrained).milestone(EPOCHS))
    assert_equal_states(state["work"], reference["work"])


def test_network_json(tmp_path: Path, retrained: Path) -> None:
    assert read_network(retrained / "network.json") == (GENOTYPE, PLAN)
    assert read_network(write_json(tmp_path / "network.json", network_json(GENOTYPE, None))) == (GENOTYPE, None)
    assert read_network(write_json(tmp_path / "genotype.json", GENOTYPE.to_json())) == (GENOTYPE, None)


@pytest.mark.parametrize("value", [[], None, "DARTS_V2", {}, {"schema": "aca_ray.genotype", "version": 9}])
def test_files_without_a_network(tmp_path: Path, value: object) -> None:
    with pytest.raises(ConfigError):
        read_network(write_json(tmp_path / "network.json", value))
    with pytest.raises(StorageError, match="cannot be read"):
        read_network(tmp_path / "none.json")


def test_plan_of_another_genotype_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    short = ChannelPlan("random", "sign", tuple(stage[:3] for stage in PLAN.stages))
    with pytest.raises(ConfigError, match="3 edges"):
        start(tmp_path / "trial", GENOTYPE, short)
    assert not (tmp_path / "trial").exists()
