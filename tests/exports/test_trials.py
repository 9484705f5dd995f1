"""Exports by the names of trials and genotypes, from a real small sweep: search, allocation, retrainings."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

import onnxruntime
import pytest
import torch
from torch import Tensor

from aca_ray import api
from aca_ray.cli import main
from aca_ray.config import parse_spec
from aca_ray.data import SOURCES, DataInfo
from aca_ray.errors import CheckpointError, ConfigError
from aca_ray.exports.network import logits_of
from aca_ray.nn import DerivedNetwork
from aca_ray.records import RetrainingRecord, SearchRecord, TrialFolder
from aca_ray.retraining import find_protocol
from aca_ray.space import PUBLISHED
from aca_ray.storage import read_checkpoint, read_json, write_checkpoint, write_json
from aca_ray.sweep.exporting import read_named
from aca_ray.sweep.manifest import Sweep, create_sweep
from aca_ray.sweep.orders import network_orders, plans_of, rankings_of, search_orders
from aca_ray.sweep.vocabulary import vocabulary
from aca_ray.trials.allocating import allocate_milestone
from aca_ray.trials.datasets import DataRef, describe_data, recorded_facts
from aca_ray.trials.network_files import read_network

if TYPE_CHECKING:
    from conftest import ObjectStore

torch.set_num_threads(1)
CPU = torch.device("cpu")

SPEC = """
name: small
experiment:
  methods: pc_darts
  skip: allocated
  data: {name: digits, max_train_images: 64, max_test_images: 32}
  seeds: 0
  epochs: 1
  network: {channels: 4, cells: 3}
  batch_size: 16
  controls: [uniform]
  skip_free: false
  retraining: {protocol: small}
"""


class Done(NamedTuple):
    """A sweep that is complete except for its last retraining."""

    storage: Path
    sweep: Sweep
    search: SearchRecord
    retraining: RetrainingRecord
    network: DerivedNetwork
    unfinished: RetrainingRecord


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    storage = tmp_path_factory.mktemp("storage")
    text = f"{SPEC}runtime: {{storage: {storage}}}\n"
    sweep = create_sweep(parse_spec(text, vocabulary(storage)), storage, text)
    (search,) = search_orders(sweep)
    found = search.open(CPU)
    while not found.finished:
        found.advance()
    allocate_milestone(
        TrialFolder(search.folder).milestone(1),
        TrialFolder(search.folder).allocation(1, rankings_of(sweep)[0]),
        storage,
        ranking=rankings_of(sweep)[0],
        plans=plans_of(sweep),
        protocol=find_protocol("small"),
        device=CPU,
    )
    first, second = (order.open(CPU) for order in network_orders(sweep, search))
    while not first.finished:
        first.advance()
    second.advance()
    second.save()
    network: Any = first._loop.work
    return Done(storage, sweep, found.record, first.record, network.network.eval(), second.record)


def read_python(path: Path) -> ModuleType:
    module = ModuleType(path.stem)
    module.__file__ = str(path)
    exec(path.read_text(), module.__dict__)
    return module


def run_onnx(path: Path, images: Tensor) -> Tensor:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return torch.from_numpy(session.run(None, {"images": images.numpy()})[0])


READERS: dict[str, Callable[[Path, Tensor], Tensor]] = {
    "network.onnx": run_onnx,
    "network.pt2": lambda path, images: logits_of(torch.export.load(path).module(), images),
    "network.py": lambda path, images: logits_of(read_python(path).build(), images),
}


@pytest.mark.parametrize(
    ("form", "file"),
    [
        pytest.param("onnx", "network.onnx", marks=pytest.mark.slow),
        pytest.param("torch-export", "network.pt2", marks=pytest.mark.slow),
        ("python", "network.py"),
    ],
)
def test_trained_network_in_all_formats(done: Done, tmp_path: Path, form: str, file: str) -> None:
    name = f"small/{done.retraining.fingerprint[:8]}"
    written = api.export(name, format=form, out=tmp_path / file, storage=done.storage)
    assert written.network.plan is not None
    assert 0 < written.network.plan.refilled_share < 1
    images = written.network.random_images(7, seed=5)
    assert float((READERS[file](tmp_path / file, images) - logits_of(done.network, images)).abs().max()) < 1e-4


def test_metadata_of_a_trained_network(done: Done, tmp_path: Path) -> None:
    result = done.retraining.result
    assert result is not None
    folder = done.sweep.folder.path / "retrainings" / done.retraining.fingerprint[:12]
    written = api.export(str(folder), format="json", out=tmp_path / "network.json")
    value = json.loads((tmp_path / "network.json").read_text())
    assert read_network(tmp_path / "network.json") == (written.network.genotype, written.network.plan)
    digits = [str(digit) for digit in range(10)]
    assert (value["fingerprint"], value["trained"]) == (done.retraining.fingerprint, True)
    assert (value["test_accuracy"], value["parameters"], value["macs"]) == (
        result.test_accuracy,
        result.parameters,
        result.macs,
    )
    assert (value["input_shape"], value["num_classes"], value["class_names"]) == ([1, 8, 8], 10, digits)
    trial = done.retraining.trial
    assert value["trial"] == {"kind": "retraining", "fingerprint": trial.fingerprint, **trial.to_json()}
    assert value["origin"].startswith("Trained for 4 epochs ")
    assert all(text in value["origin"] for text in ("pc_darts", "allocated", "seed 0"))


def test_the_result_of_a_search_is_untrained(done: Done, tmp_path: Path) -> None:
    written = api.export(done.search.fingerprint, format="json", out=tmp_path / "network.json", storage=done.storage)
    retrained = read_network(done.sweep.folder.path / "retrainings" / done.retraining.fingerprint[:12] / "network.json")
    assert (written.network.genotype, written.network.plan) == retrained
    value = read_json(tmp_path / "network.json")
    assert (value["trained"], value["test_accuracy"], value["protocol"]) == (False, None, "small")
    assert value["origin"].startswith("Untrained: ")
    assert "pc_darts" in value["origin"]
    other = read_named(done.search.fingerprint[:6], done.storage, "nasbench201", {"name": "cifar100"}).exported
    assert (other.protocol.name, other.images.num_classes) == ("nasbench201", 100)
    value = {"base": "small", "cells": 3, "channels": 4.0}
    by_value = read_named(done.search.fingerprint[:6], done.storage, value).exported
    assert by_value.metadata()["protocol"] == "small(cells=3, channels=4)"
    assert (len(by_value.build().cells), by_value.build().classifier.in_features) == (3, 4 * 4 * 4)


def test_every_way_to_name_a_trial(done: Done, monkeypatch: pytest.MonkeyPatch) -> None:
    short = done.retraining.fingerprint[:12]
    folder = done.sweep.folder.path / "retrainings" / short
    monkeypatch.chdir(done.storage)
    ways = (
        short[:5],
        short,
        done.retraining.fingerprint,
        f"small/{short[:3]}",
        str(folder),
        f"small/retrainings/{short}",
        str(folder / "network.json"),
    )
    for way in ways:
        found = read_named(way, done.storage).exported
        assert found.trial is not None
        assert (found.name, found.trial["fingerprint"]) == (f"small/{short}", done.retraining.fingerprint)


def test_unknown_and_ambiguous_names(done: Done) -> None:
    with pytest.raises(ConfigError) as caught:
        read_named("small/", done.storage)
    lines = str(caught.value).splitlines()
    assert re.match(r"trial: .*\b3\b.*'small/'.*more digits", lines[0])
    assert lines[3].startswith(f"  small/{done.search.fingerprint[:12]}: ")
    assert "pc_darts" in lines[3]
    with pytest.raises(ConfigError, match=r"network: unknown genotype 'DARTS_V3'\. Did you mean DARTS_V2") as caught:
        read_named("DARTS_V3", done.storage)
    assert f"  small/{done.retraining.fingerprint[:12]}: " in str(caught.value)
    with pytest.raises(ConfigError, match="unknown genotype 'small/ffff'"):
        read_named("small/ffff", done.storage)
    with pytest.raises(ConfigError, match=r"no sweep 'smal' in .*Known: small"):
        read_named("smal/ab", done.storage)


def test_trial_that_has_not_finished(done: Done) -> None:
    with pytest.raises(ConfigError, match=r"epoch 1 of 4 .*resume"):
        read_named(done.unfinished.fingerprint, done.storage)


def test_the_weights_of_a_retraining_fix_protocol_and_data(done: Done) -> None:
    with pytest.raises(ConfigError, match=r"weights .*--protocol.*--data"):
        read_named(done.retraining.fingerprint, done.storage, "cifar")


def test_search_without_allocation(done: Done, tmp_path: Path) -> None:
    copy = shutil.copytree(done.sweep.folder.path, tmp_path / "small")
    search = copy / "searches" / done.search.fingerprint[:12]
    shutil.rmtree(search / "allocations")
    with pytest.raises(ConfigError, match=r"not allocated.*resume"):
        read_named(str(search), tmp_path)


@pytest.mark.parametrize("damage", ["cut", "changed", "missing", "another"])
def test_damaged_weights(done: Done, tmp_path: Path, damage: str) -> None:
    source = done.sweep.folder.path / "retrainings" / done.retraining.fingerprint[:12]
    folder = shutil.copytree(source, tmp_path / "trial")
    weights = TrialFolder(folder).milestone(4)
    content = weights.read_bytes()
    if damage == "cut":
        weights.write_bytes(content[:-9])
    elif damage == "changed":
        weights.write_bytes(content[:-9] + b"x" + content[-8:])
    elif damage == "missing":
        weights.unlink()
    else:
        search = done.sweep.folder.path / "searches" / done.search.fingerprint[:12]
        shutil.copy(TrialFolder(search).milestone(1), weights)
    with pytest.raises(CheckpointError, match=r"epoch_0004\.ckpt: "):
        api.export(str(folder), out=tmp_path / "network.py")
    assert not (tmp_path / "network.py").exists()
    assert not (tmp_path / "network.pt").exists()


def test_the_auxiliary_tower_is_not_exported(done: Done, tmp_path: Path) -> None:
    source = done.sweep.folder.path / "retrainings" / done.retraining.fingerprint[:12]
    path = TrialFolder(shutil.copytree(source, tmp_path / "trial")).milestone(4)
    header, state = read_checkpoint(path)
    before = dict(state["work"]["network"])
    state["work"]["network"]["auxiliary.classifier.bias"] = torch.ones(10)
    write_checkpoint(path, {"fingerprint": header["fingerprint"]}, state)
    weights = read_named(str(tmp_path / "trial"), tmp_path).exported.weights
    assert weights is not None
    assert list(weights) == list(before)


def test_a_record_describes_the_images(done: Done, tmp_path: Path) -> None:
    """A retraining can be exported on a machine without the data."""
    source = done.sweep.folder.path / "retrainings" / done.retraining.fingerprint[:12]
    record = shutil.copytree(source, tmp_path / "trial") / "record.json"
    value = read_json(record)
    value["trial"]["data"] = {"name": "parquet", "train": "none.parquet", "test": "none.parquet"}
    write_json(record, value)
    assert read_named(str(record.parent), tmp_path).exported.images.mean == tuple(value["data_info"]["mean"])


def test_an_accuracy_that_was_looked_up_has_no_weights(done: Done, tmp_path: Path) -> None:
    source = done.sweep.folder.path / "retrainings" / done.retraining.fingerprint[:12]
    record = shutil.copytree(source, tmp_path / "trial") / "record.json"
    value = read_json(record)
    trial = {name: entry for name, entry in value["trial"].items() if name not in ("protocol", "retrain_seed")}
    table = {"path": "table.csv", "architecture": "a", "accuracy": "b"}
    value |= {"kind": "look-up", "trial": {**trial, "table": table}, "shared_with": None}
    value["result"] |= {"regret": 0.1, "rank": 2, "table": {"architectures": 4, "best": 0.9, "all_skips": None}}
    write_json(record, value)
    found = read_named(str(record.parent), tmp_path).exported
    assert (found.weights, found.test_accuracy) == (None, None)
    assert found.origin.startswith("Untrained: ")
    assert "table" in found.origin


def test_genotype_without_data_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    exported = read_named("DARTS_V2", tmp_path).exported
    assert (exported.genotype, exported.plan, exported.weights) == (PUBLISHED["DARTS_V2"], None, None)
    metadata = exported.metadata()
    assert (metadata["parameters"], metadata["protocol"], metadata["input_shape"]) == (3_349_342, "cifar", [3, 32, 32])
    assert metadata["class_names"][0] == "airplane"
    assert metadata["origin"].startswith("Untrained: ")
    assert "DARTS_V2" in metadata["origin"]
    with pytest.raises(ConfigError, match=r"^protocol imagenet_mobile: .*224x224"):
        read_named("DARTS_V2", tmp_path, "imagenet_mobile")
    assert read_named("DARTS_V2", tmp_path, "imagenet_mobile", {"name": "imagenet"}).exported.images.num_classes == 1000
    value = {"base": "cifar", "auxiliary_weight": 0, "channels": 4, "cells": 3}
    resized = read_named("DARTS_V2", tmp_path, value, {"name": "cifar10", "resize": 16})
    assert resized.exported.metadata()["input_shape"] == [3, 16, 16]
    assert resized.file_name == "DARTS_V2_cifar_auxiliary_weight_0_0_cells_3_channels_4"
    assert list(tmp_path.iterdir()) == []


def test_a_python_file_names_the_protocol_by_value(run: Callable[..., Any], tmp_path: Path) -> None:
    path, protocol = tmp_path / "network.py", "{base: small, channels: 4, cells: 3, epochs: 9}"
    code, out, errors = run("export", "DARTS_V2", "--protocol", protocol, "--data", "digits", "--out", str(path))
    assert (code, errors) == (0, [])
    assert out.startswith("DARTS_V2 (small(cells=3, channels=4, epochs=9), 10 classes of 1x8x8)")
    module = read_python(path)
    assert module.PROTOCOL == "small(cells=3, channels=4, epochs=9)"
    assert module.build()(torch.zeros(1, 1, 8, 8)).shape == (1, 10)


def test_facts_known_without_reading_data() -> None:
    for name, source in SOURCES.items():
        if source.facts is not None:
            assert (source.facts.name, source.normalization) == (name, (source.facts.mean, source.facts.std))
            assert len(source.facts.class_names) in (0, source.facts.num_classes)
    info = DataRef({"name": "digits"}, Path.cwd()).for_retraining().info
    assert isinstance(info, DataInfo)
    facts = recorded_facts(describe_data(info, 1))
    assert all(getattr(info, name) == value for name, value in vars(facts).items())


def test_files_in_an_object_store(done: Done, object_store: ObjectStore) -> None:
    from aca_ray.storage import ObjectPath, storage_path

    place = storage_path(object_store.uri("results"))
    assert isinstance(place, ObjectPath)
    for path in done.sweep.folder.path.rglob("*"):
        if path.is_file():
            (place / str(path.relative_to(done.storage))).write(path.read_bytes())
    written = api.export(done.retraining.fingerprint, out=place / "exported" / "network.py", storage=place)
    assert [str(path.name) for path in written.files] == ["network.py", "network.pt"]
    assert [str(path.name) for path in written.card] == ["network.md", "network_cells.svg"]
    for path in (*written.files, *written.card):
        assert path.is_file()


# The command line


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    monkeypatch.chdir(tmp_path)

    def carry_out(*arguments: str) -> tuple[int, str, list[str]]:
        code = main(arguments)
        captured = capsys.readouterr()
        return code, captured.out, captured.err.splitlines()

    return carry_out


def test_export_prints_what_it_wrote(done: Done, run: Callable[..., Any], tmp_path: Path) -> None:
    short = done.retraining.fingerprint[:12]
    code, out, errors = run("export", short, "--storage", str(done.storage))
    assert (code, errors) == (0, [])
    lines = out.splitlines()
    assert lines[0] == f"small/{short} (small, 10 classes of 1x8x8)"
    assert lines[1].startswith("Trained for 4 epochs ")
    assert lines[-1] == f"files: network_{short}.py, network_{short}.pt"
    names = [f"network_{short}{end}" for end in (".md", ".pt", ".py", "_cells.svg")]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    assert lines[-2] == f"model card: {names[0]}, {names[3]}"


def test_architecture_string(run: Callable[..., Any], tmp_path: Path) -> None:
    text = "|nor_conv_3x3~0|+|none~0|none~1|+|avg_pool_3x3~0|nor_conv_1x1~1|skip_connect~2|"
    code, out, _ = run("export", text, "--protocol", "nasbench201", "--format", "json")
    (path,) = tmp_path.glob("*.json")
    assert {found.name for found in tmp_path.iterdir()} == {path.name, f"{path.stem}.md", f"{path.stem}_cells.svg"}
    assert (code, out.splitlines()[-1]) == (0, f"files: {path.name}")
    assert path.name.startswith("nor_conv_3x3_0_none_0_none_1")
    code, out, _ = run("show", text, "--protocol", "nasbench201")
    assert (code, out.splitlines()[1].endswith(text)) == (0, True)
    code, out, _ = run("show", str(path), "--protocol", "small", "--data", '{"name": "digits"}')
    assert (code, out.splitlines()[0]) == (0, f"{path} (small, 10 classes of 1x8x8)")


def test_show(done: Done, run: Callable[..., Any], tmp_path: Path) -> None:
    code, out, errors = run("show", done.retraining.fingerprint, "--storage", str(done.storage), "--out", "cells.svg")
    assert (code, errors) == (0, [])
    assert "normal cell, output of 2, 3, 4, 5\n" in out
    assert "node  from  operation     stage 0 keeps" in out
    assert "% of channels refilled" in out
    assert "<svg" in (tmp_path / "cells.svg").read_text()
    code, _, errors = run("show", "DARTS_V2", "--out", "cells.pdf")
    assert (code, errors) == (2, ["out: must end in .svg, found cells.pdf"])


def test_bad_command_lines(done: Done, run: Callable[..., Any], tmp_path: Path) -> None:
    code, _, errors = run("export", "DARTS_V2", "--mlflow", "--format", "onnx", "--protocol", "small")
    assert (code, errors[0].startswith("--format, --protocol: "), "MLflow" in errors[0]) == (2, True, True)
    code, _, errors = run("export", "DARTS_V2", "--register", "name")
    assert (code, errors[0].startswith("DARTS_V2: "), "untrained" in errors[0]) == (2, True, True)
    code, _, errors = run("export", "DARTS_V2", "--data", "cifar")
    assert (code, errors[0].startswith("data.name: unknown data set 'cifar'")) == (2, True)
    code, _, errors = run("export", "DARTS_V2", "--protocol", "cifa")
    assert (code, errors[0].startswith("protocol: unknown protocol 'cifa'")) == (2, True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("package", ["onnx", "onnxruntime", "onnxscript"])
def test_packages_that_onnx_needs(
    done: Done, run: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)  # importing it fails
    fingerprint, storage = done.retraining.fingerprint, str(done.storage)
    code, out, errors = run("export", fingerprint, "--storage", storage, "--format", "onnx")
    assert (code, out) == (1, "")
    assert "onnx: needs the packages onnx, onnxscript and onnxruntime" in " ".join(errors)
    assert "pip install 'aca-ray[export]'" in " ".join(errors)
    assert list(tmp_path.iterdir()) == []


def tree(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Return modification time and content of every file and folder below a folder."""
    return {
        str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
        for path in [folder, *folder.rglob("*")]
    }


def test_reading_commands_write_nothing(done: Done, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = tree(done.storage)
    storage, trial = ["--storage", str(done.storage)], f"small/{done.retraining.fingerprint[:12]}"
    assert main(["status", *storage]) == 0
    assert main(["status", "small", *storage]) == 0
    assert main(["show", trial, *storage, "--out", str(tmp_path / "cells.svg")]) == 0
    assert main(["export", trial, *storage, "--out", str(tmp_path / "network.py")]) == 0
    assert main(["compare", "small", *storage, "--out", str(tmp_path / "comparison")]) == 0
    assert tree(done.storage) == before
    assert (tmp_path / "comparison" / "report.html").is_file()
    assert str(tmp_path / "comparison") in capsys.readouterr().out


def test_a_moved_sweep_is_read_at_its_new_place(done: Done, tmp_path: Path) -> None:
    before = tree(done.storage)
    moved = shutil.copytree(done.storage, tmp_path / "moved%20here")
    storage, trial = ["--storage", str(moved)], f"small/{done.retraining.fingerprint[:12]}"
    assert main(["export", trial, *storage, "--out", str(tmp_path / "network.py")]) == 0
    assert main(["compare", "small", *storage]) == 0
    assert (moved / "small" / "comparison" / "report.html").is_file()
    assert tree(done.storage) == before
