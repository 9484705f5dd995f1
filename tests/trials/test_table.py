"""A sweep on NAS-Bench-201 with look-ups, from the spec to the records."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Collection
from pathlib import Path

import pytest
import torch

from aca_ray.benchmark import load_table
from aca_ray.channels import ChannelScores
from aca_ray.config import LookUpTrial, SweepSpec, parse_spec
from aca_ray.errors import ConfigError, DataError
from aca_ray.records import LookUpRecord, SearchRecord, TableFacts, TrialFolder
from aca_ray.retraining import find_protocol
from aca_ray.space.nasbench201 import architecture_string
from aca_ray.sweep.manifest import Sweep, create_sweep
from aca_ray.sweep.orders import NetworkOrder, network_orders, plans_of, search_orders
from aca_ray.sweep.planning import plan_sweep
from aca_ray.sweep.vocabulary import vocabulary
from aca_ray.trials.allocating import allocate_milestone
from aca_ray.trials.looking_up import LookUp
from aca_ray.trials.network_files import read_network
from aca_ray.trials.resumable import ResumableTrial

CPU = torch.device("cpu")
NAMES = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
ALL_SKIP = "|skip_connect~0|+|skip_connect~0|skip_connect~1|+|skip_connect~0|skip_connect~1|skip_connect~2|"
SPEC = """
name: {name}
experiment:
  methods: darts
  skip: {skip}
  spaces: nasbench201
  data: {{name: digits, max_train_images: 32, max_test_images: 16}}
  seeds: 0
  epochs: {epochs}
  network: {{channels: 4, cells: 5}}
  batch_size: 16
  {more}
  {networks}
"""
USERS = "table: {path: table.csv, architecture: arch, accuracy: top1}"
SHIPPED = "table: nasbench201"

Start = Callable[..., Sweep]


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Start:
    """Return a function that creates a sweep in the test's folder."""
    monkeypatch.chdir(tmp_path)

    def create(networks: str, skip: str = "searched", epochs: int = 3, more: str = "") -> Sweep:
        name = f"sweep-{len(list(tmp_path.glob('results/*')))}"
        text = SPEC.format(name=name, networks=networks, skip=skip, epochs=epochs, more=more)
        return create_sweep(parse_spec(text, vocabulary(tmp_path)), tmp_path, text)

    return create


def search_of(sweep: Sweep) -> SearchRecord:
    """Run the only search of a sweep, allocate its milestones, and return its record."""
    (search,) = search_orders(sweep)
    trial = search.open(CPU)
    while not trial.finished:
        trial.advance()
    if search.trial.skip == "allocated":
        for epoch in search.trial.milestones:
            allocate_milestone(
                TrialFolder(search.folder).milestone(epoch),
                TrialFolder(search.folder).allocation(epoch, "taylor_identity"),
                sweep.base,
                ranking="taylor_identity",
                plans=plans_of(sweep),
                protocol=find_protocol("nasbench201"),
                device=CPU,
            )
    record = SearchRecord.read(search.folder)
    assert record is not None
    return record


def look_up(order: NetworkOrder) -> LookUpRecord:
    trial = order.open(CPU)
    assert isinstance(trial, LookUp)
    trial.advance()
    assert trial.finished
    record = LookUpRecord.read(order.folder)
    assert record is not None
    assert {path.name for path in order.folder.iterdir()} == {"network.json", "record.json"}  # no checkpoints
    return record


def write_table(path: Path, without: Collection[str] = ()) -> dict[str, float]:
    """Write all architectures of the space with distinct accuracies; return these as fractions."""
    names = [f"|{a}~0|+|{b}~0|{c}~1|+|{d}~0|{e}~1|{f}~2|" for a, b, c, d, e, f in itertools.product(NAMES, repeat=6)]
    table = {name: (50 + index / 400) / 100 for index, name in enumerate(names) if name not in without}
    path.write_text("arch,top1\n" + "".join(f"{name},{100 * value!r}\n" for name, value in table.items()))
    return table


@pytest.mark.parametrize("skip", ["searched", "allocated"])
def test_every_epoch_is_looked_up(skip: str, start: Start) -> None:
    sweep = start(SHIPPED, skip)
    searched = search_of(sweep)
    (search,) = search_orders(sweep)
    order = next(order for order in network_orders(sweep, search) if order.trial.ranking is None)
    assert order.trial.allocation == (None if skip == "searched" else "all")
    record = look_up(order)
    accuracies = load_table("nasbench201").accuracies
    assert [row.epoch for row in record.rows] == [1, 2, 3]
    for row, found in zip(record.rows, searched.rows, strict=True):
        accuracy = accuracies[architecture_string(found.architecture.genotype)]
        better = sum(other > accuracy for other in accuracies.values())
        assert row.accuracy == accuracy
        assert row.regret == pytest.approx(0.9437333 - accuracy, abs=1e-6)
        assert row.rank == better + 1
    assert record.result is not None
    last = record.rows[-1]
    assert (record.result.test_accuracy, record.result.regret, record.result.rank) == (
        last.accuracy,
        last.regret,
        last.rank,
    )
    assert record.result.best_test_accuracy == max(row.accuracy for row in record.rows)
    assert record.result.table == TableFacts(
        architectures=15_625, best=pytest.approx(0.94373, abs=5e-6), all_skips=pytest.approx(0.54297, abs=5e-6)
    )
    assert (record.epoch, record.num_epochs) == (3, 3)
    assert record.genotype == searched.genotype
    assert read_network(order.folder / "network.json") == (searched.genotype, None)


def test_rounded_plans_are_looked_up_at_the_milestones(start: Start) -> None:
    sweep = start("table: nasbench201\n  controls: shuffled", "allocated", epochs=8)
    searched = search_of(sweep)
    assert searched.milestones == (2, 4, 6, 8)
    (search,) = search_orders(sweep)
    orders = {(order.trial.allocation, order.trial.control): order for order in network_orders(sweep, search)}
    assert list(orders) == [("all", None), ("rounded", None), ("rounded", "shuffled")]
    record = look_up(orders["rounded", None])
    accuracies = load_table("nasbench201").accuracies
    assert [row.epoch for row in record.rows] == [2, 4, 6, 8]
    for row in record.rows:
        folder = TrialFolder(search.folder).allocation(row.epoch, "taylor_identity")
        # Reference: an edge becomes a skip if most of its channels have a score of 0 or less.
        scores = ChannelScores.read_parquet(folder.scores)
        found = searched.rows[row.epoch - 1].architecture.genotype.normal.edges
        kept: dict[int, list[bool]] = {}
        for edge in scores.edges:
            kept.setdefault(edge.genotype_edge, []).extend(score > 0 for score in edge.scores)
        operations = {
            (source, target): operation if 2 * sum(kept[index]) >= len(kept[index]) else "skip_connect"
            for index, (operation, source, target) in enumerate(found)
        }
        a, b, c, d, e, f = (
            operations.get((source, target), "none").removeprefix("plain_")
            for target in (1, 2, 3)
            for source in range(target)
        )
        name = f"|{a}~0|+|{b}~0|{c}~1|+|{d}~0|{e}~1|{f}~2|"
        assert row.accuracy == accuracies[name]
    assert record.result is not None
    assert record.genotype is not None
    assert architecture_string(record.genotype) == name
    assert record.result.num_skips == name.count("skip_connect")
    assert record.result.refilled_share == pytest.approx(name.count("skip_connect") / max(1, len(found)))
    shuffled = look_up(orders["rounded", "shuffled"])
    assert shuffled.result is not None
    assert shuffled.result.num_skips == record.result.num_skips
    assert [row.epoch for row in shuffled.rows] == [2, 4, 6, 8]


def test_costs_are_those_of_the_benchmarks_network(start: Start) -> None:
    sweep = start(SHIPPED, epochs=1)
    search_of(sweep)
    (order,) = network_orders(sweep, search_orders(sweep)[0])
    record = look_up(order)
    assert record.result is not None
    # Stem, residual blocks and head of the benchmark's CIFAR-10 network, without any cell, have 73,306 parameters.
    cell = {"nor_conv_3x3": 9, "nor_conv_1x1": 1}
    per_width = sum(cell.get(edge.operation, 0) for edge in record.genotype.normal.edges)
    norms = sum(edge.operation in cell for edge in record.genotype.normal.edges)
    cells = 5 * sum(per_width * width**2 + norms * 2 * width for width in (16, 32, 64))
    assert record.result.parameters == 73_306 + cells


def test_a_users_table_that_lacks_cells(start: Start, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    sweep = start(USERS, epochs=6)
    searched = search_of(sweep)
    (order,) = network_orders(sweep, search_orders(sweep)[0])
    found = [architecture_string(row.architecture.genotype) for row in searched.rows]
    lacking = set(found) - {found[-1]}
    assert lacking  # else use a seed whose search changes its genotype
    table = write_table(tmp_path / "table.csv", without=lacking)
    with caplog.at_level(logging.WARNING):
        record = look_up(order)
    values = [row.accuracy for row in record.rows]
    assert [value is None for value in values] == [name in lacking for name in found]
    assert f"{values.count(None)} of 6" in caplog.text
    assert record.result is not None
    assert record.result.test_accuracy == values[-1] == pytest.approx(table[found[-1]])
    assert record.result.table == TableFacts(
        architectures=len(table),
        best=pytest.approx(max(table.values())),
        all_skips=pytest.approx(table[ALL_SKIP]),
    )


def test_a_users_table_that_lacks_the_last_cell(start: Start, tmp_path: Path) -> None:
    sweep = start(USERS, epochs=1)
    searched = search_of(sweep)
    last = architecture_string(searched.genotype)
    write_table(tmp_path / "table.csv", without={last})
    (order,) = network_orders(sweep, search_orders(sweep)[0])
    with pytest.raises(DataError) as caught:
        order.open(CPU).advance()
    assert last in str(caught.value)
    assert str(tmp_path / "table.csv") in str(caught.value)


def test_retrainings_and_look_ups_of_a_spec(start: Start) -> None:
    def networks(settings: str, more: str = "") -> list[tuple[str | None, str | None, bool]]:
        sweep = start(settings, "allocated", 3, more)
        (search,) = search_orders(sweep)
        return [
            (order.trial.allocation, order.trial.control, isinstance(order.trial, LookUpTrial))
            for order in network_orders(sweep, search)
        ]

    assert networks(SHIPPED) == [("all", None, True), ("rounded", None, True)]
    both = networks(
        "table: nasbench201\n  controls: uniform\n  retraining: {protocol: small}", "allocation: [sign, rounded]"
    )
    assert both == [
        ("all", None, False),
        ("all", None, True),
        ("sign", None, False),
        ("sign", "uniform", False),
        ("rounded", None, False),
        ("rounded", None, True),
        ("rounded", "uniform", False),
    ]
    with pytest.raises(ConfigError, match=r"allocation\[0\]"):
        start(SHIPPED, "allocated", 3, "allocation: sign")


def test_a_finished_look_up_is_not_repeated(start: Start) -> None:
    sweep = start(SHIPPED, epochs=1)
    search_of(sweep)
    (order,) = network_orders(sweep, search_orders(sweep)[0])
    look_up(order)
    before = (order.folder / "record.json").read_bytes()
    again = order.open(CPU)
    assert again.finished
    again.advance()
    assert (order.folder / "record.json").read_bytes() == before


def test_retraining_and_table_together(start: Start) -> None:
    sweep = start("table: nasbench201\n  retraining: {protocol: small}", epochs=1)
    search_of(sweep)
    retrained, looked_up = network_orders(sweep, search_orders(sweep)[0])
    assert isinstance(retrained.open(CPU), ResumableTrial)
    assert look_up(looked_up).result is not None


def test_a_missing_table_is_found_before_anything_starts(tmp_path: Path) -> None:
    text = SPEC.format(name="absent", networks=USERS, skip="searched", epochs=1, more="")
    spec: SweepSpec = parse_spec(text, vocabulary(tmp_path))
    with pytest.raises(ConfigError, match=r"experiment\.table: .*table\.csv: .*CSV or Parquet"):
        plan_sweep(spec, tmp_path)
