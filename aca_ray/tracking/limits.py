"""Length limits of MLflow and its databases, and texts cut to them; the sweep's own files keep the whole texts."""

from __future__ import annotations

import hashlib

RUN_NAME = 250
KEY = 250
PARAM = 6000
TAG = 8000
EXPERIMENT_TAG = 5000  # limit of the databases; MLflow itself accepts 20,000
DATASET_NAME = 500
DATASET_DIGEST = 36
DATASET_SOURCE = 65_535

_DIGITS = 12


def shortened(text: str, limit: int) -> str:
    """Return a text of at most `limit` characters; a text that was cut ends with its original length."""
    if len(text) <= limit:
        return text
    mark = f" ... (cut, {len(text):,} characters)"
    return text[: limit - len(mark)] + mark


def distinct(text: str, limit: int) -> str:
    """Return a text of at most `limit` characters; different texts stay different after the cut."""
    if len(text) <= limit:
        return text
    return f"{text[: limit - _DIGITS - 1]}_{hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]}"
