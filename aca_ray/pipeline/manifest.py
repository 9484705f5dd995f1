"""What a sweep is, on the disk: its spec, and where it was started from."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import (
    Annotated,
    Any,
    NotRequired,  # pydantic refuses that of typing before Python 3.12
)

from pydantic import Field, TypeAdapter, with_config
from typing_extensions import TypedDict

from aca_ray.config import SweepSpec, fingerprint
from aca_ray.config.load import spec_from_json
from aca_ray.errors import ConfigError, MalformedFileError
from aca_ray.pipeline.layout import SweepFolder
from aca_ray.pipeline.provenance import environment
from aca_ray.storage import StoragePath, read_json_object, read_text, storage_path, write_bytes, write_json
from aca_ray.storage.bounded import naming
from aca_ray.storage.checking import OPEN, check

SCHEMA = "aca_ray.sweep"
VERSION = 1
_MOST_PATH = 4096  # characters, the limit of Linux


PathText = Annotated[str, Field(max_length=_MOST_PATH, pattern=r"^[^\x00]+$")]


@with_config(OPEN)
class ManifestJson(TypedDict):
    """The fields of a sweep.json that are read."""

    fingerprint: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    spec: dict[str, Any]
    base: PathText
    folder: NotRequired[PathText]
    spec_file: NotRequired[PathText]


_MANIFEST = TypeAdapter(ManifestJson)


@dataclass(frozen=True)
class Sweep:
    """A sweep that has a folder.

    Attributes:
        spec: what is to be done.
        base: folder that relative data paths of the spec are relative to.
        folder: where its files lie.
        text: the spec as its author wrote it.
        spec_file: name of the spec's file in `base`.
    """

    spec: SweepSpec
    base: Path
    folder: SweepFolder
    text: str
    spec_file: str = "spec.yaml"

    @property
    def storage(self) -> StoragePath:
        """The folder of all sweeps that this one lies in; after a move not the one that its spec names."""
        return self.folder.path.parent

    @property
    def fingerprint(self) -> str:
        """Identity of the experiment half; runtime settings may change between a start and a resume."""
        return experiment_fingerprint(self.spec)


def experiment_fingerprint(spec: SweepSpec) -> str:
    """Return the identity of what a spec asks for, wherever it runs."""
    experiment = spec.experiment.model_dump(mode="json")
    if experiment["precision"] == "float32":  # all there was when the first sweeps got theirs
        del experiment["precision"]
    return fingerprint({"kind": "sweep", "experiment": experiment})


def storage_folder(spec: SweepSpec) -> StoragePath:
    """Return the absolute folder of all sweeps, read as relative to the working directory."""
    return storage_path(spec.runtime.storage).resolve()


def create_sweep(spec: SweepSpec, base: Path, text: str, spec_file: str = "spec.yaml") -> Sweep:
    """Return the sweep of a spec, its folder made, or the one of the same name and experiment that is there already.

    Args:
        spec: what is to be done.
        base: folder that relative data paths are relative to.
        text: the spec as its author wrote it.
        spec_file: name of the spec's file in `base`.

    Raises:
        ConfigError: the name belongs to another experiment.
        StorageError: the folder can't be written.
    """
    folder = SweepFolder(storage_folder(spec) / spec.name)
    sweep = Sweep(spec, base.resolve(), folder, text, spec_file)
    if folder.manifest.exists():
        taken = _read_manifest(folder)["fingerprint"]
        if taken != sweep.fingerprint:
            raise ConfigError(
                f"name: {spec.name!r} is taken by another experiment in {folder.path} "
                f"(fingerprint {taken[:12]}, this spec has {sweep.fingerprint[:12]}). "
                "Give this spec another name, or move that folder away"
            )
    write_bytes(folder.spec, text.encode())
    _write_manifest(sweep)
    return sweep


def settle_sweep(sweep: Sweep) -> None:
    """Record where a sweep lies now, so that it can be moved again."""
    if _read_manifest(sweep.folder).get("folder") != str(sweep.folder.path):
        _write_manifest(sweep)


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
    }
    write_json(sweep.folder.manifest, value)


def find_sweep(name: str, storage: StoragePath) -> Sweep:
    """Return a sweep by name, or by the path or URI of its folder.

    Raises:
        ConfigError: there is none; names those that are there.
    """
    for path in (storage / name, storage_path(name)):
        folder = SweepFolder(path.resolve())
        if folder.manifest.is_file():
            return _read_sweep(folder)
    known = sweep_names(storage)
    raise ConfigError(f"no sweep {name!r} in {storage}. Known: {', '.join(known) if known else 'none'}")


def sweep_of(path: StoragePath) -> Sweep | None:
    """Return the sweep in whose folder a file or folder lies, or None."""
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
        spec, _base_now(folder.path, value), folder, read_text(folder.spec), value.get("spec_file", "spec.yaml")
    )


def _read_manifest(folder: SweepFolder) -> dict[str, Any]:
    """Return the content of a sweep.json, or raise MalformedFileError; its spec is not checked yet."""
    value = read_json_object(folder.manifest)
    if value.get("schema") != SCHEMA or value.get("version") != VERSION:
        raise MalformedFileError(f"{folder.manifest}: is not the manifest of a sweep of version {VERSION}")
    check(_MANIFEST, value, str(folder.manifest), "move the file away and run the spec again, which writes it anew")
    return value


def _base_now(folder: StoragePath, manifest: Mapping[str, Any]) -> Path:
    """Return the folder that relative data paths are relative to, after the sweep may have moved.

    If the spec moved along with the results, it lies where it lay before, as seen from them; else it is where it was.
    """
    before, recorded = manifest.get("folder", str(folder)), Path(manifest["base"])
    if str(folder) == before or not isinstance(folder, Path):
        return recorded
    along = Path(os.path.normpath(folder / os.path.relpath(recorded, before)))
    spec_file = along / manifest.get("spec_file", "spec.yaml")
    moved_along = spec_file.is_file() or (along.is_dir() and not recorded.is_dir())
    return along if moved_along else recorded


def sweep_names(storage: StoragePath) -> list[str]:
    """Return the names of all sweeps in a storage folder."""
    return sorted(path.parent.name for path in storage.glob("*/sweep.json"))
