"""SQLite stores with any path, and after a move."""

from __future__ import annotations

import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow.entities import Run

from aca_ray.errors import ConfigError, StorageError
from aca_ray.tracking import Store, open_store, sqlite_file
from aca_ray.tracking.artifacts import Artifacts

KILLED_IN_A_TRANSACTION = """
import os, signal, sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
connection.execute("PRAGMA cache_size = 1")  # pages of the transaction reach the disk before its end
connection.executemany(
    "INSERT INTO experiments (name, artifact_location) VALUES (?, ?)", [(f"{i}" * 100, "x" * 1000) for i in range(500)]
)
os.kill(os.getpid(), signal.SIGKILL)
"""
CopyStore = Callable[[Path], Path]
STRANGE = ("feature%2Flogin", "a%20b", "what?", "#1", "Maß & more", "50%")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an empty store."""
    folder = tmp_path_factory.mktemp("template")
    open_store(None, folder)
    return folder


@pytest.fixture
def copied(template: Path) -> CopyStore:
    """Return a function that creates a storage folder with an MLflow store."""

    def copy(folder: Path) -> Path:
        shutil.copytree(template, folder)
        open_store(None, folder)
        return folder

    return copy


def logged(store: Store, experiment: str, location: str) -> Run:
    """Return a new run in an experiment, with an artifact."""
    client = store.client()
    run = client.create_run(client.create_experiment(experiment, location))
    Artifacts(run, store.uri).write({"note.txt": b"kept"})
    return run


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", STRANGE)
def test_a_store_opens_below_any_path(name: str, copied: CopyStore, tmp_path: Path) -> None:
    folder = copied(tmp_path / name / "results")
    store = open_store(None, folder)
    assert sqlite_file.database_path(store.uri) == folder / "mlflow.db"
    run = logged(store, "sweep", f"{store.artifact_root}/sweep")
    assert (folder / "mlflow-artifacts" / "sweep" / run.info.run_id / "artifacts" / "note.txt").read_bytes() == b"kept"
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert open_store(store.uri, Path("elsewhere")) == store


def test_a_store_is_created_below_a_strange_path(tmp_path: Path) -> None:
    sqlite_file.create(tmp_path / "a%2Fb?.db", "file:///unused")
    assert [path.name for path in tmp_path.iterdir()] == ["a%2Fb?.db"]


def test_a_plain_path_has_a_plain_uri() -> None:
    assert sqlite_file.database_uri(Path("/results of Ann#1/ä/mlflow.db")) == "sqlite:////results of Ann#1/ä/mlflow.db"


@pytest.mark.parametrize("uri", ["sqlite://", "sqlite:///:memory:", "sqlite:///a?b.db", "sqlite://host/a.db"])
def test_uris_without_a_file(uri: str) -> None:
    with pytest.raises(ConfigError, match=rf"^runtime\.tracking: .*sqlite:///PATH.*{re.escape(uri)}"):
        open_store(uri, Path("unused"))


def test_artifacts_are_found_after_the_store_has_moved(copied: CopyStore, tmp_path: Path) -> None:
    old, new = copied(tmp_path / "old"), tmp_path / "new%20place"
    store = open_store(None, old)
    run = logged(store, "sweep", f"{store.artifact_root}/sweep")
    elsewhere = logged(store, "elsewhere", (tmp_path / "shared" / "elsewhere").as_uri())
    old.rename(new)
    moved = open_store(None, new)
    client = moved.client()
    found = client.get_run(run.info.run_id)
    assert found.info.artifact_uri == f"{moved.artifact_root}/sweep/{run.info.run_id}/artifacts"
    assert [file.path for file in client.list_artifacts(run.info.run_id)] == ["note.txt"]
    assert client.get_run(elsewhere.info.run_id).info.artifact_uri == elsewhere.info.artifact_uri
    experiment = client.get_experiment_by_name("sweep")
    assert experiment is not None
    Artifacts(client.create_run(experiment.experiment_id), moved.uri).write({"later.txt": b""})
    assert not old.exists()


def test_a_copy_writes_to_itself(copied: CopyStore, tmp_path: Path) -> None:
    old, new = copied(tmp_path / "old"), tmp_path / "new"
    store = open_store(None, old)
    logged(store, "sweep", f"{store.artifact_root}/sweep")
    shutil.copytree(old, new)
    before = tree(old)
    copy = open_store(None, new)
    experiment = copy.client().get_experiment_by_name("sweep")
    assert experiment is not None
    assert experiment.artifact_location == f"{copy.artifact_root}/sweep"
    assert tree(old) == before


def test_a_file_of_the_user_is_corrected_only_if_its_artifacts_have_moved_along(
    copied: CopyStore, tmp_path: Path
) -> None:
    database = copied(tmp_path / "old") / "mlflow.db"
    roots = {name: (tmp_path / name / "mlflow-artifacts").as_uri() for name in ("old", "new")}
    (tmp_path / "new").mkdir()
    moved = shutil.copy(database, tmp_path / "new" / "mlflow.db")

    def found() -> list[str]:
        return sqlite_file.moved_roots(Path(moved), roots["new"], owned=False)

    assert found() == []
    (tmp_path / "new" / "mlflow-artifacts").mkdir()
    assert found() == [roots["old"]]
    (tmp_path / "old" / "mlflow-artifacts").mkdir()
    assert found() == []
    assert sqlite_file.moved_roots(Path(moved), roots["new"], owned=True) == [roots["old"]]


def test_opening_an_intact_store_writes_nothing(copied: CopyStore, tmp_path: Path) -> None:
    folder = copied(tmp_path / "results")
    before = tree(folder)
    open_store(None, folder)
    assert tree(folder) == before


def test_the_transaction_of_a_killed_process_is_undone(copied: CopyStore, tmp_path: Path) -> None:
    folder = copied(tmp_path / "results")
    store = folder / "mlflow.db"
    before = store.read_bytes()
    killed = subprocess.run([sys.executable, "-c", KILLED_IN_A_TRANSACTION, store], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert store.read_bytes() != before
    assert (folder / "mlflow.db-journal").exists()
    open_store(None, folder)
    assert store.read_bytes() == before
    assert not (folder / "mlflow.db-journal").exists()


def test_a_file_that_is_not_mlflows_is_named(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "mlflow.db") as connection:
        connection.execute("CREATE TABLE other (id INTEGER)")
    with pytest.raises(StorageError, match=r"^tracking store: .*mlflow\.db .*no such table.*runtime\.tracking"):
        open_store(None, tmp_path)
