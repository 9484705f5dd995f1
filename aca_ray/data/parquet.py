"""Images and labels in Parquet files, local or in an object store, decoded into memory.

The image column contains the bytes of image files, or a struct with a field `bytes`. The label column contains
integers, whose classes the schema metadata can name (see `class_names`), or a dictionary of class names, as pandas and
Arrow write categories.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from aca_ray.data.image_decoding import decode_image
from aca_ray.data.image_set import ImageSet, describe_image
from aca_ray.data.parquet_labels import (
    LabelTable,
    check_contiguous,
    check_range,
    labels_as_in_training,
    read_labels,
)
from aca_ray.data.shards import describe_location
from aca_ray.data.source import Key, Source
from aca_ray.errors import DataError

if TYPE_CHECKING:
    import numpy as np

_ROWS_PER_READ = 1024
_GIB = 2**30
_FOLDERS = (
    "store them in class folders (data set imagenet), which are read while training and may hold images of any size"
)


def _load_train(data: Mapping[str, Any], limit: int | None) -> tuple[ImageSet, tuple[str, ...]]:
    table = read_labels(data["train"], _columns(data))
    names = table.names
    if names is None:
        names = tuple(str(label) for label in range(check_contiguous(table)))
    check_range(table, len(names), "the classes in the schema metadata")
    return ImageSet(_read_images(table, data["image_column"], limit), table.labels[:limit]), names


def _load_test(data: Mapping[str, Any], limit: int | None, class_names: tuple[str, ...]) -> ImageSet:
    table = read_labels(data["test"], _columns(data))
    labels = labels_as_in_training(table, data["train"], _columns(data), class_names)
    return ImageSet(_read_images(table, data["image_column"], limit), labels[:limit])


def _columns(data: Mapping[str, Any]) -> tuple[str, str]:
    return data["image_column"], data["label_column"]


def _read_images(table: LabelTable, column: str, limit: int | None) -> Tensor:
    """Return the images of the first rows, (N, C, H, W) uint8; gray images become RGB when one of them is RGB."""
    import numpy as np

    total = table.ends[-1] if limit is None else min(limit, table.ends[-1])
    pixels = np.empty((0, 0, 0, 0), dtype=np.uint8)
    for row, encoded in enumerate(_encoded_images(table, column, total)):
        if encoded is None:
            raise DataError(f"{table.place(row)}: column {column} is null; every row needs the bytes of an image")
        try:
            image = decode_image(encoded)
        except ValueError as error:
            raise DataError(f"{table.place(row)}: column {column}: {error}") from error
        if row == 0:
            _check_memory(table, total, image)
            pixels = np.empty((total, image.shape[2], *image.shape[:2]), dtype=np.uint8)
        if image.shape[:2] != pixels.shape[2:]:
            raise DataError(
                f"{table.place(row)}: the image is {_describe(image)}, the first one is "
                f"{describe_image(*pixels.shape[1:])}; all images must have the same size. Scale them to one size, or "
                f"{_FOLDERS}"
            )
        if image.shape[2] > pixels.shape[1]:
            pixels = np.repeat(pixels, 3, axis=1)
        pixels[row] = image.transpose(2, 0, 1)
    return torch.from_numpy(pixels)


def _check_memory(table: LabelTable, total: int, first: np.ndarray) -> None:
    """Raise DataError if this many images of the size of the first one do not fit into the machine's memory."""
    needed = total * first.nbytes
    if needed > memory_bytes():
        raise DataError(
            f"{table.location}: {total} images of {_describe(first)} are kept in memory, which needs "
            f"{needed / _GIB:.1f} GiB; this machine has {memory_bytes() / _GIB:.1f} GiB. Set max_train_images or "
            f"max_test_images, or {_FOLDERS}"
        )


def memory_bytes() -> int:
    """Return the size of the machine's memory."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _encoded_images(table: LabelTable, column: str, total: int) -> Iterator[bytes | None]:
    """Yield the bytes of the first images of a split."""
    import pyarrow as pa
    import pyarrow.compute as pc

    left = total
    for shard in table.shards:
        if not left:
            return
        with shard.open() as file:
            for batch in file.iter_batches(batch_size=min(_ROWS_PER_READ, left), columns=[column]):
                encoded = batch.column(column)
                if pa.types.is_struct(encoded.type):
                    encoded = pc.struct_field(encoded, "bytes")
                part = encoded[:left].to_pylist()
                yield from part
                left -= len(part)
                if not left:
                    break


def _describe(image: np.ndarray) -> str:
    height, width, channels = image.shape
    return describe_image(channels, height, width)


PARQUET = Source(
    name="parquet",
    summary=(
        "Parquet files (a file, a folder, a glob or a list; local or in an object store) with a column of encoded "
        "images and a column of labels: 0..K-1, or categories"
    ),
    keys={
        "train": Key("files"),
        "test": Key("files"),
        "image_column": Key("text", default="image"),
        "label_column": Key("text", default="label"),
    },
    # Only the owner of the files knows whether mirrored images keep their labels.
    flip=False,
    normalization=None,
    load_train=_load_train,
    load_test=_load_test,
    origin=lambda data, split: describe_location(data[split]),
)
