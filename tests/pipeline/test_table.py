"""A sweep on NAS-Bench-201 whose genotypes are looked up, from the spec to the comparison's rows."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import torch

from aca_ray.config import SweepSpec, parse_spec
from aca_ray.errors import ConfigError
from aca_ray.pipeline.manifest import create_sweep
from aca_ray.pipeline.orders import evaluation_orders, search_orders
from aca_ray.pipeline.planning import plan_sweep
from aca_ray.pipeline.vocabulary import vocabulary
from aca_ray.space import Genotype
from aca_ray.space.nasbench201 import architecture_string
from aca_ray.storage import TrialRecord

NAMES = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
SPEC = """
name: looked-up
experiment:
  methods: darts
  skip: searched
  spaces: nasbench201
  data: {name: digits, max_train_images: 32}
  seeds: 0
  epochs: 1
  network: {channels: 4, cells: 5}
  batch_size: 16
  evaluation: {protocol: nasbench201, table: {path: table.csv, architecture: arch, accuracy: top1}}
"""


@pytest.fixture
def spec(tmp_path: Path) -> SweepSpec:
    return parse_spec(SPEC, vocabulary(tmp_path))


def write_table(path: Path) -> dict[str, float]:
    """Write the whole space, 15,625 architectures, each with an accuracy of its own; return it as fractions."""
    names = [f"|{a}~0|+|{b}~0|{c}~1|+|{d}~0|{e}~1|{f}~2|" for a, b, c, d, e, f in itertools.product(NAMES, repeat=6)]
    values = [50 + index / 400 for index in range(len(names))]
    path.write_text("arch,top1\n" + "".join(f"{name},{value}\n" for name, value in zip(names, values, strict=True)))
    return {name: value / 100 for name, value in zip(names, values, strict=True)}


def test_what_a_search_finds_is_looked_up(spec: SweepSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # where the sweep's folder goes
    table = write_table(tmp_path / "table.csv")
    plan_sweep(spec, tmp_path)
    sweep = create_sweep(spec, tmp_path, SPEC)
    (search,) = search_orders(sweep)
    trial = search.open(torch.device("cpu"))
    while not trial.finished:
        trial.advance()
    (order,) = evaluation_orders(sweep, search)
    evaluation = order.open(torch.device("cpu"))
    evaluation.advance()
    assert evaluation.finished
    record = TrialRecord.read(order.folder)
    assert record is not None
    assert record.genotype is not None
    assert record.result is not None
    assert record.result["test_accuracy"] == pytest.approx(
        table[architecture_string(Genotype.from_json(record.genotype))]
    )
    assert record.num_epochs == 1
    assert {path.name for path in order.folder.iterdir()} == {"network.json", "record.json"}  # nothing to go on from


def test_a_missing_table_is_found_before_anything_starts(spec: SweepSpec, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"experiment\.evaluation\.table: .*table\.csv: needs a CSV or Parquet file"):
        plan_sweep(spec, tmp_path)
