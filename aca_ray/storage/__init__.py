"""Atomic writes and verified reads of files and objects."""

from aca_ray.storage.bounded import read_json, read_json_object, read_text
from aca_ray.storage.checkpoint import CheckpointFolder, read_checkpoint, read_header, write_checkpoint
from aca_ray.storage.files import local_copy, write_bytes, write_json
from aca_ray.storage.objects import ObjectPath, StoragePath, storage_path, storage_problems

__all__ = [
    "CheckpointFolder",
    "ObjectPath",
    "StoragePath",
    "local_copy",
    "read_checkpoint",
    "read_header",
    "read_json",
    "read_json_object",
    "read_text",
    "storage_path",
    "storage_problems",
    "write_bytes",
    "write_checkpoint",
    "write_json",
]
