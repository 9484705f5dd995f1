"""The three splits of a data set: search_train, search_valid, test."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aca_ray.data.image_set import DataInfo, Images, PerChannel, channel_statistics, describe_image
from aca_ray.data.overlap import check_overlap
from aca_ray.data.source import Source
from aca_ray.data.validation import LIMITS, SIZE_MULTIPLE, resolve_data
from aca_ray.data.variation import NUM_HEADERS, NUM_READ, check_variation, spread
from aca_ray.errors import DataError

# In random order, the chance that all images of such a class fall into one half is 2^-19.
_SORTED_CLASS_IMAGES = 20


@dataclass(frozen=True)
class SearchData:
    """The data of a search: no test images.

    Attributes:
        info: describes the training images, both halves together.
        train: search_train, the images that train the weights.
        valid: search_valid, the images that train the architecture parameters.
    """

    info: DataInfo
    train: Images
    valid: Images


@dataclass(frozen=True)
class RetrainingData:
    """The data of a retraining.

    Attributes:
        info: describes the training images; equal to that of the search on the same data.
        train: all training images.
        test: the test images.
    """

    info: DataInfo
    train: Images
    test: Images


@dataclass(frozen=True)
class CheckedData:
    """The result of checking all data that a sweep will read.

    Attributes:
        info: describes the training images.
        num_train: number of training images in use, both halves together.
        num_test: number of test images in use.
        test_digest: SHA-256, hex, of the test images and labels in use.
    """

    info: DataInfo
    num_train: int
    num_test: int
    test_digest: str


def load_search_data(data: Mapping[str, Any]) -> SearchData:
    """Return the training images in two halves, without opening the test split.

    The first half of the rows is search_train, the second search_valid, which gets the odd row. The halves depend only
    on the data, so that all methods and seeds use the same ones.

    Args:
        data: the data mapping of a spec, such as `{"name": "digits"}`.

    Raises:
        ConfigError: the mapping is wrong (see `validate_data`).
        DataError: the training images are missing, malformed, too few, or sorted by class.

    Source: Liu et al. 2019 (DARTS), section 3.1; the fixed index halves of quark0/darts, train_search.py.
    """
    source, full = resolve_data(data)
    info, images = _load_train(source, full)
    half = len(images) // 2
    train, valid = images.rows(0, half), images.rows(half, len(images))
    _check_halves(source, source.origin(full, "train"), info, train, valid)
    return SearchData(info, train, valid)


def load_retraining_data(data: Mapping[str, Any]) -> RetrainingData:
    """Return all training images and the test images.

    Args:
        data: the data mapping of a spec.

    Raises:
        ConfigError: the mapping is wrong (see `validate_data`).
        DataError: images are missing, malformed or too few, or the test images differ in size or mode.
    """
    source, full = resolve_data(data)
    info, train = _load_train(source, full)
    return RetrainingData(info, train, _load_test(source, full, info))


def check_data(data: Mapping[str, Any], search: SearchData) -> CheckedData:
    """Check the data of a sweep beyond the checks of `load_search_data`.

    The test split is loaded. Where images are read on demand, the headers of at most 10,000 images per split and the
    pixels of at most 128 are checked, spread evenly.

    Args:
        data: the data mapping of a spec.
        search: what `load_search_data` returned for it.

    Raises:
        DataError: the training images are (nearly) constant or all equal, or the test split is missing, malformed,
            empty, or differs in size or mode from the training images.
    """
    source, full = resolve_data(data)
    halves = [search.train, search.valid]
    for half in halves:
        half.check(spread(len(half), NUM_HEADERS))
    check_variation(source.origin(full, "train"), halves)
    test = _load_test(source, full, search.info)
    check_overlap(source.origin(full, "test"), halves, test)
    return _checked(search.info, len(search.train) + len(search.valid), test)


def check_retraining_data(data: Mapping[str, Any], retraining: RetrainingData) -> CheckedData:
    """Check the data of a retraining beyond the checks of `load_retraining_data`; see `check_data`."""
    source, full = resolve_data(data)
    retraining.train.check(spread(len(retraining.train), NUM_HEADERS))
    check_variation(source.origin(full, "train"), [retraining.train])
    check_overlap(source.origin(full, "test"), [retraining.train], retraining.test)
    return _checked(retraining.info, len(retraining.train), retraining.test)


def _checked(info: DataInfo, num_train: int, test: Images) -> CheckedData:
    test.check(spread(len(test), NUM_HEADERS))
    test.take(spread(len(test), NUM_READ), None)
    return CheckedData(info, num_train, len(test), test.digest())


def _load_train(source: Source, data: Mapping[str, Any]) -> tuple[DataInfo, Images]:
    """Return all training images in use and their description; raise DataError if no search can use them."""
    images, class_names = source.load_train(data, data.get("max_train_images"))
    place = source.origin(data, "train")
    if len(images) < LIMITS["max_train_images"]:
        raise DataError(
            f"{place}: {len(images)} training images are too few; at least {LIMITS['max_train_images']} are needed, "
            "2 for each half of the search split"
        )
    images = _resized(images, data)
    channels, height, width = images.shape
    if height % SIZE_MULTIPLE or width % SIZE_MULTIPLE or not height or not width:
        raise DataError(
            f"{place}: images of {width}x{height}: height and width must be divisible by {SIZE_MULTIPLE}, because two "
            "reduction cells each halve them; set resize to scale them"
        )
    first = int(images.labels[0])
    if bool((images.labels == first).all()):
        raise DataError(
            f"{place}: all {len(images)} training images in use, from row 0, are of class {class_names[first]!r}; at "
            f"least two classes are needed. If the rows are sorted by class, {_shuffling(source)}"
        )
    mean, std = _normalization(source, data, images, place)
    info = DataInfo(
        name=source.name,
        num_classes=len(class_names),
        class_names=class_names,
        channels=channels,
        height=height,
        width=width,
        mean=mean,
        std=std,
        flip=data["flip"],
        digest=images.digest(),
        source=place,
        padding_share=source.padding_share,
        crop=data["crop"],
        resized="resize" in data,
        color=data.get("color", False),
    )
    return info, images


def _normalization(
    source: Source, data: Mapping[str, Any], images: Images, place: str
) -> tuple[PerChannel, PerChannel]:
    """Return mean and deviation per channel: those of the data mapping, the published ones, or the computed ones."""
    if "normalization" not in data:
        return source.normalization or channel_statistics(images)
    mean, std = (tuple(map(float, data["normalization"][name])) for name in ("mean", "std"))
    if len(mean) != images.shape[0]:
        raise DataError(
            f"{place}: the images are {describe_image(*images.shape)}, so normalization needs {images.shape[0]} values "
            f"of mean and std, one per channel; found {len(mean)}"
        )
    return mean, std


def _resized(images: Images, data: Mapping[str, Any]) -> Images:
    return images.resize(data["resize"]) if "resize" in data else images


def _load_test(source: Source, data: Mapping[str, Any], info: DataInfo) -> Images:
    """Return the test images in use; raise DataError when they do not fit the training images."""
    test = _resized(source.load_test(data, data.get("max_test_images"), info.class_names), data)
    place = source.origin(data, "test")
    if not len(test):
        raise DataError(f"{place}: contains no test images; at least one is needed")
    expected = (info.channels, info.height, info.width)
    if test.shape[0] < info.channels:
        test = test.in_color()
    if test.shape != expected:
        raise DataError(
            f"{place}: the test images are {describe_image(*test.shape)}, the training images are "
            f"{describe_image(*expected)}; both must have the same size and mode"
        )
    return test


def _shuffling(source: Source) -> str:
    return "set shuffle: true" if "shuffle" in source.keys else "shuffle the rows"


def _check_halves(source: Source, place: str, info: DataInfo, train: Images, valid: Images) -> None:
    """Raise DataError when a class of many images is in one half only, as in a file sorted by class."""
    in_train = train.labels.bincount(minlength=info.num_classes).tolist()
    in_valid = valid.labels.bincount(minlength=info.num_classes).tolist()
    for name, first, second in zip(info.class_names, in_train, in_valid, strict=True):
        if first + second >= _SORTED_CLASS_IMAGES and not (first and second):
            row = 0 if first else len(train)
            raise DataError(
                f"{place}: all {first + second} training images of class {name!r} are in the half of the rows that "
                f"begins at row {row}. The halves become search_train and search_valid; {_shuffling(source)}"
            )
