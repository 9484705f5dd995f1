"""The manifest of a sweep: its versions, sweeps found by name or path, and sweeps that have moved."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from aca_ray.config import SweepSpec, parse_spec
from aca_ray.errors import ConfigError, MalformedFileError, StorageError
from aca_ray.storage import read_json, write_json
from aca_ray.sweep.manifest import Sweep, create_sweep, find_sweep, settle_sweep, sweep_names
from aca_ray.sweep.orders import (
    all_orders,
    needs_ranking,
    network_orders,
    order_from_json,
    rankings_of,
    search_orders,
)
from aca_ray.sweep.vocabulary import vocabulary

TEXT = """name: {name}
experiment:
  methods: darts
  data: digits
  seeds: {seeds}
  epochs: [1, 2]
  network: {{channels: 4, cells: 3}}
  controls: [uniform]
  retraining: {{protocol: small, seeds: [0, 1]}}
runtime: {{storage: {storage}, max_concurrent: {concurrent}}}
"""
Create = Callable[..., Sweep]


@pytest.fixture
def storage(tmp_path: Path) -> Path:
    return tmp_path / "results"


@pytest.fixture
def create(tmp_path: Path, storage: Path) -> Create:
    def make(name: str = "first", seeds: str = "[0]", concurrent: int = 1) -> Sweep:
        text = TEXT.format(name=name, seeds=seeds, storage=storage, concurrent=concurrent)
        return create_sweep(parse_spec(text, vocabulary(tmp_path)), tmp_path, text)

    return make


def test_created_and_found(create: Create, storage: Path, tmp_path: Path) -> None:
    sweep = create()
    assert sweep.folder.path == (storage / "first").resolve()
    assert {path.name for path in sweep.folder.path.iterdir()} == {"sweep.json", "spec.yaml"}
    for name in ("first", str(sweep.folder.path)):
        found = find_sweep(name, storage)
        assert found == sweep
        assert found.fingerprint == sweep.fingerprint
    value = read_json(sweep.folder.manifest)
    assert (value["name"], value["fingerprint"], value["base"]) == ("first", sweep.fingerprint, str(tmp_path.resolve()))
    assert SweepSpec.model_validate(value["spec"]) == sweep.spec
    assert sweep.folder.spec.read_text() == sweep.text


def test_repeating_a_spec_gives_the_same_sweep(create: Create, storage: Path) -> None:
    first = create()
    again = create(concurrent=2)  # runtime settings may change
    assert again.fingerprint == first.fingerprint
    assert find_sweep("first", storage).spec.runtime.max_concurrent == 2


def test_every_version_of_the_spec_is_kept(create: Create, storage: Path) -> None:
    first = create()
    grown = create(seeds="[0, 1]")
    runtime_only = create(seeds="[0, 1]", concurrent=2)
    found = find_sweep("first", storage)
    assert found == runtime_only
    assert [version.fingerprint for version in found.versions] == [first.fingerprint, grown.fingerprint]
    assert [version.text for version in found.versions] == [first.text, runtime_only.text]
    assert found.versions[0] == first.versions[0]
    assert found.versions[1].written_ms == grown.versions[1].written_ms >= first.versions[0].written_ms
    assert found.spec.experiment.seeds == (0, 1)
    assert found.fingerprint == grown.fingerprint
    assert found.identity == first.identity == first.fingerprint
    assert sweep_names(storage) == ["first"]


@pytest.mark.parametrize("key", ["versions", "folder", "spec_file", "base"])
def test_a_manifest_without_a_field_is_refused(create: Create, storage: Path, key: str) -> None:
    first = create()
    value = read_json(first.folder.manifest)
    del value[key]
    write_json(first.folder.manifest, value)
    with pytest.raises(MalformedFileError, match=rf"sweep\.json: {key} is missing"):
        find_sweep("first", storage)


def test_an_unknown_sweep(create: Create, storage: Path) -> None:
    with pytest.raises(ConfigError, match=r"'absent' in .*results.*: none$"):
        find_sweep("absent", storage)
    create("first")
    create("second")
    (storage / "mlflow-artifacts").mkdir()
    with pytest.raises(ConfigError, match=r"'frist' in .*results.*: first, second$"):
        find_sweep("frist", storage)


def test_damaged_manifests(create: Create, storage: Path) -> None:
    sweep = create()
    sweep.folder.manifest.write_text("{")
    with pytest.raises(StorageError, match=r"sweep\.json: .*JSON"):
        find_sweep("first", storage)
    with pytest.raises(StorageError, match=r"sweep\.json: .*JSON"):
        create()
    sweep.folder.manifest.write_text('{"schema": "aca_ray.sweep", "version": 2}')
    with pytest.raises(ConfigError, match=r"sweep\.json: .*version 1, found .*version 2"):
        find_sweep("first", storage)


def test_a_sweep_that_moved_with_its_spec(create: Create, storage: Path, tmp_path: Path) -> None:
    create()
    (tmp_path / "spec.yaml").touch()
    for name in ("there", "further"):  # the second move starts from the folder recorded after the first
        to = tmp_path.parent / f"{tmp_path.name} {name}"
        shutil.move(tmp_path if tmp_path.exists() else to.with_name(f"{tmp_path.name} there"), to)
        found = find_sweep("first", to / storage.name)
        assert found.base == to
        assert found.storage == to / storage.name
        settle_sweep(found)
    assert not tmp_path.exists()


def test_results_that_moved_alone(create: Create, storage: Path, tmp_path: Path) -> None:
    create()
    (tmp_path / "spec.yaml").touch()
    (tmp_path / "archive").mkdir()
    moved = storage.rename(tmp_path / "archive" / "results")
    found = find_sweep("first", moved)
    assert (found.base, found.storage) == (tmp_path, moved)
    settle_sweep(found)
    moved.rename(storage)
    assert find_sweep("first", storage).base == tmp_path


def test_a_sweep_that_stayed_is_only_read(create: Create, storage: Path) -> None:
    sweep = create()
    before = sweep.folder.manifest.read_bytes()
    settle_sweep(find_sweep("first", storage))
    assert sweep.folder.manifest.read_bytes() == before


def test_orders(create: Create) -> None:
    sweep = create(seeds="[0, 1]")
    searches = search_orders(sweep)
    assert len(searches) == 8
    orders = all_orders(sweep)
    # searched skips: two retrainings each; allocated ones: two without refilling, two by the rule and by its control
    assert len(orders) == 8 + 4 * 2 + 4 * 6
    assert len({order.folder for order in orders}) == len(orders)
    assert [order_from_json(order.to_json()) for order in orders] == orders
    for search in searches:
        assert search.folder == sweep.folder.path / "searches" / search.trial.fingerprint[:12]
        found = [order.trial for order in network_orders(sweep, search)]
        assert [trial.retrain_seed for trial in found] == [0, 1] * (len(found) // 2)
        plans = [(trial.ranking, trial.allocation, trial.control) for trial in found[::2]]
        if search.trial.skip == "searched":
            assert plans == [(None, None, None)]
        else:
            ranking = rankings_of(sweep)[0]
            assert plans == [(None, "all", None), (ranking, "sign", None), (ranking, "sign", "uniform")]


def test_without_refilling_nothing_needs_a_ranking(create: Create, tmp_path: Path) -> None:
    assert needs_ranking(create())
    text = "name: a\nexperiment: {methods: darts, data: digits, seeds: 0, epochs: 1, allocation: all}\n"
    sweep = create_sweep(parse_spec(text + f"runtime: {{storage: {tmp_path}}}", vocabulary(tmp_path)), tmp_path, text)
    assert not needs_ranking(sweep)
    trials = [order.trial for search in search_orders(sweep) for order in network_orders(sweep, search)]
    assert [(trial.ranking, trial.allocation) for trial in trials] == [(None, None), (None, "all")]
