"""Parquet files as the library datasets writes them: features in the schema metadata, several shards per split."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aca_ray.data import canonical_data, check_data, load_retraining_data, load_search_data, validate_data
from aca_ray.errors import DataError

FINE, COARSE = ("apple", "bear", "cat, big"), ("fruit", "animal")
COLUMNS = {"image_column": "img", "label_column": "fine_label"}
SHARDS = {"train-00000-of-00002": 20, "train-00001-of-00002": 16, "test-00000-of-00001": 9}


@pytest.fixture
def folder(tmp_path: Path, random_pixels: Callable[..., np.ndarray], encode: Callable[..., bytes]) -> Path:
    """A data/ folder like that of CIFAR-100 on the Hugging Face Hub, with other images."""
    features = {
        "img": {"_type": "Image"},
        "fine_label": {"names": list(FINE), "_type": "ClassLabel"},
        "coarse_label": {"names": list(COARSE), "_type": "ClassLabel"},
    }
    schema = pa.schema(
        {
            "img": pa.struct({"bytes": pa.binary(), "path": pa.string()}),
            "fine_label": pa.int64(),
            "coarse_label": pa.int64(),
        },
        metadata={"huggingface": json.dumps({"info": {"features": features}})},
    )
    folder = tmp_path / "data"
    folder.mkdir()
    for seed, (name, count) in enumerate(SHARDS.items()):
        fine = [row % 3 for row in range(count)]
        rows = {
            "img": [{"bytes": encode(one), "path": None} for one in random_pixels(count, seed=seed)],
            "fine_label": fine,
            "coarse_label": [int(label > 0) for label in fine],
        }
        pq.write_table(pa.table(rows, schema=schema), folder / f"{name}.parquet", row_group_size=6)
    return folder


def mapping(folder: Path, train: Any = "train-*.parquet", test: Any = "test-*.parquet", **keys: Any) -> dict[str, Any]:
    return {"name": "parquet", "train": str(folder / train), "test": str(folder / test), **COLUMNS, **keys}


def test_splits_by_glob(folder: Path) -> None:
    data = mapping(folder)
    assert validate_data(data, "d") == []
    search, retraining = load_search_data(data), load_retraining_data(data)
    checked = check_data(data, search)
    assert (checked.num_train, checked.num_test, retraining.info.class_names) == (36, 9, FINE)
    assert retraining.train.labels.tolist() == [row % 3 for row in (*range(20), *range(16))]
    coarse = load_retraining_data(mapping(folder, label_column="coarse_label"))
    assert coarse.info.class_names == COARSE
    assert coarse.test.labels.tolist() == [0, 1, 1] * 3


def test_a_folder_per_split(folder: Path) -> None:
    for split in ("train", "test"):
        (folder / split).mkdir()
        for path in folder.glob(f"{split}-*"):
            path.rename(folder / split / path.name)
    retraining = load_retraining_data(mapping(folder, "train", "test"))
    assert (len(retraining.train), len(retraining.test)) == (36, 9)


@pytest.mark.parametrize("splits", [("", ""), ("", "test-*.parquet"), ("train-*.parquet", ""), ("*.parquet", "")])
def test_a_folder_of_both_splits_is_refused(folder: Path, splits: tuple[str, str]) -> None:
    data = mapping(folder, *splits)
    with pytest.raises(DataError, match=r"test images .* are training images.*train-\*\.parquet"):
        check_data(data, load_search_data(data))


def test_images_of_any_size_with_resize(
    folder: Path, random_pixels: Callable[..., np.ndarray], encode: Callable[..., bytes]
) -> None:
    path = folder / "train-00000-of-00002.parquet"
    table = pq.read_table(path)
    large = [{"bytes": encode(one), "path": "x.png"} for one in random_pixels(len(table), size=21)]
    table = table.set_column(0, table.schema.field(0), pa.array(large, table.schema.field(0).type))
    pq.write_table(table, path)
    with pytest.raises(DataError, match=r"train-00001-of-00002\.parquet, row 0: the image is 8x8 .*21x21.*Set resize"):
        load_search_data(mapping(folder))
    data = load_retraining_data(mapping(folder, resize=12))
    assert data.train.shape == data.test.shape == (3, 12, 12)


def test_columns_have_to_be_named(folder: Path) -> None:
    with pytest.raises(DataError, match=r"no column image, label.*img, fine_label, coarse_label"):
        load_search_data({**mapping(folder), "image_column": "image", "label_column": "label"})


def test_files_sorted_by_class_need_shuffle(
    tmp_path: Path, random_pixels: Callable[..., np.ndarray], encode: Callable[..., bytes]
) -> None:
    pixels, labels = random_pixels(60), ["ant"] * 30 + ["bee"] * 30
    for number, start in enumerate((0, 25)):
        rows = slice(start, 25 if start == 0 else 60)
        table = pa.table({"image": [encode(one) for one in pixels[rows]], "label": labels[rows]})
        pq.write_table(table, tmp_path / f"train-{number}.parquet", row_group_size=8)
    data = {"name": "parquet", "train": str(tmp_path / "train-*.parquet"), "test": "x"}
    with pytest.raises(DataError, match="set shuffle: true"):
        load_search_data(data)
    search = load_search_data({**data, "shuffle": True})
    images = np.concatenate([search.train.images, search.valid.images]).transpose(0, 2, 3, 1)
    found = [search.info.class_names[label] for label in (*search.train.labels, *search.valid.labels)]
    row_of = {bytes(image): row for row, image in enumerate(pixels)}
    rows_in_order = [row_of[bytes(np.ascontiguousarray(image))] for image in images]
    assert sorted(rows_in_order) == list(range(60)) != rows_in_order
    assert found == [labels[row] for row in rows_in_order]
    few = load_retraining_data({**data, "test": data["train"], "shuffle": True, "max_train_images": 7}).train
    assert np.array_equal(few.images.permute(0, 2, 3, 1), images[:7])
    assert canonical_data({**data, "shuffle": False}) == data
    (problem,) = validate_data({**data, "train": str(tmp_path), "test": str(tmp_path), "shuffle": "yes"}, "d")
    assert problem.startswith("d.shuffle: ")
