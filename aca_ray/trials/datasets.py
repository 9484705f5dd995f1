"""References to data sets, and the data loaded through them, cached for the successive trials of a process."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from aca_ray.config import canonical_json
from aca_ray.data import (
    SOURCES,
    SWITCHES,
    CheckedData,
    DataInfo,
    ImageFacts,
    RetrainingData,
    SearchData,
    absolute_locations,
    check_data,
    load_retraining_data,
    load_search_data,
    view_problems,
)
from aca_ray.errors import ConfigError
from aca_ray.records import DataFacts

# Keys of a data mapping that leave the images and their classes as they are.
_VIEW_KEYS = frozenset({"resize", "normalization", "augmentation", *SWITCHES})


@dataclass(frozen=True)
class DataRef:
    """A data set as a spec writes it.

    Attributes:
        mapping: the data mapping.
        base: folder that its relative paths are relative to.
    """

    mapping: Mapping[str, Any]
    base: Path

    @cached_property
    def located(self) -> dict[str, Any]:
        """The mapping with absolute paths, which any process on the machine finds."""
        return absolute_locations(self.mapping, self.base)

    @cached_property
    def identity(self) -> str:
        """Canonical JSON of the located mapping; equal for references to the same data on the same machine."""
        return canonical_json(self.located)

    def for_search(self) -> SearchData:
        """Return the splits of a search."""
        return _search_data(self.identity)

    def for_retraining(self) -> RetrainingData:
        """Return the splits of a retraining."""
        return _retraining_data(self.identity)

    def checked(self) -> CheckedData:
        """Check everything that a sweep will read of the data; see `aca_ray.data.check_data`."""
        _search_data.cache_clear()  # files may have changed since this process read them
        return check_data(self.located, self.for_search())

    def image_facts(self) -> ImageFacts:
        """Return the facts about images that users of a network need; the data are read only if their source needs it.

        Raises:
            ConfigError: the mapping is wrong.
            DataError: the data have to be read, and can't.
        """
        data = self.mapping
        source = SOURCES.get(str(data.get("name")))
        if source is not None and source.facts is not None and set(data) <= {"name", *_VIEW_KEYS}:
            if problems := view_problems(data, "data"):
                raise ConfigError(problems)
            return _viewed(source.facts, data)
        return self.for_retraining().info


def _viewed(facts: ImageFacts, data: Mapping[str, Any]) -> ImageFacts:
    """Return facts about images in the size and with the normalization that a data mapping sets."""
    if "resize" in data:
        facts = replace(facts, height=data["resize"], width=data["resize"])
    if "normalization" not in data:
        return facts
    mean, std = (tuple(map(float, data["normalization"][name])) for name in ("mean", "std"))
    if len(mean) != facts.channels:
        raise ConfigError(
            f"data.normalization: {facts.name} has {facts.channels} channels, so mean and std need as many values; "
            f"found {len(mean)}"
        )
    return replace(facts, mean=mean, std=std)


@lru_cache(maxsize=2)
def _search_data(key: str) -> SearchData:
    return load_search_data(json.loads(key))


@lru_cache(maxsize=2)
def _retraining_data(key: str) -> RetrainingData:
    return load_retraining_data(json.loads(key))


def describe_data(info: DataInfo, num_images: int) -> DataFacts:
    """Return the description of the data for a record."""
    facts = {field.name: getattr(info, field.name) for field in fields(ImageFacts)}
    return DataFacts(
        **facts, digest=info.digest, source=info.source, augmentation=info.augmentation, num_images=num_images
    )


def recorded_facts(recorded: DataFacts) -> ImageFacts:
    """Return the facts about images that users of a network need, from a record."""
    return ImageFacts(**{field.name: getattr(recorded, field.name) for field in fields(ImageFacts)})
