"""Images and labels in Parquet files, local or in an object store.

A split of up to 4 GiB of pixels, or a quarter of the machine's memory, is decoded into memory. The images of a larger
one are decoded from a temporary file when a batch needs them (see `spooled_images`); all results are the same bits.

The image column contains the bytes of image files, or a struct with a field `bytes`. The label column contains
integers, whose classes the schema metadata can name (see `class_names`), or class names: strings, or a dictionary of
them, as pandas and Arrow write categories.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from aca_ray.data.image_decoding import decode_image
from aca_ray.data.image_set import Images, ImageSet
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
from aca_ray.data.spooled_images import SpooledImages, spool_images
from aca_ray.data.stacking import fits_in_memory, stack_images
from aca_ray.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_ROWS_PER_READ = 64


def _load_train(data: Mapping[str, Any], limit: int | None) -> tuple[Images, tuple[str, ...]]:
    table = read_labels(data["train"], _columns(data))
    names = table.names
    if names is None:
        names = tuple(str(label) for label in range(check_contiguous(table)))
    check_range(table, len(names), "the classes in the schema metadata")
    return _first_rows(table, table.labels, data, limit), names


def _load_test(data: Mapping[str, Any], limit: int | None, class_names: tuple[str, ...]) -> Images:
    table = read_labels(data["test"], _columns(data))
    labels = labels_as_in_training(table, data["train"], _columns(data), class_names)
    return _first_rows(table, labels, data, limit)


def _columns(data: Mapping[str, Any]) -> tuple[str, str]:
    return data["image_column"], data["label_column"]


def _first_rows(table: LabelTable, labels: Tensor, data: Mapping[str, Any], limit: int | None) -> Images:
    """Return the first rows, in the order of the files or, with `shuffle`, in a fixed random order."""
    order = (fixed_order(len(labels)) if data["shuffle"] else torch.arange(len(labels)))[:limit]
    ascending, places = order.sort()
    rows = _Rows(table, data["image_column"], ascending.tolist())
    total, size = len(rows.numbers), data.get("resize")
    encoded = rows.read()
    first = next(encoded, None)
    if first is not None:
        encoded = chain((first,), encoded)
        height, width, _ = rows.decode(0, first).shape
        if not fits_in_memory(total, size or height, size or width):
            spool, shape = spool_images(encoded, total, rows.decode, rows.place, table.location, size)
            sizes = () if size is None else (size,)
            return SpooledImages(spool, places.argsort(), labels[order], shape, sizes, table.location)
    pixels = stack_images(map(rows.decode, range(total), encoded), total, rows.place, table.location, size)
    return ImageSet(pixels[places.argsort()] if data["shuffle"] else pixels, labels[order])


@dataclass(frozen=True)
class _Rows:
    """The images of some rows of a split.

    Attributes:
        table: the files.
        column: name of the image column.
        numbers: the rows, ascending; the images are numbered 0, 1, ... in this order.
    """

    table: LabelTable
    column: str
    numbers: Sequence[int]

    def place(self, image: int) -> str:
        return self.table.place(self.numbers[image])

    def decode(self, image: int, encoded: bytes) -> NDArray[np.uint8]:
        """Return the pixels of an image, (H, W, C) uint8, given its number and its bytes."""
        try:
            return decode_image(encoded)
        except ValueError as error:
            raise DataError(f"{self.place(image)}: column {self.column}: {error}") from error

    def read(self) -> Iterator[bytes]:
        """Yield the bytes of all images."""
        wanted = frozenset(self.numbers)
        for row, encoded in enumerate(self._read_all(self.numbers[-1] + 1 if self.numbers else 0)):
            if row not in wanted:
                continue
            if encoded is None:
                raise DataError(
                    f"{self.table.place(row)}: column {self.column} is null; every row needs the bytes of an image"
                )
            yield encoded

    def _read_all(self, total: int) -> Iterator[bytes | None]:
        """Yield the bytes of the first images of the split."""
        import pyarrow as pa
        import pyarrow.compute as pc

        left = total
        for shard in self.table.shards:
            if not left:
                return
            with shard.open() as file:
                for batch in _batches(file, self.column):
                    encoded = batch.column(self.column)
                    if pa.types.is_struct(encoded.type):
                        encoded = pc.struct_field(encoded, "bytes")
                    part = encoded[:left].to_pylist()
                    yield from part
                    left -= len(part)
                    if not left:
                        break


def _batches(file: Any, column: str) -> Iterator[Any]:
    """Yield the rows of a column in parts; one row group after the other, so that no two are in memory together."""
    for group in range(file.num_row_groups):
        yield from file.iter_batches(batch_size=_ROWS_PER_READ, row_groups=[group], columns=[column])


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
