"""Labels in the Parquet files of a split, and their match with the labels of the other split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Literal

import torch
from torch import Tensor

from aca_ray.data.class_names import named_classes
from aca_ray.data.shards import Location, Shard, describe_location, find_shards
from aca_ray.errors import DataError

_WITHHELD = -1


@dataclass(frozen=True)
class Naming:
    """The kind of labels in a file.

    Attributes:
        kind: `names` if the column contains class names, which are numbered as they occur; else `integers`.
        names: class names by label; None if integers have no names, or the names are in the column.
    """

    kind: Literal["integers", "names"]
    names: tuple[str, ...] | None

    def __str__(self) -> str:
        return self.kind if self.names is None else f"{self.kind} for the classes {', '.join(self.names)}"


@dataclass(frozen=True)
class LabelTable:
    """The files of a split and the labels of all their rows.

    Attributes:
        location: location of the split, for messages.
        shards: the files, in the order of their rows.
        ends: per file, the number of rows up to its end.
        labels: (N,) int64.
        naming: kind of the labels.
        names: class names by label; None if the files have none.
    """

    location: str
    shards: tuple[Shard, ...]
    ends: tuple[int, ...]
    labels: Tensor
    naming: Naming
    names: tuple[str, ...] | None

    def place(self, row: int) -> str:
        """Return the file, and the row in it counted from 0, of a row of the split."""
        index = next(index for index, end in enumerate(self.ends) if row < end)
        return f"{self.shards[index].name}, row {row - (self.ends[index - 1] if index else 0)}"


def read_labels(location: Location, columns: tuple[str, str]) -> LabelTable:
    """Return the labels of all rows of a split: the classes must not depend on a limit.

    Args:
        location: location of the split.
        columns: names of the image column and the label column.

    Raises:
        DataError: a file can't be read, its columns can't be used, a label is null, or the files disagree.
    """
    shards = find_shards(location)
    numbers: dict[str, int] = {}
    parts: list[Tensor] = []
    ends: list[int] = []
    first: Naming | None = None
    for shard in shards:
        with shard.open() as file:
            naming = _naming(shard.name, file.schema_arrow, columns)
            first = first or naming
            if naming != first:
                raise DataError(
                    f"{shard.name}: labels are {naming}, in {shards[0].name} they are {first}; write the same "
                    "kind in all files of a split"
                )
            column = file.read(columns=[columns[1]]).column(columns[1])
            if column.null_count:
                row = column.is_null().to_pylist().index(True)
                raise DataError(f"{shard.name}, row {row}: column {columns[1]} is null; every row needs a label")
            parts += [_numbered(chunk, numbers, shard.name) for chunk in column.chunks]
            ends.append(len(column))
    assert first is not None  # there is at least one file
    return LabelTable(
        location=describe_location(location),
        shards=shards,
        ends=tuple(accumulate(ends)),
        labels=torch.cat(parts) if parts else torch.empty(0, dtype=torch.int64),
        naming=first,
        names=tuple(numbers) if first.kind == "names" else first.names,
    )


def _numbered(chunk: Any, numbers: dict[str, int], place: str) -> Tensor:
    """Return the labels of a part of a column, (N,) int64; new names are added to `numbers`."""
    import pyarrow as pa

    if _holds_names(chunk.type):
        chunk = chunk if pa.types.is_dictionary(chunk.type) else chunk.dictionary_encode()
        # Every part has its own dictionary.
        names = chunk.dictionary.to_pylist()
        if None in names:
            raise DataError(f"{place}: a class name is null; every row needs a label")
        own = torch.tensor([numbers.setdefault(name, len(numbers)) for name in names], dtype=torch.int64)
        return own[_as_tensor(chunk.indices)]
    return _as_tensor(chunk.dictionary_decode() if pa.types.is_dictionary(chunk.type) else chunk)


def _as_tensor(integers: Any) -> Tensor:
    import pyarrow as pa

    return torch.tensor(integers.cast(pa.int64()).to_numpy(zero_copy_only=False), dtype=torch.int64)


def _naming(place: str, schema: Any, columns: tuple[str, str]) -> Naming:
    """Return the kind of labels in a file; raise DataError unless both columns can be used."""
    check_columns(place, schema, *columns)
    if _holds_names(schema.field(columns[1]).type):
        return Naming("names", None)
    return Naming("integers", named_classes(schema.metadata, columns[1], place))


def check_columns(place: str, schema: Any, image_column: str, label_column: str) -> None:
    """Raise DataError unless both columns exist once and have usable types."""
    import pyarrow as pa

    missing = [name for name in (image_column, label_column) if name not in schema.names]
    if missing:
        raise DataError(
            f"{place}: no column {', '.join(missing)}; the file has the columns {', '.join(schema.names)}. "
            "Set image_column and label_column"
        )
    for name in (image_column, label_column):
        if (count := schema.names.count(name)) > 1:
            raise DataError(f"{place}: {count} columns are named {name}; rename all but one of them")
    image_type = schema.field(image_column).type
    encoded_type = image_type
    if pa.types.is_struct(image_type) and image_type.get_field_index("bytes") >= 0:
        encoded_type = image_type.field("bytes").type
    if not (pa.types.is_binary(encoded_type) or pa.types.is_large_binary(encoded_type)):
        raise DataError(
            f"{place}: column {image_column} must contain binary, or a struct with a binary field named bytes, "
            f"found {image_type}"
        )
    label_type = schema.field(label_column).type
    if not _holds_names(label_type) and not _holds_integers(label_type):
        raise DataError(
            f"{place}: column {label_column} must contain integers 0..K-1, or class names (strings or categories), "
            f"found {label_type}"
        )


def _holds_integers(label_type: Any) -> bool:
    import pyarrow as pa

    return pa.types.is_integer(label_type.value_type if pa.types.is_dictionary(label_type) else label_type)


def _holds_names(label_type: Any) -> bool:
    """Return whether a column contains strings, or a dictionary of them."""
    import pyarrow as pa

    value_type = label_type.value_type if pa.types.is_dictionary(label_type) else label_type
    return pa.types.is_string(value_type) or pa.types.is_large_string(value_type)


def check_range(table: LabelTable, num_classes: int, classes_from: str) -> None:
    """Raise DataError with the first row whose label is not in 0..num_classes-1."""
    wrong = ((table.labels < 0) | (table.labels >= num_classes)).nonzero()
    if len(wrong):
        row = int(wrong[0])
        label = int(table.labels[row])
        hint = "; benchmarks write -1 for withheld labels: use a split with labels" * (label == _WITHHELD)
        raise DataError(f"{table.place(row)}: label {label} is not in 0..{num_classes - 1} ({classes_from}){hint}")


def check_contiguous(table: LabelTable) -> int:
    """Return the number of classes K; raise DataError unless every label of 0..K-1 occurs and no other."""
    found = torch.unique(table.labels).tolist()
    for expected, label in enumerate(found):
        if label != expected:
            row = int((table.labels == label).nonzero()[0])
            raise DataError(
                f"{table.place(row)}: label {label}, but no row has label {expected}; labels must be 0..K-1 without "
                "gaps. Renumber them, or name all classes in the schema metadata classes"
            )
    return len(found)


def labels_as_in_training(
    table: LabelTable, train_location: Location, columns: tuple[str, str], class_names: Sequence[str]
) -> Tensor:
    """Return the labels of the test split, (N,) int64, in the numbering of the training split.

    Class names are matched by name. For integers, class names and their order must be the same if both splits have
    names; otherwise the number of classes must fit. Names are never matched with unnamed integers.

    Args:
        table: labels of the test split.
        train_location: location of the training split; only the schema of its first file is read.
        columns: names of the image column and the label column.
        class_names: class names of the training split, by label.

    Raises:
        DataError: the labels of the splits do not match, or one is out of range.
    """
    shard = find_shards(train_location)[0]
    with shard.open() as file:
        train = _naming(shard.name, file.schema_arrow, columns)
    train_names = tuple(class_names) if train.kind == "names" else train.names
    there = describe_location(train_location)
    if "names" in (table.naming.kind, train.kind) and None in (table.names, train_names):
        raise DataError(
            f"{table.location}: labels are {table.naming}, in {there} they are {train}; write the same kind in both"
        )
    if table.naming.kind == "names":
        return _matched_by_name(table, class_names, there)
    if table.names is not None and train_names is not None and table.names != train_names:
        raise DataError(
            f"{table.location}: the classes {', '.join(table.names)} differ from those of {there}: "
            f"{', '.join(train_names)}; use the same names in the same order in both"
        )
    if table.names is not None and len(table.names) != len(class_names):
        raise DataError(
            f"{table.location}: names {len(table.names)} classes, but the labels of {there} are "
            f"0..{len(class_names) - 1}; name the classes in both splits"
        )
    check_range(table, len(class_names), f"the classes of {there}")
    return table.labels


def _matched_by_name(table: LabelTable, class_names: Sequence[str], there: str) -> Tensor:
    numbers = {name: number for number, name in enumerate(class_names)}
    own = torch.tensor([numbers.get(name, -1) for name in table.names or ()], dtype=torch.int64)
    labels = own[table.labels]
    unknown = (labels < 0).nonzero()
    if len(unknown):
        row = int(unknown[0])
        name = (table.names or ())[int(table.labels[row])]
        raise DataError(f"{table.place(row)}: class {name!r} is not among those of {there}: {', '.join(class_names)}")
    return labels
