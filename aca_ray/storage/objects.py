"""Places in object stores, used like local paths: Amazon S3 and what speaks its protocol, Google Cloud Storage.

A place is written as a URI, such as s3://bucket/results or, with pyarrow's options,
s3://bucket/results?endpoint_override=127.0.0.1:9000&scheme=http. Credentials come from where the stores' own tools take
them (environment, configuration files, the machine's role) and never stand in a URI.

There are no folders in an object store, only names with slashes: one is there when something is in it.
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

RETRY_SECONDS = 90.0  # how long a call that fails is tried again; an outage of a minute has to pass
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 8.0
_ATTEMPTS = 5  # of one request, by the client itself
_CONNECT_SECONDS, _REQUEST_SECONDS = 5.0, 30.0
_OPTIONS = {
    "s3": {"endpoint_override", "region", "scheme", "tls_ca_file_path"},
    "gs": {"endpoint_override", "project_id", "retry_limit_seconds", "scheme"},
}
# Errors that come again however often one tries.
_LASTING = re.compile(
    "NO_SUCH_BUCKET|ACCESS_DENIED|INVALID_|SIGNATURE_|UNRECOGNIZED_CLIENT|HTTP status 4(?!08|29)|Bucket .* not found|"
    "PERMISSION_DENIED|UNAUTHENTICATED|NOT_FOUND"
)

Answer = TypeVar("Answer")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, order=True)
class ObjectPath:
    """An object, or a folder of objects, with as much of pathlib's interface as storage needs.

    What fails is tried again for RETRY_SECONDS. A missing object raises FileNotFoundError, as a missing file does;
    whatever else goes wrong with a store raises StorageError.

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
        """Do nothing: a folder is there when something is in it."""

    def exists(self) -> bool:
        return self._type() != "NotFound"

    def is_file(self) -> bool:
        return self._type() == "File"

    def is_dir(self) -> bool:
        return self._type() == "Directory"

    def iterdir(self) -> Iterator[ObjectPath]:
        """Yield what is in the folder; nothing where there is none."""
        from pyarrow.fs import FileSelector

        selector = FileSelector(self._location, allow_not_found=True)
        for info in self._persistently("listed", lambda store: store.get_file_info(selector)):
            yield self / info.base_name

    def glob(self, pattern: str) -> Iterator[ObjectPath]:
        """Yield what matches a pattern of names and stars with slashes between."""
        first, _, rest = pattern.partition("/")
        for path in self.iterdir():
            if fnmatchcase(path.name, first):
                if rest:
                    yield from path.glob(rest)
                else:
                    yield path

    def read_bytes(self, most_bytes: int | None = None) -> bytes:
        """Return the content; raise MalformedFileError if it is longer than `most_bytes`, before any of it is read."""

        def read(store: FileSystem) -> bytes:
            # Its length is asked for before its bytes: an object that grew in between would be cut off.
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
        """Return a stream that fetches no more than is read, a buffer at a time."""
        raw = self._persistently("read", lambda store: store.open_input_file(self._location))
        return cast(BinaryIO, BufferedReader(raw))

    def write(self, *chunks: bytes) -> None:
        """Write the chunks one after the other as an object, which is there whole or, if this fails, as it was before.

        Raises:
            StorageError: the object cannot be written; what stood there before is untouched.
        """

        def upload(store: FileSystem) -> None:
            with store.open_output_stream(self._location) as stream:
                for chunk in chunks:
                    stream.write(chunk)

        def attempt(store: FileSystem) -> None:
            # Closing the stream completes the upload, also after a KeyboardInterrupt, which only the main thread gets.
            with ThreadPoolExecutor(1, "upload") as pool:
                pool.submit(upload, store).result()

        self._persistently("written", attempt)

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
        """Return pyarrow's name for what is there: File, Directory or NotFound."""
        return str(self._persistently("looked for", lambda store: store.get_file_info(self._location).type.name))

    def _persistently(self, done: str, call: Callable[[FileSystem], Answer]) -> Answer:
        """Return what a call returns, made again while it fails in a way that may pass."""
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
                        f"{self}: cannot be {done} ({error}). Check that the bucket exists, that it can be reached and "
                        "that the credentials in the environment give the right to it, then resume the sweep."
                    ) from (None if lasting else error)  # who waits for a cause to pass has nothing to wait for
                logger.warning("%s: cannot be %s (%s); tried again in %g s", self, done, error, pause)
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)


StoragePath = Path | ObjectPath


def storage_path(text: str) -> StoragePath:
    """Return the place that a path or a URI names.

    Raises:
        ConfigError: it is a URI of a kind that is not known, or holds what it must not.
    """
    if problems := storage_problems(text, "storage"):
        raise ConfigError(problems)
    if "://" not in text:
        return Path(text).expanduser()
    parts = urlsplit(text)
    return ObjectPath(f"{parts.scheme}://{parts.netloc}", PurePosixPath(parts.path.strip("/")), parts.query)


def storage_problems(text: str, place: str) -> list[str]:
    """Return all that is wrong with a path or a URI of storage; no path is wrong.

    Args:
        text: the path or URI.
        place: where it was read.
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
            f"{place}: must hold no credentials, since it is written into files and logs; found some before the "
            "bucket. Leave them out: they are taken from the environment (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, "
            "GOOGLE_APPLICATION_CREDENTIALS) or the machine's role"
        )
    elif not parts.netloc or re.search(r"[\s%#]", text):
        problems.append(
            f"{place}: must be {parts.scheme}://bucket/prefix without spaces, % and #, found {parts.scheme}://"
            f"{parts.netloc}{parts.path}"
        )
    unknown = sorted({name for name, _ in parse_qsl(parts.query, keep_blank_values=True)} - known)
    if unknown:
        problems.append(f"{place}: unknown option {', '.join(unknown)}. Known: {', '.join(sorted(known))}")
    return problems


@lru_cache
def _file_system(root: str, options: str) -> FileSystem:
    """Return the file system of a bucket; every process makes it once."""
    from pyarrow.fs import AwsStandardS3RetryStrategy, FileSystem, S3FileSystem, resolve_s3_region

    scheme, _, bucket = root.partition("://")
    known = dict(parse_qsl(options))
    try:
        if scheme == "s3":
            if not known.keys() & {"endpoint_override", "region"}:
                known["region"] = resolve_s3_region(bucket)
            # Writing is left as pyarrow does it: with its option allow_delayed_open, or without background_writes, it
            # completes an upload of which a part has failed (seen with 25.0), and half an object replaces the whole.
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
        raise ConfigError(f"storage: {root}?{options} is refused ({error}); correct the options") from error
