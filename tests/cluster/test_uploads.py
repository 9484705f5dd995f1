"""Folders that are too large are refused before they are sent, without what Ray leaves out of them."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from ray._private.ray_constants import DASHBOARD_CLIENT_MAX_SIZE
from ray._private.runtime_env.packaging import create_package

from aca_ray import api
from aca_ray.cluster import uploads
from aca_ray.errors import ConfigError, SweepError

SPEC = """name: sent
experiment: {methods: darts, data: digits, seeds: 0, epochs: 2}
runtime: {storage: /storage, tracking: 'http://mlflow:5000'}
"""
NOWHERE = "http://127.0.0.1:1"


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the path of a spec in a folder of its own; packages may have 10,000 bytes."""
    monkeypatch.setattr(uploads, "MOST_BYTES", 10_000)
    path = tmp_path / "sweeps" / "sent.yaml"
    path.parent.mkdir()
    path.write_text(SPEC, encoding="utf-8")
    return path


def test_the_limit_is_that_of_rays_job_server() -> None:
    assert uploads.MOST_BYTES == DASHBOARD_CLIENT_MAX_SIZE


def test_a_large_folder_is_named_with_its_largest_parts(spec: Path) -> None:
    (spec.parent / "images").mkdir()
    for name in ("a.png", "b.png"):
        (spec.parent / "images" / name).write_bytes(bytes(6_000))
    with pytest.raises(
        ConfigError, match=rf"^{spec.parent}: .* found .*most of it in images \(.*\.gitignore.*absolute"
    ):
        api.submit(spec, address=NOWHERE)


@pytest.mark.parametrize("left_out", ["results", ".git", ".venv", "ignored", "raw"])
def test_what_is_not_sent_does_not_count(spec: Path, left_out: str) -> None:
    (spec.parent / ".gitignore").write_text("ignored\n")
    (spec.parent / ".rayignore").write_text("raw/\n")
    (spec.parent / left_out).mkdir()
    (spec.parent / left_out / "large").write_bytes(bytes(20_000))
    with pytest.raises(SweepError, match=r"^--address: the job server"):  # all else is in order
        api.submit(spec, address=NOWHERE)


def test_the_size_is_about_that_of_the_archive(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "inner").mkdir(parents=True)
    for index in range(50):
        (folder / "inner" / f"{index}.txt").write_text("x" * index)
    archive = tmp_path / "archive.zip"
    create_package(str(folder), archive, include_gitignore=True, excludes=[])
    assert len(zipfile.ZipFile(archive).namelist()) == 50
    packed, size = uploads._packed_bytes(folder, []).total(), archive.stat().st_size
    assert size <= packed <= 1.2 * size
