"""The SQLite file of an MLflow store: its URI, its creation, and its artifact locations after a move."""

from __future__ import annotations

import logging
import sqlite3
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from mlflow.exceptions import MlflowException
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from aca_ray.errors import ConfigError, StorageError

ARTIFACTS = "mlflow-artifacts"
_SECONDS = 30.0  # to wait for the transaction of another process
# Columns of MLflow's tables that hold absolute URIs of artifacts.
_LOCATIONS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)


def database_path(tracking: str) -> Path:
    """Return the absolute path of the file that a usable SQLite URI names; percent-encoded characters are decoded.

    Raises:
        ConfigError: the URI can't be read.
    """
    try:
        url = make_url(tracking)
    except (ArgumentError, ValueError) as error:
        raise ConfigError(f"runtime.tracking: {tracking!r} is not an SQLite URI ({error})") from error
    return Path(str(url.database)).resolve()


def database_uri(database: Path) -> str:
    """Return the URI with which SQLAlchemy and MLflow open a file, for any characters in its path.

    Raises:
        StorageError: the installed SQLAlchemy (before 2.1) cannot express the path.
    """
    plain = f"sqlite:///{database}"
    if make_url(plain).database == str(database):
        return plain
    # With the name of the driver, because MLflow creates the parent folders of sqlite:/// URIs without decoding them.
    uri = URL.create("sqlite+pysqlite", database=str(database)).render_as_string()
    if make_url(uri).database != str(database):
        raise StorageError(
            f"tracking store: SQLAlchemy cannot open {database}; update it (pip install 'sqlalchemy>=2.1'), or move "
            "the results to a folder without special characters in its name"
        )
    return uri


def create(database: Path, artifact_root: str) -> None:
    """Create the SQLite file under another name and rename it, so that a killed process never leaves half a schema.

    Raises:
        StorageError: MLflow cannot create it.
    """
    draft = database.with_name(f"{database.name}.{uuid.uuid4().hex}")
    # Hides INFO lines about tables and migrations; errors still arrive as exceptions.
    logger = logging.getLogger("mlflow.store.db.utils")
    level = logger.level
    logger.setLevel(logging.WARNING)
    make_store: Callable[[str, str], SqlAlchemyStore] = SqlAlchemyStore
    try:
        created = make_store(database_uri(draft), artifact_root)
        created.engine.dispose()
        draft.rename(database)
    except MlflowException as error:
        raise StorageError(f"tracking store: MLflow cannot create {database}: {error.message}") from error
    finally:
        logger.setLevel(level)
        draft.unlink(missing_ok=True)


def moved_roots(database: Path, artifact_root: str, *, owned: bool) -> list[str]:
    """Return the outdated artifact roots of experiments whose artifacts are now below `artifact_root`.

    Args:
        database: the SQLite file; it is only read, except to undo the unfinished transaction of a killed process.
        artifact_root: file URI of the folder `mlflow-artifacts` beside it.
        owned: whether the file is the default one of a sweep storage. For other files, only roots that no longer exist
            are returned, and only if `artifact_root` exists.

    Raises:
        StorageError: the file cannot be read, or is not MLflow's.
    """
    try:
        locations = _locations(database)
    except sqlite3.Error as error:
        raise StorageError(
            f"tracking store: {database} cannot be read ({error}). Correct runtime.tracking, restore the file, or "
            "move it away: a new one is filled from the records"
        ) from error
    roots = {location.rpartition("/")[0] for (location,) in locations if location}
    moved = sorted(root for root in roots - {artifact_root} if root.startswith("file:") and _is_root(root))
    if owned:
        return moved
    return [root for root in moved if _folder(artifact_root).is_dir() and not _folder(root).is_dir()]


def _locations(database: Path) -> list[tuple[str | None]]:
    """Return the artifact locations of all experiments; raise sqlite3.Error if the file cannot be read."""

    def read(mode: Literal["ro", "rw"]) -> list[tuple[str | None]]:
        with closing(sqlite3.connect(f"{database.as_uri()}?mode={mode}", timeout=_SECONDS, uri=True)) as connection:
            return connection.execute("SELECT artifact_location FROM experiments").fetchall()

    try:
        return read("ro")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_READONLY:
            raise
        # A writer was killed within a transaction. SQLite undoes it, for which it has to write.
        return read("rw")


def move_artifacts(database: Path, old_root: str, new_root: str) -> None:
    """Replace one artifact root by another one in all locations in the SQLite file.

    Raises:
        StorageError: the file cannot be written.
    """
    try:
        with closing(sqlite3.connect(database, timeout=_SECONDS)) as connection, connection:
            for table, column in _existing(connection):
                connection.execute(
                    f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE substr({column}, 1, ?) = ?",
                    (new_root, len(old_root) + 1, len(old_root) + 1, f"{old_root}/"),
                )
    except sqlite3.Error as error:
        raise StorageError(
            f"tracking store: the artifact locations in {database} still name {old_root} and cannot be corrected "
            f"({error}). Check that you may write the file and its folder"
        ) from error


def _existing(connection: sqlite3.Connection) -> Iterator[tuple[str, str]]:
    for table, column in _LOCATIONS:
        if column in {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}:
            yield table, column


def _is_root(root: str) -> bool:
    return root.rpartition("/")[2] == ARTIFACTS


def _folder(root: str) -> Path:
    return Path(unquote(urlsplit(root).path))
