"""Texts within the lengths that MLflow and its databases take; the sweep's own files keep them whole."""

from __future__ import annotations

import hashlib

RUN_NAME = 250
KEY = 250
PARAM = 6000
TAG = 8000
EXPERIMENT_TAG = 5000  # of the databases; MLflow itself takes 20,000
DATASET_NAME = 500
DATASET_DIGEST = 36
DATASET_SOURCE = 65_535

_DIGITS = 12


def shortened(text: str, limit: int) -> str:
    """Return a text of at most `limit` characters; one that was cut says how long it was."""
    if len(text) <= limit:
        return text
    mark = f" ... (cut, {len(text):,} characters)"
    return text[: limit - len(mark)] + mark


def distinct(text: str, limit: int) -> str:
    """Return a text of at most `limit` characters; those that were cut still differ where the whole texts differ."""
    if len(text) <= limit:
        return text
    return f"{text[: limit - _DIGITS - 1]}_{hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]}"
