"""Which networks of a sweep are exported, the names of their files, and the text of their cards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from aca_ray.records import TrialFolder, TrialRecord
from aca_ray.space import PUBLISHED, ChannelPlan, EdgePlan, Genotype, stage_cell_type
from aca_ray.space.trials import LookUpTrial, NetworkTrial, RetrainingTrial, SearchTrial
from aca_ray.storage import write_json
from aca_ray.sweep.differences import differences
from aca_ray.sweep.exporting_all import file_name, networks_of
from aca_ray.sweep.model_card import escaped

Finished = Callable[[SearchTrial | NetworkTrial], TrialRecord]
TABLE = {"name": "nasbench201"}


@pytest.fixture
def searches(make_trial: Callable[..., SearchTrial]) -> list[SearchTrial]:
    return [make_trial(seed=seed, skip="searched") for seed in range(3)]


def test_what_has_a_retraining_is_exported_once(searches: list[SearchTrial], finished_record: Finished) -> None:
    retrained, looked_up, alone = searches
    trials = [
        *searches,
        RetrainingTrial.of_search(retrained, "small", 0, None, None),
        RetrainingTrial.of_search(retrained, "small", 1, None, None),
        LookUpTrial.of_search(retrained, TABLE, None, None),
        LookUpTrial.of_search(looked_up, TABLE, None, None),
    ]
    records = [(TrialFolder(Path(trial.short)), finished_record(trial)) for trial in trials]
    exported = {record.fingerprint for _, record in networks_of(records)}
    assert exported == {alone.fingerprint, *(trials[index].fingerprint for index in (3, 4, 6))}
    running = [(folder, replace(record, state="running", result=None)) for folder, record in records]
    assert networks_of(running) == []
    assert {record.fingerprint for _, record in networks_of([*running[3:], *records[:3]])} == {
        trial.fingerprint for trial in searches
    }


@pytest.mark.parametrize(
    ("protocol", "expected"),
    [
        ("small", "darts_searched_s0_r7_small_"),
        ({"base": "small", "lr": 0.1}, "darts_searched_s0_r7_small_lr_0_1_"),
    ],
)
def test_file_names(
    searches: list[SearchTrial], finished_record: Finished, protocol: str | dict[str, object], expected: str
) -> None:
    trial = RetrainingTrial.of_search(searches[0], protocol, 7, None, None)
    assert file_name(finished_record(trial)) == f"{expected}{trial.short}"
    assert file_name(finished_record(searches[0])) == f"darts_searched_s0_search_{searches[0].short}"
    table = {"path": "../a b/é.csv", "architecture": "x" * 300, "accuracy": "y"}
    looked_up = LookUpTrial.of_search(searches[0], {**table, "path": f"../a b/é{'x' * 300}.csv"}, "taylor", "sign")
    name = file_name(finished_record(looked_up))
    assert name.isidentifier()
    assert name.isascii()
    assert len(name) < 150


def test_markdown_shows_names_as_they_are() -> None:
    assert escaped("a_b|c<d>*`[x](y)#\n next") == r"a\_b\|c\<d\>\*\`\[x\](y)\# next"


def planned(genotype: Genotype, share: float, first: int) -> ChannelPlan:
    order = tuple((first + index) % 4 for index in range(4))
    edges = [len(genotype.cell(stage_cell_type(stage)).edges) for stage in range(5)]
    return ChannelPlan("taylor", "sign", tuple(tuple(EdgePlan(share, order) for _ in range(count)) for count in edges))


def write_network(path: Path, genotype: Genotype, plan: ChannelPlan | None) -> str:
    from aca_ray.space import network_json

    write_json(path, network_json(genotype, plan))
    return str(path)


def test_plans_that_keep_other_channels(tmp_path: Path) -> None:
    darts = PUBLISHED["DARTS_V2"]
    plans = {"a": planned(darts, 0.5, 0), "b": planned(darts, 0.5, 2), "c": planned(darts, 0.25, 2), "d": None}
    files = {name: write_network(tmp_path / f"{name}.json", darts, plan) for name, plan in plans.items()}
    num_edges = sum(len(darts.cell(stage_cell_type(stage)).edges) for stage in range(5))

    found = differences(files["a"], files["b"], tmp_path).sections
    assert found.keys() == {"plan"}
    assert len(found["plan"]) == num_edges
    assert found["plan"]["stage 0 0→2: channels kept"] == ([0, 1], [2, 3])

    found = differences(files["a"], files["c"], tmp_path).sections
    assert found["plan"]["share refilled"] == (0.5, 0.75)
    assert found["plan"]["stage 1: mean share kept"] == (0.5, 0.25)
    assert len(found["plan"]) == 1 + 5 + num_edges

    found = differences(files["a"], files["d"], tmp_path).sections
    assert found["plan"]["allocation"] == ("sign of taylor", None)
    assert found["plan"]["stage 4 0→2: share kept"] == (0.5, 1.0)
    assert differences(files["a"], files["a"], tmp_path).sections == {}
