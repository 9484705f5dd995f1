"""Images and labels in Parquet files, local or in an object store.

The image column holds the bytes of image files, or a struct with a field `bytes`; the label column holds integers.
Schema metadata `classes`, comma-separated, names the classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from aca_ray.data.image_decoding import decode_image
from aca_ray.data.image_set import ImageSet, describe_image
from aca_ray.data.source import Key, Source, is_uri
from aca_ray.errors import DataError

if TYPE_CHECKING:
    import numpy as np

_CLASSES_METADATA = b"classes"
_ROWS_PER_READ = 1024


@contextmanager
def _open(location: str) -> Iterator[Any]:
    """Yield the open pyarrow ParquetFile; what pyarrow raises, then or later, becomes a DataError with the location."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    from pyarrow.fs import FileSystem, LocalFileSystem

    try:
        if is_uri(location):
            filesystem, path = FileSystem.from_uri(location)
        else:
            filesystem, path = LocalFileSystem(), str(Path(location).expanduser())
        with filesystem.open_input_file(path) as stream, pq.ParquetFile(stream) as file:
            yield file
    except FileNotFoundError as error:
        raise DataError(f"{location}: no such file; correct the path, or put the file there") from error
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{location}: can't be read as a Parquet file ({error})") from error


def _check_columns(location: str, file: Any, image_column: str, label_column: str) -> None:
    """Raise DataError unless both columns exist and have usable types."""
    import pyarrow as pa

    schema = file.schema_arrow
    missing = [name for name in (image_column, label_column) if name not in schema.names]
    if missing:
        raise DataError(
            f"{location}: no column {', '.join(missing)}; the file has the columns {', '.join(schema.names)}. "
            "Set image_column and label_column"
        )
    image_type = schema.field(image_column).type
    encoded_type = image_type
    if pa.types.is_struct(image_type) and image_type.get_field_index("bytes") >= 0:
        encoded_type = image_type.field("bytes").type
    if not (pa.types.is_binary(encoded_type) or pa.types.is_large_binary(encoded_type)):
        raise DataError(
            f"{location}: column {image_column} must hold binary, or a struct with a binary field named bytes, "
            f"found {image_type}"
        )
    label_type = schema.field(label_column).type
    if not pa.types.is_integer(label_type):
        raise DataError(f"{location}: column {label_column} must hold integers, found {label_type}")


def _read_labels(location: str, file: Any, column: str) -> Tensor:
    """Return the labels of all rows, (N,) int64; they take little room, and the classes must not depend on a limit."""
    import pyarrow as pa

    labels = file.read(columns=[column]).column(column)
    if labels.null_count:
        row = labels.is_null().to_pylist().index(True)
        raise DataError(f"{location}, row {row}: column {column} is null; every row needs a label")
    return torch.tensor(labels.cast(pa.int64()).to_numpy(), dtype=torch.int64)


def _read_images(location: str, file: Any, column: str, limit: int | None) -> Tensor:
    """Return the images of the first rows, (N, C, H, W) uint8."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    num_rows = file.metadata.num_rows if limit is None else min(limit, file.metadata.num_rows)
    pixels = np.empty((0, 0, 0, 0), dtype=np.uint8)
    row = 0
    for batch in file.iter_batches(batch_size=min(_ROWS_PER_READ, max(1, num_rows)), columns=[column]):
        encoded = batch.column(column)
        if pa.types.is_struct(encoded.type):
            encoded = pc.struct_field(encoded, "bytes")
        for value in encoded[: num_rows - row].to_pylist():
            if value is None:
                raise DataError(
                    f"{location}, row {row}: column {column} is null; every row needs the bytes of an image"
                )
            try:
                image = decode_image(value)
            except ValueError as error:
                raise DataError(f"{location}, row {row}: column {column}: {error}") from error
            if row == 0:
                pixels = np.empty((num_rows, *image.shape), dtype=np.uint8)
            if image.shape != pixels.shape[1:]:
                raise DataError(
                    f"{location}, row {row}: the image is {_describe(image)}, that of row 0 is "
                    f"{_describe(pixels[0])}; all images must have one size and mode"
                )
            pixels[row] = image
            row += 1
        if row == num_rows:
            break
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous()


def _describe(image: np.ndarray) -> str:
    height, width, channels = image.shape
    return describe_image(channels, height, width)


def _named_classes(location: str, file: Any) -> tuple[str, ...] | None:
    """Return the class names of the schema metadata, None when there are none."""
    text = (file.schema_arrow.metadata or {}).get(_CLASSES_METADATA)
    if text is None:
        return None
    names = tuple(name.strip() for name in text.decode("utf-8", errors="replace").split(","))
    if not all(names) or len(set(names)) != len(names):
        raise DataError(
            f"{location}: schema metadata classes must be different names separated by commas, found {names}"
        )
    return names


def _check_range(location: str, labels: Tensor, num_classes: int, classes_from: str) -> None:
    """Raise DataError with the first row whose label is not in 0..num_classes-1."""
    wrong = ((labels < 0) | (labels >= num_classes)).nonzero()
    if len(wrong):
        row = int(wrong[0])
        raise DataError(
            f"{location}, row {row}: label {int(labels[row])} is not in 0..{num_classes - 1} ({classes_from})"
        )


def _check_contiguous(location: str, labels: Tensor) -> int:
    """Return the number of classes K; raise DataError unless every label of 0..K-1 occurs and no other."""
    found = torch.unique(labels).tolist()
    for expected, label in enumerate(found):
        if label != expected:
            row = int((labels == label).nonzero()[0])
            raise DataError(
                f"{location}, row {row}: label {label}, but no row has label {expected}; labels must be 0..K-1 without "
                "gaps. Renumber them, or name all classes in the schema metadata classes"
            )
    return len(found)


def _load_train(data: Mapping[str, Any], limit: int | None) -> tuple[ImageSet, tuple[str, ...]]:
    location = data["train"]
    with _open(location) as file:
        _check_columns(location, file, data["image_column"], data["label_column"])
        labels = _read_labels(location, file, data["label_column"])
        class_names = _named_classes(location, file)
        if class_names is None:
            class_names = _numbered(_check_contiguous(location, labels))
        _check_range(location, labels, len(class_names), "the classes that the schema metadata name")
        images = _read_images(location, file, data["image_column"], limit)
    return ImageSet(images, labels[:limit]), class_names


def _load_test(data: Mapping[str, Any], limit: int | None, class_names: tuple[str, ...]) -> ImageSet:
    location = data["test"]
    with _open(location) as file:
        _check_columns(location, file, data["image_column"], data["label_column"])
        labels = _read_labels(location, file, data["label_column"])
        named = _named_classes(location, file)
        # The same names in another order would turn a good network's accuracy into nonsense, silently.
        if named is not None and named != class_names and class_names != _numbered(len(class_names)):
            raise DataError(
                f"{location}: the schema metadata classes {', '.join(named)} differ from those of {data['train']}: "
                f"{', '.join(class_names)}"
            )
        _check_range(location, labels, len(class_names), f"the classes of {data['train']}")
        return ImageSet(_read_images(location, file, data["image_column"], limit), labels[:limit])


def _numbered(num_classes: int) -> tuple[str, ...]:
    """Return the names of classes that the training file does not name."""
    return tuple(str(label) for label in range(num_classes))


PARQUET = Source(
    name="parquet",
    keys={
        "train": Key("file"),
        "test": Key("file"),
        "image_column": Key("text", default="image"),
        "label_column": Key("text", default="label"),
    },
    flip=True,
    normalization=None,
    load_train=_load_train,
    load_test=_load_test,
    origin=lambda data, split: str(data[split]),
)
