"""Images and labels in Parquet files, local or in an object store, decoded into memory.

The image column contains the bytes of image files, or a struct with a field `bytes`. The label column contains
integers, whose classes the schema metadata can name (see `class_names`), or class names: strings, or a dictionary of
them, as pandas and Arrow write categories.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from aca_ray.data.image_decoding import decode_image
from aca_ray.data.image_set import ImageSet
from aca_ray.data.parquet_labels import (
    LabelTable,
    check_contiguous,
    check_range,
    labels_as_in_training,
    read_labels,
)
from aca_ray.data.seeds import fixed_order
from aca_ray.data.shards import describe_location
from aca_ray.data.source import Key, Source
from aca_ray.data.stacking import stack_images
from aca_ray.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_ROWS_PER_READ = 1024


def _load_train(data: Mapping[str, Any], limit: int | None) -> tuple[ImageSet, tuple[str, ...]]:
    table = read_labels(data["train"], _columns(data))
    names = table.names
    if names is None:
        names = tuple(str(label) for label in range(check_contiguous(table)))
    check_range(table, len(names), "the classes in the schema metadata")
    return _first_rows(table, table.labels, data, limit), names


def _load_test(data: Mapping[str, Any], limit: int | None, class_names: tuple[str, ...]) -> ImageSet:
    table = read_labels(data["test"], _columns(data))
    labels = labels_as_in_training(table, data["train"], _columns(data), class_names)
    return _first_rows(table, labels, data, limit)


def _columns(data: Mapping[str, Any]) -> tuple[str, str]:
    return data["image_column"], data["label_column"]


def _first_rows(table: LabelTable, labels: Tensor, data: Mapping[str, Any], limit: int | None) -> ImageSet:
    """Return the first rows, in the order of the files or, with `shuffle`, in a fixed random order."""
    order = (fixed_order(len(labels)) if data["shuffle"] else torch.arange(len(labels)))[:limit]
    rows, places = order.sort()
    read = rows.tolist()
    decoded = _decoded(table, data["image_column"], read)
    pixels = stack_images(decoded, len(read), lambda row: table.place(read[row]), table.location, data.get("resize"))
    return ImageSet(pixels[places.argsort()] if data["shuffle"] else pixels, labels[order])


def _decoded(table: LabelTable, column: str, rows: Sequence[int]) -> Iterator[NDArray[np.uint8]]:
    """Yield the images of ascending rows."""
    wanted = frozenset(rows)
    for row, encoded in enumerate(_encoded_images(table, column, rows[-1] + 1 if rows else 0)):
        if row not in wanted:
            continue
        if encoded is None:
            raise DataError(f"{table.place(row)}: column {column} is null; every row needs the bytes of an image")
        try:
            yield decode_image(encoded)
        except ValueError as error:
            raise DataError(f"{table.place(row)}: column {column}: {error}") from error


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


PARQUET = Source(
    name="parquet",
    summary=(
        "Parquet files (a file, a folder, a glob or a list; local or in an object store) with a column of encoded "
        "images and a column of labels: 0..K-1, or class names"
    ),
    keys={
        "train": Key("files"),
        "test": Key("files"),
        "image_column": Key("text", default="image"),
        "label_column": Key("text", default="label"),
        "shuffle": Key("flag", default=False),
    },
    # Only the owner of the files knows whether mirrored images keep their labels.
    flip=False,
    normalization=None,
    load_train=_load_train,
    load_test=_load_test,
    origin=lambda data, split: describe_location(data[split]),
)
