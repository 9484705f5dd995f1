"""The specs that are shipped."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from aca_ray.config import SweepSpec, load_spec, search_trials
from aca_ray.methods.registry import find_method, methods
from aca_ray.space import find_space
from aca_ray.sweep.vocabulary import vocabulary
from aca_ray.trials.standalone import default_folder

ROOT = Path(__file__).parents[2] / "experiments"
CIFAR10 = ROOT.parents[1] / "shared" / "data" / "cifar10"
BASELINES = sorted((ROOT / "baselines").glob("*.yaml"))
EVIDENCE = sorted((ROOT / "evidence").glob("*.yaml"))
BENCHMARKS = sorted((ROOT / "benchmarks").glob("*.yaml"))
SPECS = [*sorted(ROOT.glob("*.yaml")), *BASELINES, *EVIDENCE, *BENCHMARKS]


def load(path: Path) -> SweepSpec:
    names = vocabulary(path.parent)
    if not CIFAR10.is_dir():  # some specs need ../shared/data/cifar10
        names = replace(names, data_problems=lambda data, place: [])
    return load_spec(path, names)


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_shipped_specs_are_good_and_use_no_settings(path: Path) -> None:
    experiment = load(path).experiment
    assert search_trials(experiment)
    assert set(experiment.methods) <= set(methods())  # labels with settings are no names
    for name in experiment.methods:
        method = find_method(name)
        assert experiment.network.channels % method.channel_divisor == 0
        assert [method.refuses(find_space(space)) for space in experiment.spaces] == [None] * len(experiment.spaces)


@pytest.mark.parametrize("path", EVIDENCE, ids=lambda path: path.stem)
def test_evidence_has_seeds_enough_for_a_test_of_ranks(path: Path) -> None:
    assert len(load(path).experiment.seeds) >= 6  # of 5 pairs no Wilcoxon test reaches p < 0.05


def test_sweeps_have_names_of_their_own() -> None:
    assert len({load(path).name for path in SPECS}) == len(SPECS)


def test_there_is_a_baseline_for_every_method() -> None:
    assert {name for path in BASELINES for name in load(path).experiment.methods} == set(methods())


def test_all_methods_are_in_one_sweep() -> None:
    experiment = load(ROOT / "all-methods.yaml").experiment
    assert set(experiment.methods) == set(methods())
    assert set(experiment.skip) == {"searched", "allocated"}


@pytest.mark.parametrize("name", ["fair_darts", "gdas", "pr_darts", "sp_darts", "pc_darts", "p_darts", "drnas"])
def test_baselines_retrain_as_their_own_paper_does(name: str) -> None:
    assert load(ROOT / "baselines" / f"{name}.yaml").experiment.retraining.protocol == f"cifar_{name}"


def test_standalone_networks_do_not_lie_in_the_folder_of_a_shipped_sweep() -> None:
    folder = default_folder("DARTS_V2", "cifar", seed=0).parent
    assert folder == Path("results/networks")
    assert folder.name not in {load(path).name for path in SPECS}
