"""Shared retrainings: their identity, the copied records, and exports of a copy."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from aca_ray.config import RetrainingTrial, SearchTrial, parse_spec
from aca_ray.errors import CheckpointError
from aca_ray.records import TrialFolder, TrialRecord
from aca_ray.retraining import find_protocol
from aca_ray.space import PUBLISHED, ChannelPlan, Genotype
from aca_ray.space.channel_plan import EdgePlan
from aca_ray.storage import read_checkpoint, write_json
from aca_ray.sweep.exporting import read_named
from aca_ray.sweep.manifest import Sweep, create_sweep
from aca_ray.sweep.orders import NetworkOrder, network_orders, plans_of, rankings_of, search_orders
from aca_ray.sweep.sharing import SharedTrainings, lost_its_source, network_identity, share_result
from aca_ray.sweep.vocabulary import vocabulary
from aca_ray.trials.allocating import allocate_milestone
from aca_ray.trials.network_files import read_network
from aca_ray.trials.new_record import new_search
from aca_ray.trials.resumable import ResumableTrial

CPU = torch.device("cpu")
DATA = {"name": "digits", "max_train_images": 64, "max_test_images": 32}
STAGE_CHANNELS = (4, 8, 8, 16, 16)
DARTS_V1, DARTS_V2 = PUBLISHED["DARTS_V1"], PUBLISHED["DARTS_V2"]

TEXT = """name: shared
experiment:
  methods: darts
  spaces: s4
  data: {{name: digits, max_train_images: 64, max_test_images: 32}}
  seeds: 0
  epochs: 1
  network: {{channels: 4, cells: 3}}
  batch_size: 16
  allocation: [all, rounded]
  controls: random
  retraining: {{protocol: small}}
runtime: {{storage: {storage}}}
"""


def plan_of(genotype: Genotype, kept: float, reverse: bool = False) -> ChannelPlan:
    """Return a plan that keeps a share of every edge."""
    stages = []
    for stage, channels in enumerate(STAGE_CHANNELS):
        order = tuple(range(channels))[:: -1 if reverse else 1]
        cell = genotype.reduce if stage % 2 else genotype.normal
        stages.append(tuple(EdgePlan(kept, order) for _ in cell.edges))
    return ChannelPlan("taylor", "any", tuple(stages))


@pytest.fixture
def make_order(make_trial: Callable[..., SearchTrial], tmp_path: Path) -> Callable[..., NetworkOrder]:
    """Return a function that makes the order for retraining the result of a finished search."""

    def make(genotype: Genotype, plan: ChannelPlan | None, seed: int = 0, **changes: Any) -> NetworkOrder:
        search = make_trial(seed=seed)
        folder = tmp_path / search.short
        replace(new_search(search), epoch=2, genotype=genotype).write(folder)
        pair = ("taylor", "sign")
        if plan is None:
            pair = (None, "all")
        else:
            target = TrialFolder(folder).allocation(search.epochs, "taylor")
            write_json(target.genotype, genotype.to_json())
            write_json(target.plan("sign"), plan.to_json())
        trial = replace(RetrainingTrial.of_search(search, "small", 0, *pair), **changes)
        return NetworkOrder(trial, tmp_path / trial.short, tmp_path, search, folder)

    return make


def _identity(order: NetworkOrder) -> str:
    assert isinstance(order.trial, RetrainingTrial)
    return network_identity(order, order.trial)


def test_identity_is_the_network_and_how_it_is_trained(make_order: Callable[..., NetworkOrder]) -> None:
    plain = _identity(make_order(DARTS_V2, None))
    same = [
        make_order(DARTS_V2, None, seed=1),
        make_order(DARTS_V2, None, method="gdas", space="s2", epochs=50, skip="searched", allocation=None),
        make_order(DARTS_V2, plan_of(DARTS_V2, 1.0), seed=2),
        make_order(DARTS_V2, plan_of(DARTS_V2, 1.0, reverse=True), seed=3),
    ]
    assert {_identity(order) for order in same} == {plain}
    others = [
        make_order(DARTS_V1, None, seed=4),
        make_order(DARTS_V2, None, retrain_seed=1),
        make_order(DARTS_V2, None, protocol="cifar"),
        make_order(DARTS_V2, None, data={**DATA, "max_train_images": 32}),
        make_order(DARTS_V2, plan_of(DARTS_V2, 0.0), seed=5),
        make_order(DARTS_V2, plan_of(DARTS_V2, 0.5), seed=6),
        make_order(DARTS_V2, plan_of(DARTS_V2, 0.5, reverse=True), seed=7),
    ]
    assert len({plain, *(_identity(order) for order in others)}) == 1 + len(others)
    whole = make_order(DARTS_V2, plan_of(DARTS_V2, 0.0, reverse=True), seed=8)
    assert _identity(whole) == _identity(others[4])


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory, finish: Callable[[ResumableTrial], ResumableTrial]) -> Sweep:
    """Return a sweep of finished and ranked searches on a space without skips, so that all searches find one cell."""
    base = tmp_path_factory.mktemp("base")
    text = TEXT.format(storage=base / "results")
    sweep = create_sweep(parse_spec(text, vocabulary(base)), base, text)
    for search in search_orders(sweep):
        finish(search.open(CPU))
        if search.trial.skip == "allocated":
            allocate_milestone(
                TrialFolder(search.folder).milestone(1),
                TrialFolder(search.folder).allocation(1, rankings_of(sweep)[0]),
                base,
                ranking=rankings_of(sweep)[0],
                plans=plans_of(sweep),
                protocol=find_protocol("small"),
                device=CPU,
            )
    return sweep


@pytest.fixture
def orders(sweep: Sweep, tmp_path: Path) -> dict[str, NetworkOrder]:
    """Return the sweep's retrainings by the network they retrain, in a copy of its folder."""
    shutil.copytree(sweep.folder.path, tmp_path / "shared")
    storage = tmp_path / "shared" / "retrainings"
    found = {}
    for search in search_orders(sweep):
        for order in network_orders(sweep, search):
            trial = order.trial
            name = trial.control or trial.allocation or "searched"
            found[name] = replace(order, folder=storage / trial.short)
    return found


def test_trained_once_and_recorded_for_each_search(
    orders: dict[str, NetworkOrder], finish: Callable[[ResumableTrial], ResumableTrial]
) -> None:
    assert set(orders) == {"searched", "all", "rounded", "random"}
    asked, shared = [], []
    sharing = SharedTrainings(asked.append, lambda order, source: shared.append((order, source)))
    for name in ("all", "searched", "rounded", "random"):
        sharing.add(orders[name])
    # With whole edges, the order of the channels is irrelevant.
    assert asked == [orders["all"], orders["rounded"]]
    trained = finish(orders["all"].open(CPU))
    sharing.finished(orders["all"])
    assert shared == [(orders["searched"], trained.folder)]
    share_result(*shared[0])

    source, copy = TrialRecord.read(trained.folder), TrialRecord.read(orders["searched"].folder)
    assert source is not None
    assert copy is not None
    assert source.shared_with is None
    assert copy.shared_with == source.fingerprint == orders["all"].trial.fingerprint
    assert (copy.fingerprint, copy.trial) == (orders["searched"].trial.fingerprint, orders["searched"].trial)
    for name in ("state", "epoch", "num_epochs", "rows", "result", "genotype", "data_info", "environment"):
        assert getattr(copy, name) == getattr(source, name)
    assert copy.state == "finished"
    assert copy.milestones == ()
    assert {path.name for path in orders["searched"].folder.iterdir()} == {"network.json", "record.json"}
    assert read_network(orders["searched"].folder / "network.json")[0] == source.genotype
    opened = orders["searched"].open(CPU)  # as a driver without sharing would
    assert opened.finished


def test_a_copy_equals_the_result_of_training(
    orders: dict[str, NetworkOrder], finish: Callable[[ResumableTrial], ResumableTrial], differences: Any
) -> None:
    results = []
    for name in ("searched", "all"):
        trial = finish(orders[name].open(CPU))
        _, state = read_checkpoint(TrialFolder(trial.folder).milestone(trial.record.num_epochs))
        results.append((trial.record.result, state["work"]["network"]))
    assert results[0][0] == results[1][0]
    assert not differences(results[0][1], results[1][1])


def test_the_weights_of_a_copy_are_exported(
    orders: dict[str, NetworkOrder], finish: Callable[[ResumableTrial], ResumableTrial], differences: Any
) -> None:
    trained = finish(orders["searched"].open(CPU))
    share_result(orders["all"], trained.folder)
    source, copy = (
        read_named(str(folder), folder.parent).exported for folder in (trained.folder, orders["all"].folder)
    )
    assert copy.weights is not None
    assert not differences(dict(copy.weights), dict(source.weights or {}))
    assert copy.test_accuracy == source.test_accuracy
    assert copy.trial is not None
    assert copy.trial["fingerprint"] == orders["all"].trial.fingerprint
    shutil.rmtree(trained.folder)
    with pytest.raises(CheckpointError, match=r"are gone .*put the file back, delete the folder"):
        read_named(str(orders["all"].folder), orders["all"].folder.parent)


def test_a_copy_without_its_source_is_trained_again(
    orders: dict[str, NetworkOrder], finish: Callable[[ResumableTrial], ResumableTrial]
) -> None:
    trained = finish(orders["searched"].open(CPU))
    share_result(orders["all"], trained.folder)
    assert not any(map(lost_its_source, orders.values()))
    shutil.rmtree(trained.folder)
    assert [name for name, order in orders.items() if lost_its_source(order)] == ["all"]


def test_the_next_one_is_trained_if_the_first_fails(orders: dict[str, NetworkOrder]) -> None:
    asked: list[NetworkOrder] = []
    sharing = SharedTrainings(asked.append, lambda order, source: pytest.fail("nothing is trained"))
    sharing.reserve(orders["all"])
    for name in ("searched", "all"):
        sharing.add(orders[name])
    assert asked == [orders["all"]]
    sharing.failed(orders["searched"])  # which was waiting
    assert asked == [orders["all"]]
    sharing.failed(orders["all"])
    assert asked == [orders["all"], orders["searched"]]


def test_a_network_that_cannot_be_read_has_no_equals(orders: dict[str, NetworkOrder]) -> None:
    asked: list[NetworkOrder] = []
    sharing = SharedTrainings(asked.append, lambda order, source: pytest.fail("nothing is trained"))
    gone = [replace(orders[name], search_folder=orders[name].folder / "gone") for name in ("searched", "all")]
    for order in gone:
        sharing.add(order)
    assert asked == gone  # each reports the problem itself
