"""The identity of a value: the hash of its canonical JSON."""

from __future__ import annotations

import hashlib
import json
from typing import Any

SHORT_DIGITS = 12  # in folder names and tables; enough to rule out collisions within a sweep


def canonical_json(value: Any) -> str:
    """Return the canonical JSON text of a value: sorted keys, no spaces, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def fingerprint(value: Any) -> str:
    """Return the SHA-256 of a value's canonical JSON, 64 hexadecimal digits."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()
