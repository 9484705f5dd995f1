"""The test split is never read before a retraining: here it is an invalid file."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from aca_ray.channels import PlanKind
from aca_ray.config import RetrainingTrial, SearchTrial
from aca_ray.errors import DataError
from aca_ray.records import TrialFolder
from aca_ray.retraining import find_protocol
from aca_ray.trials.allocating import allocate_milestone
from aca_ray.trials.datasets import DataRef
from aca_ray.trials.new_record import new_retraining
from aca_ray.trials.resumable import ResumableTrial
from aca_ray.trials.retraining import found_network, open_retraining
from aca_ray.trials.searching import open_search

CPU = torch.device("cpu")


@pytest.fixture
def data(tmp_path: Path) -> dict[str, Any]:
    """Write 32 training images of two classes, and an invalid file of test images."""
    random = np.random.default_rng(0)
    encoded = []
    for pixels in random.integers(0, 256, (32, 8, 8), dtype=np.uint8):
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, format="PNG")
        encoded.append(buffer.getvalue())
    table = pa.table({"image": pa.array(encoded, type=pa.binary()), "label": pa.array([0, 1] * 16, type=pa.int64())})
    pq.write_table(table, tmp_path / "train.parquet")
    (tmp_path / "test.parquet").write_bytes(b"this is no Parquet file")
    return {"name": "parquet", "train": "train.parquet", "test": "test.parquet"}


def test_search_ranking_and_allocation_never_read_it(
    tmp_path: Path,
    data: dict[str, Any],
    make_trial: Callable[..., SearchTrial],
    finish: Callable[[ResumableTrial], ResumableTrial],
) -> None:
    trial = make_trial(data=data, epochs=1)
    folder = tmp_path / "search"
    finish(open_search(trial, folder, DataRef(trial.data, tmp_path), CPU))
    summary = allocate_milestone(
        TrialFolder(folder).milestone(1),
        TrialFolder(folder).allocation(1, "taylor"),
        tmp_path,
        ranking="taylor",
        plans=(PlanKind("sign"),),
        protocol=find_protocol("small"),
        device=CPU,
    )
    assert summary.plans["sign"].parameters > 0
    retraining = RetrainingTrial.of_search(trial, "small", 0, "taylor", "sign")
    genotype, plan = found_network(trial, folder, "taylor", "sign")
    with pytest.raises(DataError, match=r"test\.parquet: .*Parquet"):
        open_retraining(
            new_retraining(retraining), genotype, plan, tmp_path / "retraining", DataRef(trial.data, tmp_path), CPU
        )
    assert not (tmp_path / "retraining").exists()
