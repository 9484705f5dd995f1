"""Allocation of a milestone: existing results are reused, and results are the same wherever they are computed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from aca_ray.channels import ChannelScores, PlanKind
from aca_ray.errors import CheckpointError, ConfigError
from aca_ray.nn import DerivedNetwork, derived_cost
from aca_ray.records import Agreement, AllocationFolder, AllocationSummary, TrialFolder
from aca_ray.retraining import find_protocol
from aca_ray.space import ChannelPlan, Genotype
from aca_ray.storage import read_checkpoint, read_header, read_json, write_checkpoint
from aca_ray.sweep.ranking_orders import ranking_orders
from aca_ray.trials.allocating import allocate_milestone

Allocate = Callable[..., AllocationSummary]
PLANS = (PlanKind("sign"), PlanKind("sign", "uniform"), PlanKind("all"))
NAMES = ("sign", "sign_uniform", "all")


@pytest.fixture(scope="session")
def allocate(searched: Path) -> Allocate:
    def run(folder: Path, epoch: int = 2, **changes: Any) -> AllocationSummary:
        settings = {"ranking": "taylor", "plans": PLANS, "protocol": find_protocol("small"), **changes}
        checkpoint = settings.pop("checkpoint", TrialFolder(searched).milestone(epoch))
        if "previous" in settings:
            settings["previous"] = AllocationFolder(settings["previous"])
        return allocate_milestone(checkpoint, AllocationFolder(folder), folder, device=torch.device("cpu"), **settings)

    return run


@pytest.fixture(scope="session")
def folder(allocate: Allocate, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the allocation folder of epoch 2, with that of epoch 1 beside it."""
    parent = tmp_path_factory.mktemp("allocations")
    allocate(parent / "epoch_0001", 1)
    allocate(parent / "epoch_0002", 2, previous=parent / "epoch_0001")
    return parent / "epoch_0002"


def state_of(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}


def test_files_and_summary(folder: Path, searched: Path) -> None:
    summary = read_json(folder / "allocation.json")
    assert {path.name for path in folder.iterdir()} == {
        "scores.parquet",
        "genotype.json",
        "allocation.json",
        *(f"plan_{name}.json" for name in NAMES),
    }
    assert (summary["epoch"], summary["ranking"]) == (2, "taylor")
    assert summary["genotype"] == read_json(folder / "genotype.json") == read_json(searched / "record.json")["genotype"]
    assert list(summary["plans"]) == list(NAMES)
    assert summary["seconds"] > 0
    genotype = Genotype.from_json(summary["genotype"])
    protocol = find_protocol("small")
    for name in NAMES:
        plan = ChannelPlan.from_json(read_json(AllocationFolder(folder).plan(name)))
        found = summary["plans"][name]
        assert (plan.allocation, plan.ranking) == (name, "taylor")
        assert found["kept_share"] == [[edge.kept_fraction for edge in stage] for stage in plan.stages]
        shares = [share for stage in found["kept_share"] for share in stage]
        assert found["refilled_share"] == pytest.approx(1 - sum(shares) / len(shares))
        network = DerivedNetwork(
            genotype, plan, channels=protocol.channels, num_cells=protocol.num_cells, num_classes=10, in_channels=1
        )
        assert found["parameters"] == sum(parameter.numel() for parameter in network.parameters())
        cost = derived_cost(genotype, plan, channels=8, num_cells=5, num_classes=10, in_channels=1, height=8, width=8)
        assert (found["parameters"], found["macs"]) == cost
    assert summary["plans"]["all"]["refilled_share"] == 0


def test_a_repeated_allocation_only_reads(folder: Path, allocate: Allocate) -> None:
    before = state_of(folder)
    summary = allocate(folder, previous=folder.with_name("epoch_0001"))
    assert state_of(folder) == before
    assert summary == AllocationSummary.read(AllocationFolder(folder))


def test_a_complete_allocation_needs_no_checkpoint(folder: Path, allocate: Allocate, tmp_path: Path) -> None:
    fingerprint = AllocationSummary.read(AllocationFolder(folder)).question.fingerprint
    gone = {"checkpoint": tmp_path / "gone.ckpt", "previous": folder.with_name("epoch_0001")}
    assert allocate(folder, identity=(fingerprint, 2), **gone) == allocate(folder)
    with pytest.raises(CheckpointError, match=r"gone\.ckpt"):
        allocate(folder, identity=(fingerprint, 2), ranking="l1", **gone)


def test_what_other_versions_of_plugins_made_is_made_again(allocate: Allocate, tmp_path: Path) -> None:
    def made_again(code: dict[str, str]) -> set[str]:
        before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir() if path.name != "allocation.json"}
        allocate(tmp_path, code=code)
        return {path.name for path, time_ns in before.items() if path.stat().st_mtime_ns != time_ns}

    first, second = "a" * 64, "b" * 64
    code = {"ranker taylor": first, "rule sign": first, "control uniform": first}
    plans = {f"plan_{name}.json" for name in NAMES}
    allocate(tmp_path, code=code)
    assert made_again(code) == set()
    code["control uniform"] = second
    assert made_again(code) == {"plan_sign_uniform.json"}
    code["rule sign"] = second
    assert made_again(code) == {"plan_sign.json", "plan_sign_uniform.json"}
    assert made_again(code) == set()
    assert made_again({**code, "ranker taylor": second}) == {"scores.parquet", "genotype.json", *plans}


def test_the_checkpoint_of_another_milestone_is_refused(searched: Path, allocate: Allocate, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"epoch_0001\.ckpt: must be epoch 2"):
        allocate(tmp_path, 1, identity=(read_header(TrialFolder(searched).milestone(1))["fingerprint"], 2))


def copied(folder: Path, target: Path) -> Path:
    """Copy the files of an allocation folder; return the copy."""
    target.mkdir()
    for path in folder.iterdir():
        (target / path.name).write_bytes(path.read_bytes())
    return target


def test_another_ranker_ranks_again(folder: Path, allocate: Allocate, tmp_path: Path) -> None:
    target = copied(folder, tmp_path / "allocation")
    summary = allocate(target, ranking="l1", plans=(PlanKind("otsu"),))
    assert (summary.ranking, list(summary.plans)) == ("l1", ["otsu"])
    assert ChannelScores.read_parquet(target / "scores.parquet").ranking == "l1"


def test_plans_are_added_to_existing_ones(
    folder: Path, allocate: Allocate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = (*PLANS[:1], PlanKind("otsu"), PlanKind("otsu", "random"))
    before = folder.with_name("epoch_0001")
    allocate(tmp_path / "one", 1, plans=(*PLANS, *more))
    at_once = allocate(tmp_path / "two", plans=(*PLANS, *more), previous=tmp_path / "one")
    grown = copied(folder, tmp_path / "grown")
    kept = state_of(grown)
    # Only the header of the checkpoint is read: the scores are not computed again.
    monkeypatch.setattr("aca_ray.trials.allocating.read_checkpoint", None)
    summary = allocate(grown, plans=more, previous=before)
    assert set(summary.plans) == {*NAMES, "otsu", "otsu_random"}
    for name in ("otsu", "otsu_random"):
        assert (
            AllocationFolder(grown).plan(name).read_bytes()
            == AllocationFolder(tmp_path / "two").plan(name).read_bytes()
        )
    for name in ("scores.parquet", "genotype.json", *(f"plan_{name}.json" for name in NAMES)):
        assert state_of(grown)[name] == kept[name]
    assert summary.seconds > read_json(folder / "allocation.json")["seconds"]
    assert replace(summary, seconds=0.0) == replace(at_once, seconds=0.0)
    assert set(allocate(grown, previous=before).plans) == set(summary.plans)  # the requested ones are among them


def test_another_main_plan_or_protocol_changes_only_the_summary(
    folder: Path, allocate: Allocate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grown = copied(folder, tmp_path / "grown")
    monkeypatch.setattr("aca_ray.trials.allocating.read_checkpoint", None)
    settings = {"plans": PLANS[::-1], "previous": folder.with_name("epoch_0001")}
    small, large = allocate(grown, **settings), allocate(grown, protocol=find_protocol("nasbench201"), **settings)
    assert small.agreement is not None
    assert small.agreement.jaccard == 1.0  # the plans keep all channels
    before = AllocationSummary.read(AllocationFolder(folder))
    for name in NAMES:
        assert small.plans[name] == before.plans[name]
        assert large.plans[name].kept_share == small.plans[name].kept_share
        assert large.plans[name].parameters > 4 * small.plans[name].parameters


@pytest.mark.parametrize("damaged", ["scores.parquet", "genotype.json", "plan_sign.json"])
def test_damaged_files_are_ranked_again(folder: Path, allocate: Allocate, tmp_path: Path, damaged: str) -> None:
    target = copied(folder, tmp_path / "allocation")
    (target / damaged).write_bytes(b"half a file")
    allocate(target, plans=(*PLANS, PlanKind("otsu")), previous=folder.with_name("epoch_0001"))
    for name in ("scores.parquet", "genotype.json", "plan_sign.json"):
        assert (target / name).read_bytes() == (folder / name).read_bytes()


def test_the_same_bits_in_another_folder(folder: Path, allocate: Allocate, tmp_path: Path) -> None:
    torch.manual_seed(999)
    summary = allocate(tmp_path, previous=folder.with_name("epoch_0001"))
    assert ChannelScores.read_parquet(tmp_path / "scores.parquet") == ChannelScores.read_parquet(
        folder / "scores.parquet"
    )
    for name in NAMES:
        assert AllocationFolder(tmp_path).plan(name).read_bytes() == AllocationFolder(folder).plan(name).read_bytes()
    expected = AllocationSummary.read(AllocationFolder(folder))
    assert replace(summary, seconds=0.0) == replace(expected, seconds=0.0)


def test_a_search_in_bfloat16_is_ranked_in_float32(
    folder: Path, searched: Path, allocate: Allocate, tmp_path: Path
) -> None:
    header, state = read_checkpoint(TrialFolder(searched).milestone(2))
    trial = {**header["trial"], "precision": "bfloat16"}
    rounded = {**header, "trial": trial, "record": {**header["record"], "trial": trial}}
    path = tmp_path / "rounded.ckpt"
    write_checkpoint(path, rounded, state)
    allocate(tmp_path / "out", checkpoint=path)
    found, expected = (ChannelScores.read_parquet(of / "scores.parquet") for of in (tmp_path / "out", folder))
    assert found == expected


def test_an_allocation_without_summary_is_computed_again(folder: Path, allocate: Allocate, tmp_path: Path) -> None:
    (tmp_path / "scores.parquet").write_bytes(b"half a file")
    allocate(tmp_path)
    assert ChannelScores.read_parquet(tmp_path / "scores.parquet") == ChannelScores.read_parquet(
        folder / "scores.parquet"
    )


def test_agreement_with_the_milestone_before(folder: Path, allocate: Allocate, tmp_path: Path) -> None:
    assert read_json(folder.with_name("epoch_0001") / "allocation.json")["agreement"] is None
    agreement = read_json(folder / "allocation.json")["agreement"]
    assert agreement["previous_epoch"] == 1
    assert agreement["kendall_tau"] is None or -1 <= agreement["kendall_tau"] < 1
    assert agreement["jaccard"] is None or 0 <= agreement["jaccard"] <= 1
    itself = allocate(tmp_path, previous=folder).agreement
    assert itself == Agreement(2, kendall_tau=pytest.approx(1.0), jaccard=pytest.approx(1.0))


def test_only_the_checkpoint_of_a_search(tmp_path: Path, searched: Path, allocate: Allocate) -> None:
    path = tmp_path / "other.ckpt"
    write_checkpoint(path, {"kind": "retraining", "fingerprint": "0" * 64, "epoch": 1}, {})
    with pytest.raises(CheckpointError, match=r"other\.ckpt: .*search.*'retraining'"):
        allocate(tmp_path / "out", checkpoint=path)
    write_checkpoint(path, {**read_header(TrialFolder(searched).milestone(2)), "epoch": 2}, {})
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(CheckpointError, match=r"other\.ckpt: .*truncated"):
        allocate(tmp_path / "out", checkpoint=path)
    assert not (tmp_path / "out").exists()


def test_ranking_orders_collect_all_problems(tmp_path: Path, searched: Path) -> None:
    write_checkpoint(tmp_path / "other.ckpt", {"kind": "retraining", "fingerprint": "0" * 64, "epoch": 1}, {})
    (tmp_path / "foreign.ckpt").write_text("text")
    with pytest.raises(ConfigError) as caught:
        ranking_orders(
            [
                tmp_path / "none.ckpt",
                TrialFolder(searched).milestone(1),
                tmp_path / "other.ckpt",
                tmp_path / "foreign.ckpt",
            ],
            ["l1", "tailor"],
            ["sign", "signs"],
            "smal",
            None,
            None,
        )
    found = caught.value.problems
    assert len(found) == 6
    unknown = [("ranking", "tailor", "taylor"), ("allocation", "signs", "sign"), ("protocol", "smal", "small")]
    for problem, (place, name, hint) in zip(found[:3], unknown, strict=True):
        assert problem.startswith(f"{place}: ")
        assert f"'{name}'. Did you mean {hint}?" in problem
    assert "none.ckpt: " in found[3]
    assert "other.ckpt: " in found[4]
    assert "'retraining'" in found[4]
    assert "foreign.ckpt: " in found[5]
    with pytest.raises(ConfigError, match=r"rank: .*checkpoint.*sweep"):
        ranking_orders([], [], [], "small", None, None)


def test_ranking_order_of_a_checkpoint_given_by_path(tmp_path: Path, searched: Path) -> None:
    milestones = [TrialFolder(searched).milestone(1), TrialFolder(searched).milestone(2)]
    orders = ranking_orders(milestones, ["random", "l1"], ["otsu"], "small", tmp_path, tmp_path / "out")
    assert [order.ranking for order in orders] == ["random", "l1"] * 2
    assert {order.folder.path.parent for order in orders} == {(tmp_path / "out").resolve()}
    assert len({order.folder for order in orders}) == 4
    second = orders[3]
    summary = second.carry_out(threads=1, gpus=0)
    assert (summary.epoch, list(summary.plans)) == (2, ["otsu"])
    assert (second.folder.picture).read_bytes().startswith(b"<svg")
    (beside,) = ranking_orders([TrialFolder(searched).milestone(1)], [], [], None, None, None)
    assert beside.protocol == "cifar"
    assert beside.folder.path.parent == (searched / "milestones").resolve()
    assert beside.base == Path.cwd()  # the checkpoint is in no sweep
