"""Paths in object stores, used like local paths: Amazon S3 and compatible stores, Google Cloud Storage.

A path is written as a URI, such as s3://bucket/results or, with pyarrow's options,
s3://bucket/results?endpoint_override=127.0.0.1:9000&scheme=http. Credentials come from the same sources as for the
stores' own tools (environment, configuration files, the machine's role) and are never part of a URI.

Object stores have no folders, only names with slashes: a folder exists if it contains something.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import lru_cache
from io import BufferedReader
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, BinaryIO, Literal, TypeVar, cast
from urllib.parse import parse_qsl, urlsplit

from aca_ray.errors import ConfigError, MalformedFileError, StorageError

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

RETRY_SECONDS = 90.0  # how long failed calls are retried; must cover an outage of a minute
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 8.0
_ATTEMPTS = 5  # attempts of the client for one request
_CONNECT_SECONDS, _REQUEST_SECONDS = 5.0, 30.0
_OPTIONS = {
    "s3": {"endpoint_override", "region", "scheme", "tls_ca_file_path"},
    "gs": {"endpoint_override", "project_id", "retry_limit_seconds", "scheme"},
}
# Errors that retries do not fix.
_LASTING = re.compile(
    "NO_SUCH_BUCKET|ACCESS_DENIED|INVALID_|SIGNATURE_|UNRECOGNIZED_CLIENT|HTTP status 4(?!08|29)|Bucket .* not found|"
    "PERMISSION_DENIED|UNAUTHENTICATED|NOT_FOUND"
)

Answer = TypeVar("Answer")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, order=True)
class ObjectPath:
    """An object, or a folder of objects, with the part of pathlib's interface that storage needs.

    Failed calls are retried for RETRY_SECONDS. A missing object raises FileNotFoundError, as a missing file does; all
    other failures of a store raise StorageError.

    Attributes:
        root: scheme and bucket, such as s3://bucket.
        key: name in the bucket.
        options: query of the URI, without the question mark.
    """

    root: str
    key: PurePosixPath
    options: str = ""

    def __str__(self) -> str:
        """Return the URI, from which `storage_path` makes an equal path."""
        place = self.root if self.key == PurePosixPath() else f"{self.root}/{self.key}"
        return f"{place}?{self.options}" if self.options else place

    def __truediv__(self, other: str) -> ObjectPath:
        return replace(self, key=self.key / other)

    @property
    def name(self) -> str:
        return self.key.name

    @property
    def stem(self) -> str:
        return self.key.stem

    @property
    def suffix(self) -> str:
        return self.key.suffix

    @property
    def parent(self) -> ObjectPath:
        return replace(self, key=self.key.parent)

    @property
    def parents(self) -> tuple[ObjectPath, ...]:
        return tuple(replace(self, key=key) for key in self.key.parents)

    def with_name(self, name: str) -> ObjectPath:
        return replace(self, key=self.key.with_name(name))

    def resolve(self) -> ObjectPath:
        """Return the path itself, which is always absolute."""
        return self

    def mkdir(self, parents: bool = False, exist_ok: bool = False) -> None:
        """Do nothing: a folder exists if it contains something."""

    def exists(self) -> bool:
        return self._type() != "NotFound"

    def is_file(self) -> bool:
        return self._type() == "File"

    def is_dir(self) -> bool:
        return self._type() == "Directory"

    def iterdir(self) -> Iterator[ObjectPath]:
        """Yield the contents of the folder; nothing if it does not exist."""
        from pyarrow.fs import FileSelector

        selector = FileSelector(self._location, allow_not_found=True)
        for info in self._persistently("listed", lambda store: store.get_file_info(selector)):
            yield self / info.base_name

    def glob(self, pattern: str) -> Iterator[ObjectPath]:
        """Yield the paths that match a pattern of names and stars, separated by slashes."""
        first, _, rest = pattern.partition("/")
        for path in self.iterdir():
            if fnmatchcase(path.name, first):
                if rest:
                    yield from path.glob(rest)
                else:
                    yield path

    def read_bytes(self, most_bytes: int | None = None) -> bytes:
        """Return the content; raise MalformedFileError, before reading it, if it is longer than `most_bytes`."""

        def read(store: FileSystem) -> bytes:
            # pyarrow requests the length before the bytes: an object that grew in between would be truncated.
            while True:
                with store.open_input_file(self._location) as stream:
                    if most_bytes is not None and stream.size() > most_bytes:
                        raise MalformedFileError(
                            f"{self}: must have at most {most_bytes:,} bytes, found {stream.size():,}"
                        )
                    content, version = bytes(stream.readall()), stream.metadata()
                with store.open_input_file(self._location) as stream:
                    if stream.metadata() == version:
                        return content

        return self._persistently("read", read)

    def read_text(self, encoding: str = "utf-8") -> str:
        return self.read_bytes().decode(encoding)

    def open(self, mode: Literal["rb"] = "rb") -> BinaryIO:
        """Return a buffered stream, which fetches only what is read."""
        raw = self._persistently("read", lambda store: store.open_input_file(self._location))
        return cast(BinaryIO, BufferedReader(raw))

    def write(self, *chunks: bytes) -> None:
        """Write concatenated chunks as an object, atomically.

        Raises:
            StorageError: the object cannot be written; the previous object is intact.
        """

        def upload(store: FileSystem) -> None:
            with store.open_output_stream(self._location) as stream:
                for chunk in chunks:
                    stream.write(chunk)

        def attempt(store: FileSystem) -> None:
            # Closing the stream completes the upload, even after a KeyboardInterrupt, which only the main thread gets.
            with ThreadPoolExecutor(1, "upload") as pool:
                pool.submit(upload, store).result()

        self._persistently("written", attempt)

    def size(self) -> int:
        """Return the number of bytes of the object."""
        return int(self._persistently("accessed", lambda store: store.get_file_info(self._location).size) or 0)

    def unlink(self, missing_ok: bool = False) -> None:
        try:
            self._persistently("deleted", lambda store: store.delete_file(self._location))
        except FileNotFoundError:
            if not missing_ok:
                raise

    @property
    def _location(self) -> str:
        """The path within pyarrow's file system."""
        return str(PurePosixPath(self.root.partition("://")[2]) / self.key)

    def _type(self) -> str:
        """Return pyarrow's name of the type: File, Directory or NotFound."""
        return str(self._persistently("accessed", lambda store: store.get_file_info(self._location).type.name))

    def _persistently(self, done: str, call: Callable[[FileSystem], Answer]) -> Answer:
        """Return the result of a call, which is retried after temporary failures."""
        end, pause = time.monotonic() + RETRY_SECONDS, _FIRST_PAUSE
        while True:
            try:
                return call(_file_system(self.root, self.options))
            except FileNotFoundError:
                raise
            except OSError as error:
                lasting = _LASTING.search(str(error)) is not None
                if lasting or time.monotonic() + pause > end:
                    raise StorageError(
                        f"{self}: cannot be {done} ({error}). Check that the bucket exists and can be reached, and "
                        "that the credentials in the environment give access to it, then resume the sweep."
                    ) from (None if lasting else error)  # without a cause, `patiently` does not retry
                logger.warning("%s: cannot be %s (%s); retrying in %g s", self, done, error, pause)
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)


StoragePath = Path | ObjectPath


def storage_path(text: str | StoragePath) -> StoragePath:
    """Return the local path or object path that a text names; a path is returned as it is.

    Raises:
        ConfigError: it is a URI of an unknown scheme, or contains something that is not allowed.
    """
    if not isinstance(text, str):
        return text
    if problems := storage_problems(text, "storage"):
        raise ConfigError(problems)
    if "://" not in text:
        return Path(text).expanduser()
    parts = urlsplit(text)
    return ObjectPath(f"{parts.scheme}://{parts.netloc}", PurePosixPath(parts.path.strip("/")), parts.query)


def storage_problems(text: str, place: str) -> list[str]:
    """Return all problems of a path or URI of storage; every local path is valid.

    Args:
        text: the path or URI.
        place: setting or argument that contains it, for messages.
    """
    if "://" not in text:
        return []
    parts = urlsplit(text)
    known = _OPTIONS.get(parts.scheme)
    if known is None:
        schemes = ", ".join(f"{scheme}://" for scheme in _OPTIONS)
        return [f"{place}: must be a folder or a URI that begins with one of {schemes}; found {parts.scheme}://"]
    problems = []
    if "@" in parts.netloc:
        problems.append(
            f"{place}: must not contain credentials, since it is written to files and logs; found some before the "
            "bucket. Remove them: they are read from the environment (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, "
            "GOOGLE_APPLICATION_CREDENTIALS) or the machine's role"
        )
    elif not parts.netloc or re.search(r"[\s%#]", text):
        problems.append(
            f"{place}: must be {parts.scheme}://bucket/prefix without spaces, % or #, found {parts.scheme}://"
            f"{parts.netloc}{parts.path}"
        )
    unknown = sorted({name for name, _ in parse_qsl(parts.query, keep_blank_values=True)} - known)
    if unknown:
        problems.append(f"{place}: unknown option {', '.join(unknown)}. Known: {', '.join(sorted(known))}")
    return problems


@lru_cache
def _file_system(root: str, options: str) -> FileSystem:
    """Return the file system of a bucket, made once per process."""
    from pyarrow.fs import AwsStandardS3RetryStrategy, FileSystem, S3FileSystem, resolve_s3_region

    scheme, _, bucket = root.partition("://")
    known = dict(parse_qsl(options))
    try:
        if scheme == "s3":
            if not known.keys() & {"endpoint_override", "region"}:
                known["region"] = resolve_s3_region(bucket)
            # pyarrow's defaults for writing are kept: with allow_delayed_open, or without background_writes, it
            # completes an upload although a part failed (seen with 25.0), so a partial object replaces the old one.
            return S3FileSystem(
                **known,
                connect_timeout=_CONNECT_SECONDS,
                request_timeout=_REQUEST_SECONDS,
                retry_strategy=AwsStandardS3RetryStrategy(max_attempts=_ATTEMPTS),
            )
        known.setdefault("retry_limit_seconds", f"{RETRY_SECONDS:g}")
        query = "&".join(f"{name}={value}" for name, value in known.items())
        return FileSystem.from_uri(f"{root}?{query}")[0]
    except ValueError as error:
        raise ConfigError(f"storage: {root}?{options} has invalid options ({error}); correct them") from error
