"""The manifest of a sweep, sweep.json: its spec with all versions, and the folder it was started from."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, with_config
from typing_extensions import TypedDict  # pydantic refuses that of typing before Python 3.12

from aca_ray.config import SweepSpec, fingerprint
from aca_ray.config.load import spec_from_json
from aca_ray.errors import ConfigError, MalformedFileError
from aca_ray.plugins import KeptPlugins, keep_sources
from aca_ray.records.checking import OPEN, Count, check
from aca_ray.records.layout import SweepFolder, sweep_folders
from aca_ray.storage import StoragePath, read_json_object, read_text, storage_path, write_bytes, write_json
from aca_ray.storage.bounded import naming
from aca_ray.trials.provenance import environment

SCHEMA = "aca_ray.sweep"
VERSION = 1
_MOST_PATH = 4096  # characters, the limit of Linux
_FIX = "move the file away and run the spec again, which writes a new one"


FingerprintText = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
PathText = Annotated[str, Field(max_length=_MOST_PATH, pattern=r"^[^\x00]+$")]


@with_config(OPEN)
class VersionJson(TypedDict):
    """The fields of a version of the spec."""

    written_ms: Count
    fingerprint: FingerprintText
    spec: dict[str, Any]
    text: str


@with_config(OPEN)
class ManifestJson(TypedDict):
    """The fields of a sweep.json that the program reads."""

    fingerprint: FingerprintText
    spec: dict[str, Any]
    base: PathText
    folder: PathText
    spec_file: PathText
    written_ms: Count
    versions: Annotated[list[VersionJson], Field(min_length=1)]


_MANIFEST = TypeAdapter(ManifestJson)


@dataclass(frozen=True)
class SpecVersion:
    """One version of a sweep's experiment; every growth of the sweep adds one.

    Attributes:
        written_ms: time of the first run with it, in ms since 1970.
        fingerprint: fingerprint of the experiment.
        spec: the whole spec as JSON.
        text: text of the spec as its author wrote it.
    """

    written_ms: int
    fingerprint: str
    spec: Mapping[str, Any]
    text: str


@dataclass(frozen=True)
class Sweep:
    """A sweep with a folder.

    Attributes:
        spec: newest version of the spec.
        base: folder that relative data paths of the spec are relative to.
        folder: folder of the sweep.
        text: text of the spec as its author wrote it.
        spec_file: name of the spec's file in `base`.
        versions: all versions of the experiment, oldest first; empty before the first is written.
    """

    spec: SweepSpec
    base: Path
    folder: SweepFolder
    text: str
    spec_file: str = "spec.yaml"
    versions: tuple[SpecVersion, ...] = ()

    @property
    def storage(self) -> StoragePath:
        """The folder of all sweeps that contains this one; after a move, it differs from the one in the spec."""
        return self.folder.path.parent

    @property
    def fingerprint(self) -> str:
        """Identity of the current experiment; runtime settings, which may change on resume, do not count."""
        return experiment_fingerprint(self.spec)

    @property
    def plugins(self) -> KeptPlugins:
        """The plug-ins of the spec, from the copies in the folder."""
        return KeptPlugins.of(self.spec.experiment.plugins, self.folder.plugin)

    @property
    def identity(self) -> str:
        """Identity of the sweep, which growing does not change: the fingerprint of its first experiment."""
        return self.versions[0].fingerprint if self.versions else self.fingerprint


def experiment_fingerprint(spec: SweepSpec) -> str:
    """Return the fingerprint of a spec's experiment, which does not depend on where it runs."""
    experiment = spec.experiment.model_dump(mode="json")
    if experiment["precision"] == "float32":  # the default is left out: fingerprints are older than this setting
        del experiment["precision"]
    del experiment["plugins"]
    if used := spec.experiment.used_plugins():
        experiment["plugins"] = used
    return fingerprint({"kind": "sweep", "experiment": experiment})


def storage_folder(spec: SweepSpec) -> StoragePath:
    """Return the absolute folder of all sweeps; relative paths are relative to the working directory."""
    return storage_path(spec.runtime.storage).resolve()


def folder_of(spec: SweepSpec) -> SweepFolder:
    """Return the folder of the sweep of a spec, which need not exist."""
    return SweepFolder(storage_folder(spec) / spec.name)


def create_sweep(spec: SweepSpec, base: Path, text: str, spec_file: str = "spec.yaml") -> Sweep:
    """Return the sweep of a spec: a new sweep with its folder, or the existing sweep with the spec as newest version.

    `aca_ray.sweep.growing` checks before whether an existing sweep may grow to the spec.

    Args:
        spec: the spec.
        base: folder that relative data paths are relative to.
        text: text of the spec as its author wrote it.
        spec_file: name of the spec's file in `base`.

    Raises:
        MalformedFileError: the folder contains a manifest that can't be read.
        StorageError: the folder can't be written.
    """
    folder = folder_of(spec)
    versions = _versions(_read_manifest(folder)) if folder.manifest.exists() else ()
    sweep = Sweep(spec, base.resolve(), folder, text, spec_file, _extended(versions, spec, text))
    keep_sources(spec.experiment.plugins, folder.plugin)
    write_bytes(folder.spec, text.encode())
    _write_manifest(sweep)
    return sweep


def settle_sweep(sweep: Sweep) -> None:
    """Record the current folder of a sweep, so that it can be moved again."""
    if _read_manifest(sweep.folder)["folder"] != str(sweep.folder.path):
        _write_manifest(sweep)


def newest_fingerprint(folder: SweepFolder) -> str:
    """Return the fingerprint of the newest experiment in a sweep's folder, read from the disk."""
    return str(_read_manifest(folder)["fingerprint"])


def _extended(versions: tuple[SpecVersion, ...], spec: SweepSpec, text: str) -> tuple[SpecVersion, ...]:
    """Return the versions with a spec as the newest; it replaces the newest if only the runtime differs."""
    identity, written_ms = experiment_fingerprint(spec), time.time_ns() // 1_000_000
    if versions and versions[-1].fingerprint == identity:
        versions, written_ms = versions[:-1], versions[-1].written_ms
    return (*versions, SpecVersion(written_ms, identity, spec.model_dump(mode="json"), text))


def _write_manifest(sweep: Sweep) -> None:
    value: dict[str, Any] = {
        "schema": SCHEMA,
        "version": VERSION,
        "name": sweep.spec.name,
        "fingerprint": sweep.fingerprint,
        "spec": sweep.spec.model_dump(mode="json"),
        "base": str(sweep.base),
        "folder": str(sweep.folder.path),
        "spec_file": sweep.spec_file,
        "environment": environment(),
        "written_ms": time.time_ns() // 1_000_000,
        "versions": [asdict(version) for version in sweep.versions],
    }
    write_json(sweep.folder.manifest, value)


def find_sweep(name: str, storage: StoragePath) -> Sweep:
    """Return a sweep by name, or by the path or URI of its folder.

    Raises:
        ConfigError: the sweep does not exist; lists the sweeps that do.
    """
    for path in (storage / name, storage_path(name)):
        folder = SweepFolder(path.resolve())
        if folder.manifest.is_file():
            return _read_sweep(folder)
    known = sweep_names(storage)
    raise ConfigError(f"no sweep {name!r} in {storage}. Known: {', '.join(known) if known else 'none'}")


def sweep_of(path: StoragePath) -> Sweep | None:
    """Return the sweep whose folder contains a file or folder, or None."""
    for parent in path.resolve().parents:
        folder = SweepFolder(parent)
        if folder.manifest.is_file():
            return _read_sweep(folder)
    return None


def _read_sweep(folder: SweepFolder) -> Sweep:
    value = _read_manifest(folder)
    with naming(folder.manifest):
        spec = spec_from_json(value["spec"])
    return Sweep(
        spec,
        _base_now(folder.path, value),
        folder,
        read_text(folder.spec),
        value["spec_file"],
        _versions(value),
    )


def _versions(manifest: Mapping[str, Any]) -> tuple[SpecVersion, ...]:
    return tuple(
        SpecVersion(**{f.name: version[f.name] for f in fields(SpecVersion)}) for version in manifest["versions"]
    )


def _read_manifest(folder: SweepFolder) -> dict[str, Any]:
    """Return the content of a sweep.json; raise MalformedFileError if it is invalid. Its spec is not checked yet."""
    value = read_json_object(folder.manifest)
    if value.get("schema") != SCHEMA or value.get("version") != VERSION:
        raise MalformedFileError(
            f"{folder.manifest}: must be a sweep manifest of version {VERSION}, found schema "
            f"{value.get('schema')!r:.80} version {value.get('version')!r:.80}; {_FIX}"
        )
    check(_MANIFEST, value, str(folder.manifest), _FIX)
    return value


def _base_now(folder: StoragePath, manifest: Mapping[str, Any]) -> Path:
    """Return the folder that relative data paths are relative to, although the sweep may have moved.

    If the spec moved together with the results, the folder has the same path relative to them as before; otherwise it
    is unchanged.
    """
    before, recorded = manifest["folder"], Path(manifest["base"])
    if str(folder) == before or not isinstance(folder, Path):
        return recorded
    along = Path(os.path.normpath(folder / os.path.relpath(recorded, before)))
    spec_file = along / manifest["spec_file"]
    moved_along = spec_file.is_file() or (along.is_dir() and not recorded.is_dir())
    return along if moved_along else recorded


def sweep_names(storage: StoragePath) -> list[str]:
    """Return the names of all sweeps in a storage folder."""
    return [folder.path.name for folder in sweep_folders(storage)]
