"""Labels of Parquet files match in both splits and in all files of a split, or are refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aca_ray.data import load_retraining_data, load_search_data
from aca_ray.errors import DataError

WriteTable = Callable[..., str]


@pytest.fixture
def write(tmp_path: Path, random_pixels: Callable[..., np.ndarray], encode: Callable[..., bytes]) -> WriteTable:
    """Return a function that writes one image per label and returns the path of the file."""

    def write_table(name: str, labels: Any, metadata: dict[str, Any] | None = None) -> str:
        images = pa.array([encode(image) for image in random_pixels(len(labels))], type=pa.binary())
        table = pa.table({"image": images, "label": labels})
        if metadata is not None:
            texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in metadata.items()}
            table = table.replace_schema_metadata(texts)
        path = tmp_path / name
        pq.write_table(table, path)
        return str(path)

    return write_table


def mapping(train: Any, test: Any, **settings: Any) -> dict[str, Any]:
    return {"name": "parquet", "train": train, "test": test, **settings}


def fails(data: dict[str, Any], *texts: str) -> None:
    with pytest.raises(DataError) as raised:
        load_retraining_data(data)
    for text in texts:
        assert text in str(raised.value)


def hugging_face(*names: str, column: str = "label") -> dict[str, Any]:
    features = {"image": {"_type": "Image"}, column: {"names": list(names), "_type": "ClassLabel"}}
    return {"huggingface": {"info": {"features": features}}}


NUMBERS = [0, 1, 1, 0, 1, 0, 0, 1]


@pytest.mark.parametrize(
    ("metadata", "names"),
    [
        ({"classes": "cat, dog"}, ("cat", "dog")),
        ({"classes": ["cat, tabby", "dog"]}, ("cat, tabby", "dog")),
        ({"classes": "[cat,dog]"}, ("[cat", "dog]")),
        (hugging_face("cat, tabby", "dog"), ("cat, tabby", "dog")),
        ({"huggingface": {"features": {"label": {"num_classes": 2, "names": ["cat", "dog"]}}}}, ("cat", "dog")),
        ({"huggingface": {"info": {"features": {"label": {"dtype": "int64", "_type": "Value"}}}}}, ("0", "1")),
        (hugging_face("cat", "dog", column="other"), ("0", "1")),
        ({**hugging_face("cat", "dog"), "classes": "cat,dog"}, ("cat", "dog")),
        ({"pandas": "{}"}, ("0", "1")),
    ],
)
def test_names_of_every_metadata(write: WriteTable, metadata: dict[str, Any], names: tuple[str, ...]) -> None:
    path = write("train.parquet", NUMBERS, metadata)
    data = load_retraining_data(mapping(path, path))
    assert data.info.class_names == names
    assert data.train.labels.tolist() == data.test.labels.tolist() == NUMBERS


@pytest.mark.parametrize(
    ("metadata", "text"),
    [
        ({"classes": "cat,cat"}, "distinct names"),
        ({"classes": "cat,,dog"}, "distinct names"),
        ({"classes": []}, "distinct names"),
        ({"huggingface": "{"}, "huggingface must be JSON"),
        ({"huggingface": {"info": {"features": {"label": {"names": {"0": "cat"}}}}}}, "must list the names"),
        ({**hugging_face("cat", "dog"), "classes": "dog,cat"}, "name the classes differently"),
    ],
)
def test_malformed_metadata(write: WriteTable, metadata: dict[str, Any], text: str) -> None:
    path = write("train.parquet", NUMBERS, metadata)
    fails(mapping(path, path), path, text)


def test_different_orders_and_counts_are_refused(write: WriteTable) -> None:
    train = write("train.parquet", NUMBERS, hugging_face("cat", "dog"))
    for names in (("dog", "cat"), ("cat", "dog", "emu"), ("cat",)):
        for metadata in (hugging_face(*names), {"classes": list(names)}):
            test = write("test.parquet", [0, 0, 0], metadata)
            fails(mapping(train, test), test, train, ", ".join(names), "cat, dog")
    numbered = write("train_numbered.parquet", NUMBERS, {"classes": "0,1"})
    fails(mapping(numbered, write("swapped.parquet", [0, 1], {"classes": "1,0"})), "swapped.parquet", "1, 0")


def test_number_of_classes_must_fit_if_one_split_has_no_names(write: WriteTable) -> None:
    named, plain = write("named.parquet", NUMBERS, hugging_face("cat", "dog")), write("plain.parquet", NUMBERS)
    assert load_retraining_data(mapping(named, plain)).info.class_names == ("cat", "dog")
    assert load_retraining_data(mapping(plain, named)).info.class_names == ("0", "1")
    three = write("three.parquet", NUMBERS, hugging_face("cat", "dog", "emu"))
    fails(mapping(plain, three), three, "names 3 classes", plain, "0..1")
    fails(mapping(named, write("more.parquet", [0, 2])), "more.parquet, row 1: label 2 is not in 0..1", named)


def test_withheld_labels(write: WriteTable) -> None:
    train, test = write("train.parquet", NUMBERS), write("test.parquet", [-1] * 4)
    fails(mapping(train, test), f"{test}, row 0: label -1 is not in 0..1", "withheld")


def test_categories_of_pandas_are_matched_by_name(tmp_path: Path, write: WriteTable) -> None:
    names = ["cat", "dog", "emu", "dog", "emu", "cat", "dog", "cat"]
    train = write("train.parquet", pa.array(pd.Categorical(names, categories=["dog", "emu", "cat", "eel"])))
    test = write("test.parquet", pa.array(pd.Categorical(["emu", "cat", "emu"])))  # its numbers are 1, 0, 1
    data = load_retraining_data(mapping(train, test))
    assert data.info.class_names[:3] == ("dog", "emu", "cat")
    assert [data.info.class_names[label] for label in data.train.labels] == names
    assert [data.info.class_names[label] for label in data.test.labels] == ["emu", "cat", "emu"]
    unknown = write("unknown.parquet", pa.array(pd.Categorical(["cat", "fox"])))
    fails(mapping(train, unknown), f"{unknown}, row 1: class 'fox'", train)
    without = write("null.parquet", pa.array(pd.Categorical(["cat", None])))
    fails(mapping(train, without), f"{without}, row 1: column label is null")
    plain = write("plain.parquet", NUMBERS)
    fails(mapping(train, plain), plain, train, "the same kind")
    fails(mapping(plain, test), plain, test, "the same kind")
    # Categories also survive pandas' own writer.
    frame = pd.DataFrame({"image": pq.read_table(train)["image"].to_pylist(), "label": pd.Categorical(names)})
    frame.to_parquet(tmp_path / "frame.parquet")
    frame = load_search_data(mapping(str(tmp_path / "frame.parquet"), "x"))
    assert frame.info.class_names == ("cat", "dog", "emu")
    assert [frame.info.class_names[label] for label in [*frame.train.labels, *frame.valid.labels]] == names


def test_named_integers_match_categories(write: WriteTable) -> None:
    named = write("named.parquet", NUMBERS, {"classes": "cat,dog"})
    categories = write("categories.parquet", pa.array(["dog", "cat"] * 4).dictionary_encode())
    assert load_retraining_data(mapping(named, categories)).test.labels.tolist() == [1, 0] * 4
    fails(mapping(categories, named), named, "cat, dog", categories, "dog, cat")


def test_a_dictionary_of_integers_is_decoded(write: WriteTable) -> None:
    path = write("train.parquet", pa.array([1, 0, 1, 1, 0, 0, 1, 0]).dictionary_encode())
    assert load_retraining_data(mapping(path, path)).test.labels.tolist() == [1, 0, 1, 1, 0, 0, 1, 0]


def test_integers_beyond_int64_are_refused(write: WriteTable) -> None:
    path = write("train.parquet", pa.array([2**64 - 1, 0] * 4, type=pa.uint64()))
    fails(mapping(path, path), path)
    path = write("train.parquet", pa.array(NUMBERS, type=pa.uint8()))
    assert load_retraining_data(mapping(path, path)).test.labels.tolist() == NUMBERS


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_strings_are_class_names(write: WriteTable, kind: pa.DataType) -> None:
    train = write("train.parquet", pa.array(["dog", "cat", "cat", "emu"] * 2, type=kind))
    test = write("test.parquet", pa.array(["emu", "dog"], type=kind))
    data = load_retraining_data(mapping(train, test))
    assert data.info.class_names == ("dog", "cat", "emu")
    assert (data.train.labels.tolist(), data.test.labels.tolist()) == ([0, 1, 1, 2] * 2, [2, 0])
    unknown = write("unknown.parquet", ["cat", "fox"])
    fails(mapping(train, unknown), f"{unknown}, row 1: class 'fox'", train)
    fails(mapping(write("null.parquet", ["cat", None] * 4), test), "row 1: column label is null")


def test_a_column_that_occurs_twice(tmp_path: Path, write: WriteTable) -> None:
    table = pq.read_table(write("train.parquet", NUMBERS))
    image, label = table.columns
    path = str(tmp_path / "twice.parquet")
    pq.write_table(pa.Table.from_arrays([image, label, label], names=["image", "label", "label"]), path)
    fails(mapping(path, path), path, "2 columns are named label", "rename")
    pq.write_table(pa.Table.from_arrays([image, image, label], names=["image", "image", "label"]), path)
    fails(mapping(path, path), path, "2 columns are named image")
    pq.write_table(pa.Table.from_arrays([image, image, image, label], names=["x", "image", "x", "label"]), path)
    assert len(load_retraining_data(mapping(path, path)).train) == 8


def test_files_of_a_split_must_agree(write: WriteTable) -> None:
    first = write("a.parquet", NUMBERS, hugging_face("cat", "dog"))
    for second in (
        write("b.parquet", NUMBERS, hugging_face("dog", "cat")),
        write("c.parquet", NUMBERS),
        write("d.parquet", pa.array(["cat"] * 8).dictionary_encode()),
    ):
        fails(mapping([first, second], first), second, first, "all files")
    # Every file has its own dictionary, as written by pandas.
    third = write("e.parquet", pa.array(["dog", "cat", "dog", "cat"]).dictionary_encode())
    fourth = write("f.parquet", pa.array(["cat", "emu", "dog", "cat"]).dictionary_encode())
    data = load_retraining_data(mapping([third, fourth], third))
    assert data.info.class_names == ("dog", "cat", "emu")
    assert data.train.labels.tolist() == [0, 1, 0, 1, 1, 2, 0, 1]
