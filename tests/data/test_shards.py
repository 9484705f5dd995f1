"""A split in several Parquet files: a folder, a glob, a list, local and as URIs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aca_ray.data import absolute_locations, load_retraining_data, load_search_data, validate_data
from aca_ray.errors import DataError

LABELS = [0, 1, 1, 0, 2, 0, 1, 2, 2, 0, 1, 2]
NAMES = [f"train-0000{index}-of-00003.parquet" for index in range(3)]


@pytest.fixture
def folder(tmp_path: Path, random_pixels: Callable[..., np.ndarray], encode: Callable[..., bytes]) -> Path:
    """Three files of 5, 3 and 4 images, beside files that do not belong to the split."""
    folder = tmp_path / "shards"
    folder.mkdir()
    images = [encode(image) for image in random_pixels(12)]
    for name, start, stop in zip(NAMES, (0, 5, 8), (5, 8, 12), strict=True):
        pq.write_table(pa.table({"image": images[start:stop], "label": LABELS[start:stop]}), folder / name)
    for name in ("_SUCCESS", "._train-00000-of-00003.parquet", "_metadata.parquet", "README.md"):
        (folder / name).write_text("no data")
    (folder / "deeper.parquet").mkdir()
    return folder


def mapping(train: Any, test: Any = "x", **settings: Any) -> dict[str, Any]:
    return {"name": "parquet", "train": train, "test": test, **settings}


def locations(folder: Path) -> list[Any]:
    files = [str(folder / name) for name in NAMES]
    uri = folder.as_uri()
    return [
        str(folder),
        f"{folder}/",
        str(folder / "train-*.parquet"),
        str(folder / "train-0000[0-2]-of-00003.parquet"),
        files,
        [str(folder / "train-0000[01]*.parquet"), files[2]],
        uri,
        f"{uri}/",
        f"{uri}/train-*.parquet",
        [f"{uri}/{NAMES[0]}", files[1], f"{uri}/{NAMES[2]}"],
    ]


@pytest.mark.parametrize("number", range(10))
def test_rows_follow_the_files(folder: Path, number: int, random_pixels: Callable[..., np.ndarray]) -> None:
    location = locations(folder)[number]
    assert validate_data(mapping(location, location), "d") == []
    data = load_retraining_data(mapping(location, location))
    expected = random_pixels(12).transpose(0, 3, 1, 2)
    for images in (data.train, data.test):
        assert np.array_equal(images.images.numpy(), expected)
        assert images.labels.tolist() == LABELS
    limited = load_search_data(mapping(location, max_train_images=6))
    assert np.array_equal(limited.valid.images.numpy(), expected[3:6])
    assert limited.info.num_classes == 3


def test_a_list_keeps_its_order(folder: Path) -> None:
    files = [str(folder / NAMES[index]) for index in (2, 0, 1)]
    data = load_retraining_data(mapping(files, files[0]))
    assert data.train.labels.tolist() == LABELS[8:] + LABELS[:5] + LABELS[5:8]
    assert data.info.source == f"{files[0]} and 2 more"


def test_messages_name_file_and_row_in_it(folder: Path) -> None:
    table = pq.read_table(folder / NAMES[1])
    images = table["image"].to_pylist()
    pq.write_table(pa.table({"image": [*images[:2], b"nonsense"], "label": LABELS[5:8]}), folder / NAMES[1])
    with pytest.raises(DataError, match=rf"{NAMES[1]}, row 2: column image"):
        load_search_data(mapping(str(folder)))
    with pytest.raises(DataError, match=rf"{NAMES[1]}, row 2: column image"):
        load_search_data(mapping(f"{folder.as_uri()}/train-*.parquet"))
    assert len(load_search_data(mapping(str(folder), max_train_images=7)).valid) == 4
    pq.write_table(pa.table({"image": images, "label": [0, 1, 7]}), folder / NAMES[1])
    with pytest.raises(DataError, match=rf"{NAMES[1]}, row 2: label 7"):
        load_search_data(mapping(str(folder)))
    pq.write_table(pa.table({"image": images, "class": [0, 1, 2]}), folder / NAMES[1])
    with pytest.raises(DataError, match=rf"{NAMES[1]}: no column label"):
        load_search_data(mapping(str(folder)))


def test_locations_without_files(folder: Path, tmp_path: Path) -> None:
    for location in (tmp_path, folder / "valid-*.parquet", folder / "deeper.parquet", folder / "none.parquet"):
        (problem,) = validate_data(mapping(str(location), str(folder)), "d")
        assert problem.startswith("d.train: no ")
        assert repr(str(location)) in problem
        with pytest.raises(DataError, match=str(location).replace("*", r"\*")):
            load_search_data(mapping(str(location)))
        with pytest.raises(DataError, match=location.as_uri().replace("*", r"\*").replace("%2A", r"\*")):
            load_search_data(mapping(location.as_uri().replace("%2A", "*")))
    with pytest.raises(DataError, match="only the last part"):
        load_search_data(mapping(f"{tmp_path.as_uri()}/*/train.parquet"))
    with pytest.raises(DataError, match=rf"{NAMES[0]}: is listed twice"):
        load_search_data(mapping([str(folder), str(folder / NAMES[0])]))


def test_validation_of_lists(folder: Path) -> None:
    problems = validate_data(mapping([str(folder), "", "none.parquet", 3], []), "d")
    assert [problem.partition(":")[0] for problem in problems] == ["d.train[1]", "d.train[3]", "d.test"]
    problems = validate_data(mapping([str(folder), "none.parquet"], str(folder)), "d")
    assert [problem.partition(":")[0] for problem in problems] == ["d.train[1]"]
    problems = validate_data({"name": "imagenet", "root": ["a", "b"]}, "d")
    assert [problem.partition(":")[0] for problem in problems] == ["d.root"]
    assert "found ['a', 'b']" in problems[0]


def test_locations_become_absolute(tmp_path: Path) -> None:
    data = mapping(["a.parquet", "s3://bucket/b.parquet", "/c.parquet"], "shards/*.parquet")
    resolved = absolute_locations(data, tmp_path)
    assert resolved["train"] == [str(tmp_path / "a.parquet"), "s3://bucket/b.parquet", "/c.parquet"]
    assert resolved["test"] == str(tmp_path / "shards/*.parquet")
