"""Stages of a space with one-input cells: search, channel plan, retraining and pictures."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from aca_ray.channels import PlanKind
from aca_ray.config import StandaloneTrial
from aca_ray.records import AllocationFolder, TrialFolder, TrialRecord
from aca_ray.retraining import find_protocol
from aca_ray.space import ChannelPlan
from aca_ray.space.nasbench201 import architecture_string
from aca_ray.storage import read_json
from aca_ray.trials.allocating import allocate_milestone
from aca_ray.trials.datasets import DataRef
from aca_ray.trials.drawing import draw_allocation, draw_search
from aca_ray.trials.new_record import new_standalone
from aca_ray.trials.retraining import open_retraining

CPU = torch.device("cpu")


@pytest.mark.parametrize("method", ["darts", "pc_darts"])
def test_search_allocate_retrain_draw(method: str, make_trial, start, finish, tmp_path: Path) -> None:
    folder, allocated = tmp_path / "trial", tmp_path / "allocated"
    finish(start(make_trial(method=method, space="nasbench201"), folder))
    record = TrialRecord.read(folder)
    genotype = record.genotype
    assert "skip_connect" not in architecture_string(genotype)
    assert [len(names) for names in record.mixing.candidates["normal"]] == [4] * 6

    summary = allocate_milestone(
        TrialFolder(folder).milestone(2),
        AllocationFolder(allocated),
        tmp_path,
        ranking="taylor_identity",
        plans=[PlanKind("sign"), PlanKind("sign", "uniform")],
        protocol=find_protocol("small"),
        device=CPU,
    )
    assert summary.genotype == genotype
    num_edges = len(genotype.normal.edges)
    assert [len(stage) for stage in summary.plans["sign"].kept_share] == [num_edges, 0, num_edges, 0, num_edges]

    plan = ChannelPlan.from_json(read_json(AllocationFolder(allocated).plan("sign")))
    data = {"name": "digits", "max_train_images": 64, "max_test_images": 32}
    trial = StandaloneTrial(network="0" * 64, name="found", data=data, protocol="small", retrain_seed=0)
    retrained = open_retraining(
        new_standalone(trial), genotype, plan, tmp_path / "retrained", DataRef(data, tmp_path), CPU
    )
    retrained.advance()
    assert retrained.record.epoch == 1

    draw_search(record, TrialFolder(folder))
    draw_allocation(AllocationFolder(allocated), "sign")
    for picture in (folder / "genotype.svg", folder / "mixing.svg", allocated / "genotype.svg"):
        assert picture.stat().st_size > 3_000
