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


OWN = "{base: darts, operations: [sep_conv_3x3, nor_conv_3x3], normal: {0->2: [skip_connect, noise]}}"


@pytest.mark.parametrize(("size", "fits"), [(124, True), (128, True), (200, False), (224, True)])
def test_sizes_that_supernets_can_halve(tmp_path: Path, size: int, fits: bool) -> None:
    spec = spec_of(
        f"methods: darts, data: {{name: digits, resize: {size}, max_train_images: 8, max_test_images: 4}}, seeds: 0,"
        "epochs: 1, batch_size: 4, network: {channels: 4, cells: 3}, table: nasbench201, spaces: nasbench201"
    )
    if fits:
        plan_sweep(spec, tmp_path)
        return
    with pytest.raises(ConfigError, match=r"experiment\.data\[0\]: .*divisible by 32.*200x200; set resize"):
        plan_sweep(spec, tmp_path)


def test_spaces_by_value_are_built(tmp_path: Path) -> None:
    spec = spec_of(
        f"methods: darts, spaces: [s2, {OWN}], data: digits, seeds: 0, epochs: 1, network: {{channels: 4, cells: 3}},"
        "retraining: {protocol: small}"
    )
    plan = plan_sweep(spec, tmp_path)
    assert len(plan.searches) == 4
    for planned in plan.searches:
        expected = sum(parameter.numel() for parameter in supernet_of(planned.trial).parameters())
        assert planned.supernet.parameters == expected
    searched = search_space(plan.searches[2].trial), search_space(plan.searches[3].trial)
    assert [space.normal[0] for space in searched] == [("noise", "skip_connect"), ("noise",)]
    assert {space.normal[1] for space in searched} == {("sep_conv_3x3", "nor_conv_3x3")}


def test_problems_of_spaces_by_value(tmp_path: Path) -> None:
    nothing = "{base: darts, operations: [none, skip_connect]}"
    text = f"methods: [darts, opp_darts], spaces: [{OWN}, {nothing}], data: digits, seeds: 0, epochs: 1,"
    text += "retraining: {protocol: small}"
    with pytest.raises(ConfigError) as caught:
        plan_sweep(spec_of(text), tmp_path)
    assert [problem.partition(": ")[0] for problem in caught.value.problems] == [
        "experiment.spaces[0]",  # not a space of opp_darts
        "experiment.spaces[1]",
        "experiment.spaces[1]",  # nothing to refill
    ]
    spec = spec_of(text.replace("[darts, opp_darts]", "darts") + ", skip: searched, network: {channels: 4, cells: 3}")
    assert len(plan_sweep(spec, tmp_path).searches) == 2


def test_methods_of_stages_and_thresholds_search_spaces_by_value(tmp_path: Path) -> None:
    own = "{base: darts, operations: [skip_connect, nor_conv_3x3, sep_conv_5x5], normal: {0->3: []}}"
    spec = spec_of(
        f"methods: [opp_darts, p_darts, fair_darts], spaces: {own}, data: digits, seeds: 0, epochs: 1,"
        "network: {channels: 4, cells: 3}, retraining: {protocol: small}"
    )
    assert len(plan_sweep(spec, tmp_path).searches) == 6
