"""Checkpoint files: a header, which is one line of JSON, and a payload of tensors.

    {"format": "aca_ray.checkpoint", "payload_bytes": N, "payload_sha256": ..., "header_sha256": ..., ...}\\n
    N bytes written by torch.save: the packed state

Length and hash are verified before decoding. The payload is decoded by torch's weights-only loader, which builds only
tensors and plain containers, so that code in a checkpoint is never run.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from aca_ray.errors import CheckpointError, MalformedFileError, StorageError
from aca_ray.storage.bounded import RECORD_BYTES, open_regular, read_bytes
from aca_ray.storage.files import remove_leftovers, write_bytes
from aca_ray.storage.objects import ObjectPath, StoragePath

FORMAT = "aca_ray.checkpoint"
VERSION = 3
SUFFIX = ".ckpt"
_MOST_BYTES = 1 << 34  # 16 GiB; a supernet of 1e9 parameters with optimizer states takes 12 GiB

logger = logging.getLogger(__name__)


def write_checkpoint(path: StoragePath, header: Mapping[str, Any], state: Mapping[str, Any]) -> None:
    """Write a checkpoint atomically.

    Args:
        path: file or object.
        header: JSON values, readable without torch (the trial, its fingerprint, epoch, record).
        state: nested dicts and lists of tensors and plain values.

    Raises:
        StorageError: the file can't be written; an older file of this name is intact.
    """
    import torch

    from aca_ray.storage.packing import pack

    buffer = io.BytesIO()
    torch.save(pack(state), buffer)
    payload = buffer.getvalue()
    line = {
        "format": FORMAT,
        "version": VERSION,
        "payload_bytes": len(payload),
        "payload_sha256": hashlib.sha256(payload).hexdigest(),
        **header,
    }
    line["header_sha256"] = _header_hash(line)
    write_bytes(path, json.dumps(line, allow_nan=False).encode() + b"\n", payload)


def read_header(path: StoragePath) -> dict[str, Any]:
    """Return the header of a checkpoint, without reading the payload or loading torch.

    Raises:
        CheckpointError: the file is missing, not a checkpoint, or of another version.
    """
    try:
        with path.open("rb") if isinstance(path, ObjectPath) else open_regular(path) as stream:
            return _parse_header(path, stream.readline(RECORD_BYTES))
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror or error})") from error
    except MalformedFileError as error:
        raise CheckpointError(str(error)) from error


def read_checkpoint(path: StoragePath) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return (header, state) of a checkpoint, tensors on the CPU.

    Raises:
        CheckpointError: the file is missing, not a checkpoint, truncated, altered, of another version, or contains
            anything but a dict of tensors and plain values.
    """
    import torch

    from aca_ray.storage.packing import unpack

    try:
        data = read_bytes(path, _MOST_BYTES)
    except StorageError as error:
        is_damage = isinstance(error, MalformedFileError) or isinstance(error.__cause__, FileNotFoundError)
        if isinstance(path, ObjectPath) and not is_damage:  # a failure of the store, which may be temporary
            raise
        raise CheckpointError(str(error)) from error
    end = data.find(b"\n", 0, RECORD_BYTES)
    header = _parse_header(path, data[:end] if end >= 0 else data[:RECORD_BYTES])
    payload = memoryview(data)[end + 1 :]
    if len(payload) != header["payload_bytes"]:
        raise CheckpointError(
            f"{path}: must have {header['payload_bytes']} bytes of payload, found {len(payload)}; it is truncated or "
            "was altered. Delete it and resume from the checkpoint before it."
        )
    if hashlib.sha256(payload).hexdigest() != header["payload_sha256"]:
        raise CheckpointError(f"{path}: does not match its SHA-256; it was altered or damaged. Delete it.")
    try:
        packed = torch.load(io.BytesIO(payload), map_location="cpu", weights_only=True)
    except Exception as error:  # the loader raises any exception on bytes that torch.save did not write
        raise CheckpointError(
            f"{path}: contains more than tensors and plain values and was not loaded, since loading it could run code "
            f"({type(error).__name__}: {str(error).partition(chr(10))[0]}). Delete it."
        ) from error
    try:
        return header, unpack(packed)
    except Exception as error:  # any exception, on a tree that `pack` did not make
        raise CheckpointError(
            f"{path}: its payload is not a packed state, so this program did not write it ({error!r}). Delete it."
        ) from error


def _parse_header(path: StoragePath, line: bytes) -> dict[str, Any]:
    try:
        header = json.loads(line)
    except (ValueError, RecursionError):
        header = None
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise CheckpointError(f"{path}: is not a checkpoint of this program (its first line must name {FORMAT!r})")
    if header.get("version") != VERSION:
        raise CheckpointError(
            f"{path}: must be a checkpoint of version {VERSION}, found version {header.get('version')!r}"
        )
    if not isinstance(header.get("payload_bytes"), int) or not isinstance(header.get("payload_sha256"), str):
        raise CheckpointError(f"{path}: its first line lacks the payload's length and hash; it was altered")
    if header.pop("header_sha256", None) != _header_hash(header):
        raise CheckpointError(f"{path}: its first line does not match its own hash; it was altered or damaged")
    return header


def _header_hash(header: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(header, sort_keys=True).encode()).hexdigest()


class CheckpointFolder:
    """The rolling checkpoints of one trial; the newest few are kept.

    Checkpoints are deleted here, so the folder must belong to the trial: a link in its place, which may lead to the
    files of another trial, is refused with CheckpointError.

    Args:
        folder: folder of the checkpoints; created with the first one.
        fingerprint: fingerprint of the trial; a checkpoint of another trial is refused.
        num_kept: number of checkpoints kept; two, so that there is another one if the newest is damaged.
    """

    def __init__(self, folder: StoragePath, fingerprint: str, num_kept: int = 2) -> None:
        self.folder, self.fingerprint, self.num_kept = folder, fingerprint, num_kept

    def write(self, epoch: int, step: int, header: Mapping[str, Any], state: Mapping[str, Any]) -> StoragePath:
        """Write the checkpoint of an epoch and step, delete the oldest ones, and return the path."""
        self._require_own_folder()
        path = self.folder / f"epoch_{epoch:05d}_step_{step:07d}{SUFFIX}"
        write_checkpoint(path, {**header, "fingerprint": self.fingerprint, "epoch": epoch, "step": step}, state)
        for old in self._newest_first()[self.num_kept :]:
            old.unlink(missing_ok=True)
        return path

    def newest(self) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """Return (header, state) of the newest valid checkpoint, or None; damaged ones are logged and skipped.

        Raises:
            CheckpointError: a checkpoint belongs to another trial.
        """
        self._require_own_folder()
        remove_leftovers(self.folder)
        for header, state in self._sound():
            if header.get("fingerprint") != self.fingerprint:
                raise CheckpointError(
                    f"{self.folder}: must contain checkpoints of trial {self.fingerprint}, found one of trial "
                    f"{header.get('fingerprint')}. Move it away and resume."
                )
            return header, state
        return None

    @property
    def is_empty(self) -> bool:
        """Whether there is no checkpoint, valid or damaged."""
        return not self._newest_first()

    def clear(self) -> None:
        """Delete all checkpoints of the folder."""
        for path in self._newest_first():
            path.unlink(missing_ok=True)

    def _sound(self) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
        for path in self._newest_first():
            try:
                yield read_checkpoint(path)
            except CheckpointError as error:
                logger.warning("skipping a damaged checkpoint: %s", error)

    def _require_own_folder(self) -> None:
        if isinstance(self.folder, Path) and self.folder.is_symlink():
            raise CheckpointError(
                f"{self.folder}: must be a folder, since checkpoints in it are deleted; found a link to "
                f"{self.folder.readlink()}. Replace the link with the folder itself and resume"
            )

    def _newest_first(self) -> list[StoragePath]:
        self._require_own_folder()
        return sorted(self.folder.glob(f"*{SUFFIX}"), reverse=True)
