"""A sweep as one file: a compressed tar archive that another machine reads."""

from __future__ import annotations

import gzip
import lzma
import shutil
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, cast

from aca_ray.errors import ConfigError, MalformedFileError
from aca_ray.records import SweepFolder
from aca_ray.storage import StoragePath, local_copy
from aca_ray.storage.checkpoint import SUFFIX
from aca_ray.storage.files import files_below, is_leftover, name_below, num_bytes, write_whole
from aca_ray.sweep.garbage import undriven
from aca_ray.sweep.manifest import Sweep, find_sweep
from aca_ray.trials.datasets import DataRef

SUFFIXES = (".tar.xz", ".tar.gz")
_DAMAGES = (tarfile.TarError, lzma.LZMAError, zlib.error, EOFError, OSError, ValueError)


@dataclass(frozen=True)
class Archive:
    """A written archive.

    Attributes:
        path: the file.
        num_files: number of files in it.
        num_bytes: size of the archive.
    """

    path: StoragePath
    num_files: int
    num_bytes: int


def write_archive(sweep: Sweep, path: StoragePath, *, with_checkpoints: bool = False) -> Archive:
    """Write the files of a sweep that no process drives into an archive; equal files make equal archives.

    Args:
        sweep: the sweep. Links in its folder are left out.
        path: the archive, a .tar.xz or .tar.gz.
        with_checkpoints: whether the archive contains checkpoints: those of unfinished trials, milestones, weights.

    Raises:
        ConfigError: the path has another suffix.
        SweepError: another process drives the sweep.
        StorageError: a file can't be read or written.
    """
    if not path.name.endswith(SUFFIXES):
        raise ConfigError(f"out: must end in {' or '.join(SUFFIXES)}, found {path}")
    folder = sweep.folder
    written_s = sweep.versions[-1].written_ms // 1000 if sweep.versions else 0
    with undriven(sweep, read_only=True):
        files = [file for file in files_below(folder.path) if _belongs(file, folder, with_checkpoints)]
        files = [file for file in files if file.resolve() != path.resolve()]

        def write(draft: Path) -> None:
            with _compressed(draft, path.name) as stream, tarfile.open(fileobj=stream, mode="w") as archive:
                for file in files:
                    with local_copy(file) as copy, open(copy, "rb") as content:
                        entry = tarfile.TarInfo(f"{folder.path.name}/{name_below(file, folder.path)}")
                        entry.size, entry.mtime, entry.mode = copy.stat().st_size, written_s, 0o644
                        archive.addfile(entry, content)

        write_whole(path, write)
    return Archive(path, len(files), num_bytes(path))


def extract_archive(path: StoragePath, storage: StoragePath) -> Sweep:
    """Write the sweep in an archive into the folder of all sweeps, and return it.

    All names are checked before anything is written. The manifest is written last: a sweep whose extraction was
    interrupted does not exist yet, and extracting it again completes it.

    Args:
        path: an archive that `write_archive` or tar wrote.
        storage: folder of all sweeps.

    Raises:
        ConfigError: there is no such file, or the storage has a sweep of this name already.
        MalformedFileError: the file is no archive of a sweep, is damaged, or contains links or paths that leave the
            folder of the sweep.
        StorageError: a file can't be written.
    """
    if not path.is_file():
        raise ConfigError(f"{path}: must be an archive of a sweep, found no file; check the path")
    with local_copy(path) as local:
        with _reading(local, path) as archive:
            checked = [_checked_name(entry, path) for entry in archive if not entry.isdir()]
            _read_to_end(archive)
        names = {place.parts[0] for place in checked}
        if len(names) != 1:
            raise MalformedFileError(
                f"{path}: must contain one folder, that of a sweep, found {len(names)}; give a file that "
                "`aca-ray archive` wrote"
            )
        folder = SweepFolder(storage / names.pop())
        places = {_below(storage, place) for place in checked}
        if folder.manifest not in places:
            raise MalformedFileError(
                f"{path}: must contain the manifest {folder.manifest.name} of its sweep, found none; give a file of "
                "`aca-ray archive`"
            )
        if folder.manifest.exists():
            raise ConfigError(
                f"{folder.path}: exists already; give another --storage, or move this sweep away before extracting"
            )
        for is_manifest in (False, True):
            with _reading(local, path) as archive:
                _write_entries(archive, path, storage, folder.manifest, is_manifest=is_manifest)
    return find_sweep(folder.path.name, storage)


def missing_data(sweep: Sweep) -> list[str]:
    """Return the files and folders of a sweep's data that this machine lacks."""
    located = [DataRef(data, sweep.base).located for data in sweep.spec.experiment.data]
    values = (value for data in located for value in data.values())
    texts = {text for value in values for text in (value if isinstance(value, list) else [value]) if type(text) is str}
    return sorted(text for text in texts if text.startswith("/") and not Path(text).exists())


def _belongs(file: StoragePath, folder: SweepFolder, with_checkpoints: bool) -> bool:
    if file == folder.lock or is_leftover(file):
        return False
    return with_checkpoints or file.suffix != SUFFIX


@contextmanager
def _compressed(path: Path, name: str) -> Iterator[IO[bytes]]:
    """Yield a stream into a compressed file, without the name and time that gzip would add."""
    with ExitStack() as stack:
        if name.endswith(".xz"):
            yield cast(IO[bytes], stack.enter_context(lzma.open(path, "wb")))
        else:
            raw = stack.enter_context(open(path, "wb"))
            yield cast(IO[bytes], stack.enter_context(gzip.GzipFile("", "wb", fileobj=raw, mtime=0)))


@contextmanager
def _reading(local: Path, path: StoragePath) -> Iterator[tarfile.TarFile]:
    """Yield an archive; errors of its content name the file."""
    try:
        archive = tarfile.open(local, "r:*")  # noqa: SIM115 - closed below
    except _DAMAGES as error:
        raise _damaged(path, error) from error
    with archive:
        try:
            yield archive
        except MalformedFileError:
            raise
        except _DAMAGES as error:
            raise _damaged(path, error) from error


def _read_to_end(archive: tarfile.TarFile) -> None:
    """Read what follows the last entry, so that the checksum at the end of the compressed file is verified."""
    while archive.fileobj is not None and archive.fileobj.read(1 << 20):
        pass


def _damaged(path: StoragePath, error: Exception) -> MalformedFileError:
    return MalformedFileError(f"{path}: is not a complete tar archive ({error}); copy it again")


def _checked_name(entry: tarfile.TarInfo, path: StoragePath) -> PurePosixPath:
    """Return the name of a regular file; other entries, and names outside of the archive's folder, are refused."""
    place = PurePosixPath(entry.name)
    if not entry.isreg():
        raise MalformedFileError(
            f"{path}: must contain only regular files and folders, found {entry.name!r:.200}, which is a link or a "
            "device; nothing was extracted"
        )
    if place.is_absolute() or ".." in place.parts or len(place.parts) < 2 or "\0" in entry.name:
        raise MalformedFileError(
            f"{path}: must contain only files in the folder of one sweep, found {entry.name!r:.200}; nothing was "
            "extracted"
        )
    return place


def _write_entries(
    archive: tarfile.TarFile, path: StoragePath, storage: StoragePath, manifest: StoragePath, *, is_manifest: bool
) -> None:
    for entry in archive:
        if entry.isdir():
            continue
        place = _below(storage, _checked_name(entry, path))
        content = archive.extractfile(entry) if (place == manifest) == is_manifest else None
        if content is not None:
            _write(place, content)


def _write(place: StoragePath, content: IO[bytes]) -> None:
    def write(draft: Path) -> None:
        with open(draft, "wb") as stream:
            shutil.copyfileobj(content, stream)

    write_whole(place, write)


def _below(storage: StoragePath, place: PurePosixPath) -> StoragePath:
    for part in place.parts:
        storage = storage / part
    return storage
