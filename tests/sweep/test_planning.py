"""Plans of sweeps, and the problems that `check` finds without running anything."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from aca_ray.config import SearchTrial, SweepSpec, parse_spec
from aca_ray.errors import ConfigError
from aca_ray.methods.registry import find_method
from aca_ray.nn import Supernet
from aca_ray.sweep.planning import plan_sweep
from aca_ray.sweep.vocabulary import vocabulary
from aca_ray.trials.searching import search_space


def spec_of(experiment: str) -> SweepSpec:
    return parse_spec(f"name: planned\nexperiment: {{{experiment}}}\n", vocabulary(Path.cwd()))


def supernet_of(trial: SearchTrial) -> Supernet:
    return Supernet(
        search_space(trial),
        channels=trial.network["channels"],
        num_cells=trial.network["cells"],
        num_classes=10,
        in_channels=1,
        build_edge=find_method(trial.method).build_edge,
    )


def test_plan(tmp_path: Path) -> None:
    spec = spec_of(
        "methods: [darts, pc_darts], data: {name: digits, max_train_images: 64}, seeds: [0, 1], epochs: [1, 2],"
        "network: {channels: 4, cells: 3},"
        "controls: [uniform, random], retraining: {protocol: small, seeds: [0, 1, 2]}"
    )
    before = torch.get_rng_state()
    plan = plan_sweep(spec, tmp_path)
    assert torch.equal(torch.get_rng_state(), before)
    assert len(plan.searches) == 2 * 2 * 2 * 2
    # 8 searches of each kind; the allocated ones are retrained without refilling, by the rule and by its two controls.
    assert plan.num_retrainings == (8 * 1 + 8 * 4) * 3
    assert plan.num_look_ups == 0
    (data,) = plan.data
    assert (data.num_train, data.num_test) == (64, 360)
    info = data.info
    assert (info.name, info.num_classes, info.channels, info.height, info.width) == ("digits", 10, 1, 8, 8)
    counted = {}
    for planned in plan.searches:
        trial = planned.trial
        key = (trial.method, trial.skip)
        if key not in counted:
            counted[key] = sum(parameter.numel() for parameter in supernet_of(trial).parameters())
        assert planned.supernet.parameters == counted[key]
        assert planned.supernet.macs > 0
    assert counted["darts", "searched"] > counted["darts", "allocated"] > counted["pc_darts", "allocated"]
    assert list(tmp_path.iterdir()) == []


def test_only_searched_skips_have_one_retraining_each(tmp_path: Path) -> None:
    spec = spec_of(
        "methods: darts, skip: searched, data: digits, seeds: [0, 1], epochs: 1, network: {channels: 4, cells: 3},"
        "retraining: {protocol: small}"
    )
    assert plan_sweep(spec, tmp_path).num_retrainings == 2


def test_tf32_without_a_gpu(tmp_path: Path) -> None:
    spec = spec_of(
        "methods: darts, data: digits, seeds: 0, epochs: 1, network: {channels: 4, cells: 3},"
        "retraining: {protocol: {base: small, precision: tf32}}"
    )
    with pytest.raises(ConfigError, match=r"^experiment\.retraining: .*tf32 needs a GPU"):
        plan_sweep(spec, tmp_path)


def test_all_problems_at_once(tmp_path: Path) -> None:
    spec = spec_of(
        "methods: [darts, pc_darts], data: [digits, {name: digits, max_train_images: 64}], seeds: 0, epochs: 1,"
        "network: {channels: 6, cells: 3}, retraining: {protocol: cifar}"
    )
    with pytest.raises(ConfigError) as caught:
        plan_sweep(spec, tmp_path)
    expected = [
        ("experiment.data[0]: ", "protocol cifar", "32x32", "8x8", "digits", "auxiliary_weight: 0"),
        ("experiment.data[1]: ", "protocol cifar", "32x32", "8x8", "digits", "auxiliary_weight: 0"),
        ("experiment.network.channels: ", "divisible by 4", "experiment.methods[1]", "pc_darts", "found 6"),
    ]
    for problem, (place, *texts) in zip(caught.value.problems, expected, strict=True):
        assert problem.startswith(place)
        for text in texts:
            assert text in problem


def test_unreadable_data(tmp_path: Path) -> None:
    for name in ("train.parquet", "test.parquet"):
        (tmp_path / name).write_text("no Parquet")
    text = (
        "name: planned\nexperiment: {methods: darts, data: {name: parquet, train: train.parquet, test: test.parquet},"
        " seeds: 0, epochs: 1, network: {channels: 4, cells: 3}, retraining: {protocol: small}}\n"
    )
    spec = parse_spec(text, vocabulary(tmp_path))
    with pytest.raises(ConfigError, match=r"experiment\.data\[0\]: .*train\.parquet: .*Parquet"):
        plan_sweep(spec, tmp_path)
