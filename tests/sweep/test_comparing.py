"""Comparison of a tiny sweep, without Ray: its numbers are those of the records."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from statistics import mean

import pytest
import torch

from aca_ray import api
from aca_ray.config import parse_spec
from aca_ray.errors import ConfigError
from aca_ray.records import RetrainingRecord, TrialFolder
from aca_ray.report.summary import summary
from aca_ray.retraining import find_protocol
from aca_ray.sweep.manifest import Sweep, create_sweep
from aca_ray.sweep.orders import NetworkOrder, all_orders, plans_of, rankings_of
from aca_ray.sweep.vocabulary import vocabulary
from aca_ray.trials.allocating import allocate_milestone
from aca_ray.trials.resumable import ResumableTrial

pytestmark = pytest.mark.slow  # twelve trials

TEXT = """name: tiny
experiment:
  methods: pc_darts
  data: {{name: digits, max_train_images: 32, max_test_images: 32}}
  seeds: [0, 1]
  epochs: 1
  network: {{channels: 4, cells: 3}}
  batch_size: 16
  controls: [uniform]
  retraining: {{protocol: small}}
runtime: {{storage: {storage}}}
"""


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory, finish: Callable[[ResumableTrial], ResumableTrial]) -> Sweep:
    """Run all trials of a sweep, one after the other."""
    base = tmp_path_factory.mktemp("base")
    text = TEXT.format(storage=base / "results")
    sweep = create_sweep(parse_spec(text, vocabulary(base)), base, text)
    device = torch.device("cpu")
    for order in all_orders(sweep):
        if isinstance(order, NetworkOrder):
            continue
        finish(order.open(device))
        if order.trial.skip == "allocated":
            allocate_milestone(
                TrialFolder(order.folder).milestone(1),
                TrialFolder(order.folder).allocation(1, rankings_of(sweep)[0]),
                base,
                ranking=rankings_of(sweep)[0],
                plans=plans_of(sweep),
                protocol=find_protocol("small"),
                device=device,
            )
    for order in all_orders(sweep):
        if isinstance(order, NetworkOrder):
            finish(order.open(device))
    return sweep


def test_status_from_the_disk(sweep: Sweep) -> None:
    progress, driven = api.status("tiny", storage=sweep.folder.path.parent)
    assert progress.summary() == "12 trials: 12 finished"
    assert not driven


def test_comparison_has_the_numbers_of_the_records(sweep: Sweep) -> None:
    accuracies: dict[str | None, dict[int, float]] = {}
    for order in all_orders(sweep):
        if isinstance(order, NetworkOrder):
            record = RetrainingRecord.read(order.folder)
            assert record is not None
            assert record.result is not None
            plan = order.trial.control or order.trial.allocation
            accuracies.setdefault(plan, {})[order.trial.seed] = record.result.test_accuracy
    assert {rule: set(by_seed) for rule, by_seed in accuracies.items()} == {
        None: {0, 1},
        "all": {0, 1},
        "sign": {0, 1},
        "uniform": {0, 1},
    }
    comparison, folder = api.compare(["tiny"], storage=sweep.folder.path.parent)
    assert folder == sweep.folder.comparison
    for name in ("report.html", "report.md", "test_accuracy.svg", "tables/accuracy.tex"):
        assert (folder / name).stat().st_size > 500
    assert "Cells of pc_darts, allocated" in (folder / "report.html").read_text()
    assert not list(folder.rglob("*.part-*"))
    (group,) = comparison.groups
    searched, allocated = group.arms["searched"], group.arms["allocated"]
    assert searched.test_accuracy.mean == pytest.approx(mean(accuracies[None].values()))
    assert allocated.test_accuracy.mean == pytest.approx(mean(accuracies["sign"].values()))
    assert [control.control for control in group.controls] == ["uniform"]
    arms = {"searched": accuracies[None], "skip-free": accuracies["all"], "allocated": accuracies["sign"]}
    for each in group.differences:
        assert each.difference is not None
        assert each.difference.mean == pytest.approx(
            mean(arms[each.main][seed] - arms[each.baseline][seed] for seed in (0, 1))
        )


def test_sweeps_of_equal_names_are_compared(sweep: Sweep, tmp_path: Path) -> None:
    """The copy has other trials than the original; the networks of both are drawn."""
    copy = tmp_path / "elsewhere" / "tiny"
    shutil.copytree(sweep.folder.path, copy)
    networks = [order for order in all_orders(sweep) if isinstance(order, NetworkOrder)]
    for order in networks:
        root = copy if order.trial.seed else sweep.folder.path
        folder = root / order.folder.relative_to(sweep.folder.path)
        if folder.is_relative_to(copy):
            shutil.rmtree(folder)
    comparison, folder = api.compare([str(copy), str(sweep.folder.path)], out=str(tmp_path / "report"))
    assert len(comparison.networks) == len(networks)
    assert "Comparison of tiny and tiny" in (folder / "report.html").read_text()


def test_waiting_trials_are_unfinished(sweep: Sweep, tmp_path: Path) -> None:
    copy = tmp_path / "tiny"
    shutil.copytree(sweep.folder.path, copy)
    for folder in (copy / "retrainings").iterdir():
        shutil.rmtree(folder)
    comparison, _ = api.compare([str(copy)])
    assert "Unfinished: 8 trials; the numbers will change." in summary(comparison)


def test_a_retraining_whose_search_has_not_finished(sweep: Sweep, tmp_path: Path) -> None:
    order = next(order for order in all_orders(sweep) if isinstance(order, NetworkOrder))
    moved = NetworkOrder(order.trial, tmp_path / "retraining", order.base, order.search, tmp_path / "search")
    with pytest.raises(ConfigError, match=r"search: .*no genotype.*resume"):
        moved.open(torch.device("cpu"))


def test_unknown_sweeps(sweep: Sweep) -> None:
    with pytest.raises(ConfigError, match=r"compare: .*one sweep"):
        api.compare([])
    with pytest.raises(ConfigError, match=r"'tinny'.*: tiny$"):
        api.compare(["tiny", "tinny"], storage=sweep.folder.path.parent)
