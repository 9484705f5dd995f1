"""Loaded data, shared by the trials that run one after the other in a process."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from aca_ray.config import canonical_json
from aca_ray.data import (
    DataInfo,
    EvaluationData,
    SearchData,
    absolute_locations,
    load_evaluation_data,
    load_search_data,
)


def search_data(data: Mapping[str, Any], base: Path) -> SearchData:
    """Return the splits of a search; relative paths are relative to `base`."""
    return _search_data(canonical_json(absolute_locations(data, base)))


def evaluation_data(data: Mapping[str, Any], base: Path) -> EvaluationData:
    """Return the splits of a retraining; relative paths are relative to `base`."""
    return _evaluation_data(canonical_json(absolute_locations(data, base)))


@lru_cache(maxsize=2)
def _search_data(key: str) -> SearchData:
    return load_search_data(json.loads(key))


@lru_cache(maxsize=2)
def _evaluation_data(key: str) -> EvaluationData:
    return load_evaluation_data(json.loads(key))


def describe_data(info: DataInfo, num_images: int) -> dict[str, Any]:
    """Return what a record says about the data."""
    return {"name": info.name, "digest": info.digest, "source": info.source, "num_images": num_images}
