"""Archives of sweeps: what is in them, and what is refused in those of others."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch

from aca_ray import api
from aca_ray.cli import main
from aca_ray.errors import ConfigError, MalformedFileError, SweepError
from aca_ray.records import TrialRecord
from aca_ray.storage import read_json_object, storage_path, write_json
from aca_ray.storage.lock import exclusive
from aca_ray.sweep.archiving import extract_archive, missing_data, write_archive
from aca_ray.sweep.manifest import Sweep
from aca_ray.sweep.orders import search_orders

if TYPE_CHECKING:
    from conftest import ObjectStore

CPU = torch.device("cpu")


def names_in(path: Path) -> list[str]:
    with tarfile.open(path) as archive:
        return archive.getnames()


def write_tar(path: Path, *entries: tuple[str, bytes], kind: bytes = tarfile.REGTYPE) -> Path:
    """Write a tar archive; the last entry is of a kind, and links lead to /etc/passwd."""
    with tarfile.open(path, "w:gz") as archive:
        for index, (name, content) in enumerate(entries, start=1):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            if index == len(entries) and kind != tarfile.REGTYPE:
                entry.type, entry.linkname, entry.size = kind, "/etc/passwd", 0
            archive.addfile(entry, io.BytesIO(content))
    return path


@pytest.mark.parametrize("suffix", [".tar.xz", ".tar.gz"])
def test_equal_sweeps_make_equal_archives_without_checkpoints(begun: Sweep, tmp_path: Path, suffix: str) -> None:
    (begun.folder.path / "scores.part-0123456789abcdef.parquet").write_bytes(b"x")
    (begun.folder.path / "link").symlink_to("/etc/passwd")
    first = write_archive(begun, tmp_path / f"a{suffix}")
    for path in begun.folder.path.rglob("*"):
        os.utime(path, (1, 1), follow_symlinks=False)
    second = write_archive(begun, tmp_path / f"b{suffix}")
    assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()
    (search,) = search_orders(begun)
    files = ("images.json", "sweep.json", "spec.yaml", f"searches/{search.trial.short}/record.json")
    assert names_in(tmp_path / f"a{suffix}") == sorted(f"begun/{file}" for file in files)
    assert (first.num_files, first.num_bytes) == (len(files), second.num_bytes)


def test_a_search_resumes_from_an_archive_with_checkpoints(begun: Sweep, tmp_path: Path) -> None:
    write_archive(begun, tmp_path / "begun.tar.gz", with_checkpoints=True)
    sweep = extract_archive(tmp_path / "begun.tar.gz", tmp_path / "elsewhere")
    assert sweep.folder.path == tmp_path / "elsewhere" / "begun"
    assert (sweep.spec, sweep.versions) == (begun.spec, begun.versions)
    (search,) = search_orders(sweep)
    trial = search.open(CPU)
    assert (trial.record.epoch, trial.record.resumes) == (1, 1)
    while not trial.finished:
        trial.advance()
    (original,) = search_orders(begun)
    undisturbed = original.open(CPU)
    while not undisturbed.finished:
        undisturbed.advance()
    assert trial.record.genotype == undisturbed.record.genotype
    assert [row.loss for row in trial.record.rows] == [row.loss for row in undisturbed.record.rows]


def test_a_sweep_is_never_replaced(begun: Sweep, tmp_path: Path) -> None:
    write_archive(begun, tmp_path / "begun.tar.xz")
    before = begun.folder.manifest.read_bytes()
    with pytest.raises(ConfigError, match=r"begun: exists already.*--storage"):
        extract_archive(tmp_path / "begun.tar.xz", begun.storage)
    assert begun.folder.manifest.read_bytes() == before


def test_a_sweep_that_is_driven_is_not_archived(begun: Sweep, tmp_path: Path) -> None:
    with exclusive(begun.folder.lock, wait=False), pytest.raises(SweepError, match="drives this sweep"):
        write_archive(begun, tmp_path / "begun.tar.xz")
    assert not (tmp_path / "begun.tar.xz").exists()


MANIFEST = ("a/sweep.json", b"{}")


@pytest.mark.parametrize(
    ("entries", "kind"),
    [
        ((MANIFEST, ("../evil", b"x")), tarfile.REGTYPE),
        ((MANIFEST, ("a/../../evil", b"x")), tarfile.REGTYPE),
        ((MANIFEST, ("/evil", b"x")), tarfile.REGTYPE),
        ((MANIFEST, ("evil", b"x")), tarfile.REGTYPE),
        ((MANIFEST, ("b/evil", b"x")), tarfile.REGTYPE),
        ((MANIFEST, ("a/evil", b"")), tarfile.SYMTYPE),
        ((MANIFEST, ("a/evil", b"")), tarfile.LNKTYPE),
        ((MANIFEST, ("a/evil", b"")), tarfile.FIFOTYPE),
        ((("a/record.json", b"{}"),), tarfile.REGTYPE),
        ((), tarfile.REGTYPE),
    ],
)
def test_archives_that_are_refused(tmp_path: Path, entries: tuple[tuple[str, bytes], ...], kind: bytes) -> None:
    path = write_tar(tmp_path / "a.tar.gz", *entries, kind=kind)
    with pytest.raises(MalformedFileError, match=r"a\.tar\.gz: must contain"):
        extract_archive(path, tmp_path / "deep" / "results")
    assert sorted(tmp_path.rglob("*")) == [path]


@pytest.mark.parametrize("kept", [0, 100, -20])
def test_damaged_archives(begun: Sweep, tmp_path: Path, kept: int) -> None:
    content = write_archive(begun, tmp_path / "a.tar.xz").path.read_bytes()
    (tmp_path / "cut.tar.xz").write_bytes(content[:kept])
    with pytest.raises(MalformedFileError, match=r"cut\.tar\.xz: is not a complete tar archive"):
        extract_archive(tmp_path / "cut.tar.xz", tmp_path / "elsewhere")
    assert not (tmp_path / "elsewhere").exists()


def test_data_that_lie_elsewhere(begun: Sweep, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert missing_data(begun) == []
    value = read_json_object(begun.folder.manifest)
    data = {"name": "parquet", "train": "images/train.parquet", "test": "/nowhere/test.parquet"}
    value["spec"]["experiment"]["data"] = [data]
    value["base"] = str(tmp_path)
    write_json(begun.folder.manifest, value)
    sweep = api.find("begun")
    assert missing_data(sweep) == ["/nowhere/test.parquet", str(tmp_path / "images" / "train.parquet")]
    write_archive(sweep, tmp_path / "begun.tar.xz")
    assert main(["archive", "--extract", "begun.tar.xz", "--storage", "other"]) == 0
    assert "/nowhere/test.parquet" in capsys.readouterr().out


def test_an_object_store(begun: Sweep, tmp_path: Path, object_store: ObjectStore) -> None:
    place = storage_path(object_store.uri("results"))
    write_archive(begun, tmp_path / "local.tar.xz", with_checkpoints=True)
    sweep = extract_archive(tmp_path / "local.tar.xz", place)
    write_archive(sweep, place / "archives" / "there.tar.xz", with_checkpoints=True)
    assert (place / "archives" / "there.tar.xz").read_bytes() == (tmp_path / "local.tar.xz").read_bytes()
    (search,) = search_orders(sweep)
    record = TrialRecord.read(search.folder)
    assert record is not None
    assert record.epoch == 1


def test_command_lines(begun: Sweep, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["archive", "begun"]) == 0
    assert (tmp_path / "begun.tar.xz").is_file()
    for wrong in (["archive"], ["archive", "begun", "--extract", "x"], ["archive", "begun", "--out", "a.zip"]):
        assert main(wrong) == 2
    assert main(["archive", "--extract", "none.tar.xz"]) == 2
    assert "none.tar.xz: " in capsys.readouterr().err
