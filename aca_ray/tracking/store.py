"""The store of MLflow: an SQLite file beside the results, a database or a server."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from aca_ray.errors import ConfigError, StorageError
from aca_ray.storage import StoragePath
from aca_ray.storage.lock import exclusive
from aca_ray.tracking import sqlite_file
from aca_ray.tracking_uris import is_server, is_sqlite, tracking_problem

UI_PORT = 5000
_LOCK_SECONDS = 120.0  # creating a file takes about 7 s


@dataclass(frozen=True)
class Store:
    """An existing MLflow store.

    Attributes:
        uri: the tracking URI.
        artifact_root: URI of the folder of artifacts, one subfolder per experiment; None if the server chooses it.
    """

    uri: str
    artifact_root: str | None

    def client(self) -> MlflowClient:
        """Return a client; for a database this connects and creates the schema, a server is not contacted yet.

        Raises:
            StorageError: the database cannot be reached, refuses this user, or its driver is not installed.
        """
        try:
            return MlflowClient(tracking_uri=self.uri)
        except Exception as error:  # SQLAlchemy's, the driver's, MLflow's, or ImportError
            raise StorageError(
                f"runtime.tracking: {self.uri} cannot be opened ({error}). Correct the URI, start the database, set "
                "its password (PGPASSWORD for PostgreSQL) or install its driver (pip install psycopg2-binary)"
            ) from error


def open_store(tracking: str | None, storage: StoragePath) -> Store:
    """Return the store of a sweep; a missing SQLite file is created.

    If an SQLite file has moved together with its artifacts, its artifact locations are corrected. Nothing is written if
    there is nothing to create or correct.

    Any number of processes may open the same new store at once: one creates it, the others wait (about 7 s).

    Args:
        tracking: a tracking URI; None for mlflow.db and mlflow-artifacts in `storage`.
        storage: folder of all sweeps.

    Raises:
        ConfigError: `tracking` is not a tracking URI.
        StorageError: the SQLite file can't be created, read or corrected.
    """
    if tracking is None and isinstance(storage, Path):
        return _open_file(storage.resolve() / "mlflow.db", owned=True)
    if tracking is None:
        raise ConfigError(f"runtime.tracking: {storage} cannot hold an SQLite file; name a server or a sqlite:/// file")
    if problem := tracking_problem(tracking):
        raise ConfigError(f"runtime.tracking: {problem}")
    if is_sqlite(tracking):
        return _open_file(sqlite_file.database_path(tracking), owned=False)
    return Store(tracking, None if is_server(tracking) else _artifact_root(storage))


def _open_file(database: Path, *, owned: bool) -> Store:
    """Return the store of an SQLite file; see `sqlite_file.moved_roots` for `owned`."""
    artifact_root = _artifact_root(database.parent)
    try:
        database.parent.mkdir(parents=True, exist_ok=True)
        if _is_in_order(database, artifact_root, owned=owned):
            return Store(sqlite_file.database_uri(database), artifact_root)
        with _locked(database):  # checks again: another process may have done it meanwhile
            for draft in _drafts(database):
                draft.unlink(missing_ok=True)
            if not database.exists():
                sqlite_file.create(database, artifact_root)
            for root in sqlite_file.moved_roots(database, artifact_root, owned=owned):
                sqlite_file.move_artifacts(database, root, artifact_root)
    except OSError as error:
        raise StorageError(
            f"tracking store: cannot create or correct {database} ({error}); check that the folder is "
            "writable and the disk is not full, or change runtime.storage"
        ) from error
    return Store(sqlite_file.database_uri(database), artifact_root)


@contextmanager
def _locked(database: Path) -> Iterator[None]:
    """Hold the lock that guards the creation and correction of an SQLite file.

    Raises:
        StorageError: another process held the lock for too long.
    """
    lock = database.with_name(f"{database.name}.lock")
    end = time.monotonic() + _LOCK_SECONDS
    while True:
        with exclusive(lock, wait=False) as free:
            if free:
                yield
                return
        if time.monotonic() > end:
            raise StorageError(
                f"tracking store: another process has held {lock} for {_LOCK_SECONDS:g} s; end it, then try again"
            )
        time.sleep(0.1)


def _artifact_root(storage: StoragePath) -> str:
    folder = storage / sqlite_file.ARTIFACTS
    return folder.resolve().as_uri() if isinstance(folder, Path) else str(folder)


def require_answer(store: Store) -> None:
    """Raise StorageError if a store cannot be reached or refuses this user."""
    client = store.client()
    try:
        client.search_experiments(max_results=1)
    except MlflowException as error:
        raise StorageError(
            f"runtime.tracking: {store.uri} does not answer ({error}). Start the server, or correct the URI"
        ) from error


def serve_ui(store: Store, port: int = UI_PORT) -> None:
    """Replace this process by the MLflow UI of a store, on 127.0.0.1; never returns.

    Raises:
        ConfigError: the store is a server, which serves its own UI.
    """
    arguments = [sys.executable, "-m", "mlflow", *_ui_arguments(store, port)]
    os.execve(sys.executable, arguments, {**os.environ, **_UI_ENVIRONMENT})


_UI_ENVIRONMENT = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}


def _ui_arguments(store: Store, port: int) -> list[str]:
    if store.uri.startswith(("http://", "https://")):
        raise ConfigError(f"ui: {store.uri} is a tracking server with its own UI; open it in a browser")
    artifacts = ["--artifacts-destination", store.artifact_root] if store.artifact_root else []
    return [
        "server",
        *("--backend-store-uri", store.uri),
        *artifacts,
        *("--workers", "1"),
        *("--host", "127.0.0.1"),
        *("--port", str(port)),
    ]


def _is_in_order(database: Path, artifact_root: str, *, owned: bool) -> bool:
    """Return whether an SQLite file is usable as it is; takes no lock."""
    complete = database.exists() and not _drafts(database)
    return complete and not sqlite_file.moved_roots(database, artifact_root, owned=owned)


def _drafts(database: Path) -> list[Path]:
    """Return the draft files of running creations, which hold the lock, and of killed ones."""
    draft = re.compile(rf"{re.escape(database.name)}\.[0-9a-f]{{32}}(-journal|-shm|-wal)?")
    return [path for path in database.parent.iterdir() if draft.fullmatch(path.name)]
