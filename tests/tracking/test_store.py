"""Stores are created once and completely, and served with few processes."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from mlflow import MlflowClient

from aca_ray.errors import ConfigError, StorageError
from aca_ray.tracking import Store, open_store, require_answer, serve_ui


def test_the_embedded_store_lies_in_the_storage(store: Store) -> None:
    database = Path(store.uri.removeprefix("sqlite:///"))
    assert database.is_file()
    assert database.is_absolute()
    assert store.artifact_root == (database.parent / "mlflow-artifacts").as_uri()
    assert sorted(path.name for path in database.parent.iterdir() if path.is_file()) == ["mlflow.db"]
    assert open_store(None, database.parent) == store == open_store(store.uri, Path("elsewhere"))


def test_drafts_of_killed_processes_are_deleted_and_nothing_else(store: Store) -> None:
    folder = Path(store.uri.removeprefix("sqlite:///")).parent
    drafts = [f"mlflow.db.{'0' * 32}", f"mlflow.db.{'f' * 32}-journal", f"mlflow.db.{'a' * 32}-wal"]
    others = ["mlflow.db.backup", f"mlflow.db.{'0' * 31}", f"other.db.{'0' * 32}"]
    for name in (*drafts, *others):
        (folder / name).write_bytes(b"")
    (folder / "mlflow.db.lock").write_bytes(b"")  # the lock of a killed process
    assert open_store(None, folder) == store
    assert {path.name for path in folder.iterdir() if path.is_file()} == {"mlflow.db", *others}


def test_a_server_keeps_its_own_artifacts() -> None:
    assert open_store("http://mlflow.example:5000", Path("unused")) == Store("http://mlflow.example:5000", None)


def test_artifacts_of_a_database_lie_in_the_storage(tmp_path: Path) -> None:
    uri = "postgresql+psycopg2://host/mlflow"
    assert open_store(uri, tmp_path) == Store(uri, (tmp_path / "mlflow-artifacts").as_uri())


def test_a_missing_driver_is_named() -> None:
    with pytest.raises(
        StorageError,
        match=r"^runtime\.tracking: postgresql\+asyncpg://host/mlflow .*'asyncpg.*driver",
    ):
        Store("postgresql+asyncpg://host/mlflow", None).client()


@pytest.mark.parametrize("tracking", ["./mlruns", "file:///tmp/mlruns", "mlflow.example:5000", ""])
def test_invalid_tracking_uris_are_refused(tracking: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=rf"^runtime\.tracking: .*null.*sqlite://.*{re.escape(repr(tracking))}"):
        open_store(tracking, tmp_path)


def test_a_storage_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"^tracking store: .*mlflow\.db.*runtime\.storage"):
        open_store(None, tmp_path / "file")


def test_a_store_that_answers_and_one_that_does_not(store: Store) -> None:
    require_answer(store)
    with pytest.raises(StorageError, match=r"^runtime\.tracking: http://127\.0\.0\.1:1 .*URI"):
        require_answer(Store("http://127.0.0.1:1", None))


def test_a_server_is_not_served_again() -> None:
    with pytest.raises(ConfigError, match=r"^ui: http://mlflow\.example:5000 .*browser"):
        serve_ui(Store("http://mlflow.example:5000", None))


@pytest.mark.slow
def test_processes_that_open_a_new_store_at_once_all_can_use_it(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from mlflow import MlflowClient; "
        "from aca_ray.tracking import open_store; "
        "MlflowClient(tracking_uri=open_store(None, Path(sys.argv[1])).uri).create_experiment(sys.argv[2])"
    )
    started = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path), name]) for name in ("one", "two", "three")]
    assert [process.wait(timeout=120) for process in started] == [0, 0, 0]
    found = MlflowClient(tracking_uri=open_store(None, tmp_path).uri).search_experiments()
    assert {experiment.name for experiment in found} == {"Default", "one", "two", "three"}
