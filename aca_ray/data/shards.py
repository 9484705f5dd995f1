"""The Parquet files of a split: a file, the files of a folder, those that match a glob, or a list of these in order."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from aca_ray.data.source import is_uri
from aca_ray.errors import DataError

Location = str | Sequence[str]

_SUFFIX = ".parquet"
# Such as _SUCCESS and _metadata of Spark, and the ._ files of macOS.
_HIDDEN = ("_", ".")


@dataclass(frozen=True)
class Shard:
    """A Parquet file of a split.

    Attributes:
        name: its path or URI, for messages.
        filesystem: the pyarrow file system of the file.
        path: its path in the file system.
    """

    name: str
    filesystem: Any
    path: str

    @contextmanager
    def open(self) -> Iterator[Any]:
        """Yield the open pyarrow ParquetFile.

        Raises:
            DataError: pyarrow raised an error, now or in the body of the with statement; the message names the file.
        """
        import pyarrow.parquet as pq

        with (
            _as_data_errors(self.name),
            self.filesystem.open_input_file(self.path) as stream,
            pq.ParquetFile(stream) as file,
        ):
            yield file


def locations(location: Location) -> list[str]:
    """Return the paths and URIs of a split as a list."""
    return [location] if isinstance(location, str) else list(location)


def describe_location(location: Location) -> str:
    """Return a short text for messages and records: the path or URI, or the first and the number of the others."""
    first, *others = locations(location)
    return f"{first} and {len(others)} more" if others else first


def find_shards(location: Location) -> tuple[Shard, ...]:
    """Return the Parquet files of a split, in the order of their rows.

    The files of a folder (those that end in .parquet, without its subfolders) and of a glob are sorted by name.

    Raises:
        DataError: a file does not exist, a folder or glob has none, or a file occurs twice.
    """
    shards = [shard for one in locations(location) for shard in (_remote if is_uri(one) else _local)(one)]
    seen: set[str] = set()
    for shard in shards:
        if shard.path in seen:
            raise DataError(f"{shard.name}: is listed twice, so its images would count twice; list it once")
        seen.add(shard.path)
    return tuple(shards)


def local_files(location: str) -> list[Path]:
    """Return the files of a local path (a file, a folder or a glob), sorted by name; [] if there are none."""
    path = Path(location).expanduser()
    if path.is_file():
        return [path]
    if path.is_dir():
        return sorted(file for file in path.iterdir() if _is_shard(file.name) and file.is_file())
    return sorted(Path(file) for file in glob.glob(str(path)) if Path(file).is_file())


def _local(location: str) -> list[Shard]:
    from pyarrow.fs import LocalFileSystem

    files = local_files(location)
    if not files:
        raise DataError(f"{location}: no such file, and no {_SUFFIX} files there; correct the path, or add files")
    return [Shard(str(file), LocalFileSystem(), str(file)) for file in files]


def _remote(uri: str) -> list[Shard]:
    from pyarrow.fs import FileSelector, FileSystem, FileType

    with _as_data_errors(uri):
        filesystem, path = FileSystem.from_uri(uri)
        folder, _, name = path.rstrip("/").rpartition("/")
        if "*" in folder:
            raise DataError(f"{uri}: in a URI only the last part of the path can contain a *; list the files instead")
        is_glob = "*" in name
        if not is_glob and filesystem.get_file_info(path).type != FileType.Directory:
            return [Shard(uri, filesystem, path)]
        found = filesystem.get_file_info(FileSelector(folder if is_glob else path))
    files = [info for info in found if info.type == FileType.File]
    chosen = [info for info in files if (fnmatchcase(info.base_name, name) if is_glob else _is_shard(info.base_name))]
    if not chosen:
        raise DataError(f"{uri}: no {'files match' if is_glob else f'{_SUFFIX} files there'}; correct the URI")
    prefix = uri.partition("?")[0].rstrip("/")
    prefix = prefix.rpartition("/")[0] if is_glob else prefix
    return [
        Shard(f"{prefix}/{info.base_name}", filesystem, info.path)
        for info in sorted(chosen, key=lambda info: info.base_name)
    ]


def _is_shard(name: str) -> bool:
    return name.endswith(_SUFFIX) and not name.startswith(_HIDDEN)


@contextmanager
def _as_data_errors(name: str) -> Iterator[None]:
    """Turn errors of pyarrow into a DataError that names the file."""
    import pyarrow as pa

    try:
        yield
    except FileNotFoundError as error:
        raise DataError(f"{name}: no such file; correct the path, or put the file there") from error
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{name}: can't be read as a Parquet file ({error})") from error
