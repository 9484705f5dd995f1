"""Where MLflow keeps its data: an SQLite file beside the results, or a server."""

from __future__ import annotations

import logging
import os
import re
import shlex
import sys
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

from aca_ray.errors import ConfigError, StorageError
from aca_ray.storage import StoragePath
from aca_ray.storage.lock import exclusive

UI_PORT = 5000
SERVERS = ("http", "https", "databricks")
DATABASES = ("sqlite", "postgresql", "mysql", "mssql")

_SQLITE = "sqlite:///"


@dataclass(frozen=True)
class Store:
    """An MLflow store that exists.

    Attributes:
        uri: the tracking URI.
        artifact_root: URI under which experiments keep their artifacts; None leaves the choice to the server.
    """

    uri: str
    artifact_root: str | None

    def client(self) -> MlflowClient:
        """Return a client; it has a database's schema, but has not contacted a server yet.

        Raises:
            StorageError: the database cannot be reached, refuses this user, or has no driver here.
        """
        try:
            return MlflowClient(tracking_uri=self.uri)
        except Exception as error:  # SQLAlchemy's, the driver's, MLflow's, or ImportError
            raise StorageError(
                f"runtime.tracking: {self.uri} cannot be opened ({error}). Correct the URI, start the database, set "
                "its password (PGPASSWORD for PostgreSQL) or install its driver (pip install psycopg2-binary)"
            ) from error


def open_store(tracking: str | None, storage: StoragePath) -> Store:
    """Return the store of a sweep, created first if it is an SQLite file that doesn't exist yet.

    Any number of processes may open the same new store at once: one creates it, the others wait (about 7 s).

    Args:
        tracking: a tracking URI; None for mlflow.db and mlflow-artifacts in `storage`.
        storage: the storage root of sweeps.

    Raises:
        ConfigError: `tracking` is not a tracking URI.
        StorageError: the SQLite file can't be created.
    """
    if tracking is None and isinstance(storage, Path):
        database = storage.resolve() / "mlflow.db"
    elif tracking is None:
        raise ConfigError(f"runtime.tracking: {storage} cannot hold an SQLite file; name a server or a sqlite:/// file")
    elif tracking.startswith(_SQLITE):
        database = Path(tracking.removeprefix(_SQLITE)).resolve()
    elif tracking.partition("://")[0] in SERVERS:
        return Store(tracking, None)
    elif tracking.partition("://")[0].partition("+")[0] in DATABASES:
        return Store(tracking, _artifact_root(storage))
    else:
        raise ConfigError(
            f"runtime.tracking: needs null (an SQLite file in runtime.storage) or a URI that begins with one of "
            f"{', '.join(f'{scheme}://' for scheme in (*SERVERS, *DATABASES))}; found {tracking!r}"
        )
    artifact_root = _artifact_root(database.parent)
    try:
        database.parent.mkdir(parents=True, exist_ok=True)
        with exclusive(database.with_name(f"{database.name}.lock"), wait=True):
            _remove_drafts(database)
            if not database.exists():
                _create(database, artifact_root)
    except OSError as error:
        raise StorageError(
            f"tracking store: cannot create {database} ({error}); check that the directory is writable and not full, "
            "or set runtime.storage to another one"
        ) from error
    return Store(f"{_SQLITE}{database}", artifact_root)


def _artifact_root(storage: StoragePath) -> str:
    folder = storage / "mlflow-artifacts"
    return folder.resolve().as_uri() if isinstance(folder, Path) else str(folder)


def require_answer(store: Store) -> None:
    """Raise StorageError when a store cannot be reached, or refuses this user."""
    client = store.client()
    try:
        client.search_experiments(max_results=1)
    except MlflowException as error:
        raise StorageError(
            f"runtime.tracking: {store.uri} does not answer ({error}). Start the server, or correct the URI"
        ) from error


def ui_command(store: Store, port: int = UI_PORT) -> str:
    """Return the shell command that serves MLflow's pages for a store on 127.0.0.1.

    One worker and no job runner: 2 processes and about 0.5 GB, where the defaults take 15 processes and 2.3 GB.

    Raises:
        ConfigError: the store is a server, which serves its own pages.
    """
    environment = [f"{name}={value}" for name, value in _UI_ENVIRONMENT.items()]
    return shlex.join([*environment, "mlflow", *_ui_arguments(store, port)])


def serve_ui(store: Store, port: int = UI_PORT) -> None:
    """Replace this process by MLflow's server for a store, on 127.0.0.1; never returns.

    Raises:
        ConfigError: the store is a server, which serves its own pages.
    """
    arguments = [sys.executable, "-m", "mlflow", *_ui_arguments(store, port)]
    os.execve(sys.executable, arguments, {**os.environ, **_UI_ENVIRONMENT})


_UI_ENVIRONMENT = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}


def _ui_arguments(store: Store, port: int) -> list[str]:
    if store.uri.startswith(("http://", "https://")):
        raise ConfigError(f"ui: {store.uri} is a tracking server and serves its own pages; open it in a browser")
    artifacts = ["--artifacts-destination", store.artifact_root] if store.artifact_root else []
    return [
        "server",
        *("--backend-store-uri", store.uri),
        *artifacts,
        *("--workers", "1"),
        *("--host", "127.0.0.1"),
        *("--port", str(port)),
    ]


def _remove_drafts(database: Path) -> None:
    """Delete what killed processes left of `_create`; only who holds the lock creates, so that none is in use."""
    draft = re.compile(rf"{re.escape(database.name)}\.[0-9a-f]{{32}}(-journal|-shm|-wal)?")
    for path in database.parent.iterdir():
        if draft.fullmatch(path.name):
            path.unlink(missing_ok=True)


def _create(database: Path, artifact_root: str) -> None:
    """Create the SQLite file under another name and rename it, so that no killed process leaves half a schema."""
    draft = database.with_name(f"{database.name}.{uuid.uuid4().hex}")
    # INFO lines about tables and migrations; errors still come as exceptions.
    logger = logging.getLogger("mlflow.store.db.utils")
    level = logger.level
    logger.setLevel(logging.WARNING)
    make_store: Callable[[str, str], SqlAlchemyStore] = SqlAlchemyStore
    try:
        created = make_store(f"{_SQLITE}{draft}", artifact_root)
        created.engine.dispose()
        draft.rename(database)
    except MlflowException as error:
        raise StorageError(f"tracking store: MLflow cannot create {database}: {error.message}") from error
    finally:
        logger.setLevel(level)
        draft.unlink(missing_ok=True)
