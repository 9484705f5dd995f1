"""How values reach the disk whole, and come back verified."""

from aca_ray.storage.checkpoint import CheckpointFolder, read_checkpoint, read_header, write_checkpoint
from aca_ray.storage.files import read_json, write_bytes, write_json
from aca_ray.storage.record import TrialRecord

__all__ = [
    "CheckpointFolder",
    "TrialRecord",
    "read_checkpoint",
    "read_header",
    "read_json",
    "write_bytes",
    "write_checkpoint",
    "write_json",
]
