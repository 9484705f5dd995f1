"""The registry of data sets, and the three splits made from what a source holds: search_train, search_valid, test."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aca_ray.data.digits import DIGITS
from aca_ray.data.downloads import DOWNLOADS
from aca_ray.data.image_set import DataInfo, Images, channel_statistics, describe_image
from aca_ray.data.imagenet import IMAGENET
from aca_ray.data.parquet import PARQUET
from aca_ray.data.source import Key, Source, is_uri
from aca_ray.errors import ConfigError, DataError, unknown_name

SOURCES: dict[str, Source] = {
    source.name: source for source in (DIGITS, *(download.source() for download in DOWNLOADS), IMAGENET, PARQUET)
}

# The least number of images that each limit may ask for: two per half of the training images, two test images.
_LIMITS = {"max_train_images": 4, "max_test_images": 2}
# Each of the two reduction cells halves height and width.
_SIZE_MULTIPLE = 4
# In rows of random order, the chance that a class with this many images falls into one half is 2^-19.
_SORTED_CLASS_IMAGES = 20


@dataclass(frozen=True)
class SearchData:
    """What a search may see: no test images.

    Attributes:
        info: describes the training images, both halves together.
        train: search_train, the images that train the weights.
        valid: search_valid, the images that train the architecture parameters.
    """

    info: DataInfo
    train: Images
    valid: Images


@dataclass(frozen=True)
class EvaluationData:
    """What a retraining sees.

    Attributes:
        info: describes the training images; equal to that of the search on the same data.
        train: all training images.
        test: the test images.
    """

    info: DataInfo
    train: Images
    test: Images


def load_search_data(data: Mapping[str, Any]) -> SearchData:
    """Return the training images in two halves, without ever opening the test split.

    The first half of the rows is search_train, the second search_valid, to which an odd row goes. The halves depend
    on nothing but the data, so that all methods and seeds see the same ones.

    Args:
        data: the data mapping of a spec, such as `{"name": "digits"}`.

    Raises:
        ConfigError: the mapping is wrong (see `validate_data`).
        DataError: the training images are missing, malformed, too few, or sorted by class.

    Source: Liu et al. 2019 (DARTS), section 3.1; the fixed index halves of quark0/darts, train_search.py.
    """
    source, full = _resolve(data)
    info, images = _load_train(source, full)
    half = len(images) // 2
    train, valid = images.rows(0, half), images.rows(half, len(images))
    _check_halves(source.origin(full, "train"), info, train, valid)
    return SearchData(info, train, valid)


def load_evaluation_data(data: Mapping[str, Any]) -> EvaluationData:
    """Return all training images and the test images.

    Args:
        data: the data mapping of a spec.

    Raises:
        ConfigError: the mapping is wrong (see `validate_data`).
        DataError: images are missing, malformed or too few, or the test images differ in kind from the training ones.
    """
    source, full = _resolve(data)
    info, train = _load_train(source, full)
    test = source.load_test(full, full.get("max_test_images"), info.class_names)
    place = source.origin(full, "test")
    if not len(test):
        raise DataError(f"{place}: holds no test images; at least one is needed")
    if test.shape != train.shape:
        raise DataError(
            f"{place}: the test images are {describe_image(*test.shape)}, the training images are "
            f"{describe_image(info.channels, info.height, info.width)}; "
            "both must have one size and mode"
        )
    return EvaluationData(info, train, test)


def validate_data(data: Mapping[str, Any], place: str) -> list[str]:
    """Return every problem of a data mapping, [] when there is none; opens no file.

    Args:
        data: the data mapping of a spec.
        place: where the mapping was read, for example `experiment.data`.

    Returns:
        One sentence per problem, each beginning with its place.
    """
    problems = _key_problems(data, place)
    source = SOURCES.get(data["name"]) if isinstance(data, Mapping) and isinstance(data.get("name"), str) else None
    for name, key in source.keys.items() if source else ():
        value = data.get(name)
        if isinstance(value, str) and value:
            problems += _location_problems(value, key, f"{place}.{name}")
    return problems


def _key_problems(data: Mapping[str, Any], place: str) -> list[str]:
    """Return the problems of names, presence and types."""
    if not isinstance(data, Mapping):
        return [f"{place}: must be a mapping such as {{name: digits}}, found {data!r}"]
    if "name" not in data:
        return [f"{place}.name: is required; known data sets: {', '.join(sorted(SOURCES))}"]
    if not isinstance(data["name"], str) or data["name"] not in SOURCES:
        return [unknown_name(f"{place}.name", "data set", data["name"], SOURCES)]
    source = SOURCES[data["name"]]
    known = {"name", *source.keys, *_LIMITS}
    problems = [unknown_name(f"{place}.{key}", "key", key, known) for key in data if key not in known]
    for name, key in source.keys.items():
        value = data.get(name, key.default)
        if name not in data and value is None:
            problems.append(f"{place}.{name}: is required by the data set {source.name}")
        elif not isinstance(value, str) or not value:
            problems.append(f"{place}.{name}: must be a non-empty text, found {value!r}")
    for name, least in _LIMITS.items():
        value = data.get(name, least)
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            problems.append(
                f"{place}.{name}: must be an integer of at least {least}, found {value!r}; leave the key out to use all"
            )
    return problems


def _location_problems(value: str, key: Key, place: str) -> list[str]:
    """Return the problems of a local path that can be seen without opening anything."""
    if key.kind == "text":
        return []
    if key.kind == "file":
        if is_uri(value) or Path(value).expanduser().is_file():
            return []
        return [f"{place}: no file {value!r}; correct the path, or give an object-store URI such as s3://bucket/key"]
    if is_uri(value):
        return [f"{place}: must be a local folder, found the URI {value!r}"]
    path = Path(value).expanduser()
    return [f"{place}: must be a folder, found the file {value!r}"] if path.exists() and not path.is_dir() else []


def _resolve(data: Mapping[str, Any]) -> tuple[Source, dict[str, Any]]:
    """Return the source and the data mapping with defaults filled in; raise ConfigError when the mapping is wrong."""
    problems = _key_problems(data, "data")
    if problems:
        raise ConfigError(problems)
    source = SOURCES[data["name"]]
    defaults = {name: key.default for name, key in source.keys.items() if key.default is not None}
    return source, {**defaults, **data}


def _load_train(source: Source, data: Mapping[str, Any]) -> tuple[DataInfo, Images]:
    """Return all training images in use and their description; raise DataError when no search could use them."""
    images, class_names = source.load_train(data, data.get("max_train_images"))
    place = source.origin(data, "train")
    if len(images) < _LIMITS["max_train_images"]:
        raise DataError(
            f"{place}: {len(images)} training images are too few; at least {_LIMITS['max_train_images']} are needed, "
            "2 for each half of the search split"
        )
    channels, height, width = images.shape
    if height % _SIZE_MULTIPLE or width % _SIZE_MULTIPLE or not height or not width:
        raise DataError(
            f"{place}: images of {width}x{height}: height and width must be divisible by {_SIZE_MULTIPLE}, because two "
            "reduction cells each halve them; resize or pad the images"
        )
    first = int(images.labels[0])
    if bool((images.labels == first).all()):
        raise DataError(
            f"{place}: all {len(images)} training images in use, from row 0, are of class {class_names[first]!r}; at "
            "least two classes are needed. If the rows are sorted by class, shuffle them"
        )
    mean, std = source.normalization or channel_statistics(images)
    info = DataInfo(
        name=source.name,
        num_classes=len(class_names),
        class_names=class_names,
        channels=channels,
        height=height,
        width=width,
        mean=mean,
        std=std,
        flip=source.flip,
        digest=images.digest(),
        source=place,
        padding_share=source.padding_share,
    )
    return info, images


def _check_halves(place: str, info: DataInfo, train: Images, valid: Images) -> None:
    """Raise DataError when a class of many images is in one half only, as in a file sorted by class."""
    in_train = train.labels.bincount(minlength=info.num_classes).tolist()
    in_valid = valid.labels.bincount(minlength=info.num_classes).tolist()
    for name, first, second in zip(info.class_names, in_train, in_valid, strict=True):
        if first + second >= _SORTED_CLASS_IMAGES and not (first and second):
            row = 0 if first else len(train)
            raise DataError(
                f"{place}: all {first + second} training images of class {name!r} are in the half of the rows that "
                f"begins at row {row}. The halves become search_train and search_valid; shuffle the rows"
            )
