"""Retraining of a named network."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from aca_ray.errors import ConfigError
from aca_ray.records import StandaloneRecord, TrialFolder
from aca_ray.retraining import find_protocol
from aca_ray.space import PUBLISHED
from aca_ray.space.nasbench201 import parse_architecture_string
from aca_ray.storage import read_checkpoint, write_json
from aca_ray.trials.standalone import retrain

EPOCHS = find_protocol("small").epochs


DATA = {"name": "digits", "max_train_images": 32, "max_test_images": 16}


def run(out: Path, network: str = "DARTS_V2", **changes: Any) -> tuple[StandaloneRecord, str]:
    stream = io.StringIO()
    settings = {"data": DATA, "protocol": "small", "seed": 0, **changes}
    record = retrain(network, out=out, threads=1, gpu=False, stream=stream, **settings)
    return record, stream.getvalue()


@pytest.fixture(scope="module")
def retrained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, StandaloneRecord, str]:
    folder = tmp_path_factory.mktemp("retrained")
    return folder, *run(folder)


def test_published_network(retrained: tuple[Path, StandaloneRecord, str]) -> None:
    folder, record, printed = retrained
    assert (record.state, record.epoch) == ("finished", EPOCHS)
    assert record.genotype == PUBLISHED["DARTS_V2"]
    assert record.result is not None
    assert record.result.refilled_share == 0
    assert StandaloneRecord.read(folder) == record
    lines = printed.splitlines()
    assert [line.split()[1] for line in lines] == [f"{epoch}/{EPOCHS}" for epoch in range(1, EPOCHS + 1)]
    assert all("test/accuracy 0." in line for line in lines)


def test_a_cell_with_a_node_left_out(tmp_path: Path) -> None:
    genotype = PUBLISHED["FAIR_DARTS_A"]
    assert genotype.normal.concat == (2, 4, 5)
    record, _ = run(tmp_path, "FAIR_DARTS_A")
    assert (record.state, record.genotype) == ("finished", genotype)


def test_a_repeated_retraining_only_reads(retrained: tuple[Path, StandaloneRecord, str]) -> None:
    folder, record, _ = retrained
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert run(folder) == (record, "")
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


@pytest.mark.parametrize("changes", [{"seed": 1}, {"network": "DARTS_V1"}, {"data": {**DATA, "max_test_images": 8}}])
def test_folder_of_another_retraining(retrained: tuple[Path, StandaloneRecord, str], changes: dict[str, Any]) -> None:
    folder, record, _ = retrained
    with pytest.raises(ConfigError, match=f"^{folder}: .*{record.fingerprint[:12]}.*another folder"):
        run(folder, **changes)
    assert StandaloneRecord.read(folder) == record


def test_killed_before_the_final_record(retrained: tuple[Path, StandaloneRecord, str], tmp_path: Path) -> None:
    """All epochs are finished and saved, but the record does not include the last one yet."""
    folder, record, _ = retrained
    header, _ = read_checkpoint(TrialFolder(folder).milestone(EPOCHS))
    target = TrialFolder(tmp_path).milestone(EPOCHS)
    target.parent.mkdir()
    target.write_bytes(TrialFolder(folder).milestone(EPOCHS).read_bytes())
    StandaloneRecord.from_json(header["record"], tmp_path).write(tmp_path)
    again, printed = run(tmp_path)
    assert (again.state, again.result, printed) == ("finished", record.result, "")


def test_network_of_a_file(tmp_path: Path) -> None:
    path = write_json(tmp_path / "genotype.json", PUBLISHED["PC_DARTS_CIFAR"].to_json())
    record, _ = run(tmp_path / "out", str(path))
    assert record.state == "finished"
    assert record.genotype == PUBLISHED["PC_DARTS_CIFAR"]


def test_architecture_string(tmp_path: Path) -> None:
    text = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|nor_conv_1x1~1|skip_connect~2|"
    record, _ = run(tmp_path, text)
    assert record.state == "finished"
    assert record.genotype == parse_architecture_string(text)
    with pytest.raises(ConfigError, match=r"architecture string: .*'nor_conv_5x5'"):
        run(tmp_path / "out", text.replace("nor_conv_3x3", "nor_conv_5x5"))


def test_all_problems_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        run(tmp_path / "out", "DARTS_V3", data={"name": "digit"}, protocol="smal")
    found = caught.value.problems
    assert len(found) == 3
    for problem, (place, name, hint) in zip(
        found,
        [("data.name", "digit", "digits"), ("protocol", "smal", "small"), ("network", "DARTS_V3", "DARTS_V2")],
        strict=True,
    ):
        assert problem.startswith(f"{place}: ")
        assert f"'{name}'. Did you mean {hint}" in problem
    assert "file" in found[2]
    assert list(tmp_path.iterdir()) == []


def test_a_protocol_that_does_not_fit_the_images_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"protocol cifar: .*32x32.*8x8"):
        run(tmp_path / "out", protocol="cifar")
    assert not (tmp_path / "out").exists()


def test_tf32_without_a_gpu_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="tf32 needs a GPU"):
        run(tmp_path / "out", protocol={"base": "small", "precision": "tf32"})
    assert not (tmp_path / "out").exists()
