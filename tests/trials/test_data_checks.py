"""All data of a sweep, including the test split, are checked before it starts."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import yaml
from PIL import Image

from aca_ray import api
from aca_ray.errors import ConfigError
from aca_ray.sweep.orders import all_orders

WriteSplit = Callable[..., None]


@pytest.fixture
def write(tmp_path: Path) -> WriteSplit:
    """Return a function that writes a split of random 8x8 gray images."""

    def write_split(name: str, labels: Any, size: int = 8, pixels: np.ndarray | None = None) -> None:
        if pixels is None:
            pixels = np.random.default_rng(len(labels)).integers(0, 256, (len(labels), size, size), dtype=np.uint8)
        encoded = []
        for image in pixels:
            buffer = io.BytesIO()
            Image.fromarray(image).save(buffer, format="PNG")
            encoded.append(buffer.getvalue())
        pq.write_table(pa.table({"image": encoded, "label": labels}), tmp_path / name)

    return write_split


@pytest.fixture
def spec(tmp_path: Path, write: WriteSplit) -> Callable[..., Path]:
    """Return a function that writes the spec of a sweep on valid Parquet files, with changes to its data mapping."""
    write("train.parquet", np.arange(60) % 3)
    write("test.parquet", np.arange(12) % 3)

    def write_spec(**changes: Any) -> Path:
        data = {"name": "parquet", "train": "train.parquet", "test": "test.parquet", **changes}
        value = {
            "name": "checked",
            "experiment": {
                "methods": ["darts"],
                "skip": ["searched"],
                "spaces": ["nasbench201"],
                "data": data,
                "seeds": [0],
                "epochs": [1],
                "network": {"channels": 4, "cells": 3},
                "retraining": {"protocol": "small"},
            },
            "runtime": {"storage": str(tmp_path / "results")},
        }
        path = tmp_path / "spec.yaml"
        path.write_text(yaml.safe_dump(value))
        return path

    return write_spec


def problem(spec: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        api.check(spec)
    (sentence,) = caught.value.problems
    assert sentence.startswith("experiment.data[0]: ")
    return sentence


def test_valid_data(spec: Callable[..., Path]) -> None:
    _, plan = api.check(spec())
    (data,) = plan.data
    assert (data.num_train, data.num_test, data.info.augmentation) == (60, 12, "crop")


def test_hidden_test_labels(spec: Callable[..., Path], write: WriteSplit) -> None:
    write("test.parquet", np.full(12, -1))
    assert "test.parquet, row 0: label -1" in problem(spec())


def test_a_test_split_of_another_size(spec: Callable[..., Path], write: WriteSplit) -> None:
    write("test.parquet", np.arange(12) % 3, size=12)
    assert "12x12 gray" in problem(spec())


def test_a_test_split_that_is_not_a_parquet_file(spec: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "test.parquet").write_text("nothing")
    assert "test.parquet: " in problem(spec())


def test_a_constant_training_split(spec: Callable[..., Path], write: WriteSplit) -> None:
    write("train.parquet", np.arange(60) % 3, pixels=np.zeros((60, 8, 8), np.uint8))
    found = problem(spec())
    assert "train.parquet: " in found
    assert "constant" in found


@pytest.mark.parametrize("changes", [{"test": "train.parquet"}, {"train": "*.parquet"}, {"test": ["t*.parquet"]}])
def test_test_images_that_are_training_images(spec: Callable[..., Path], changes: dict[str, Any]) -> None:
    assert "test images that were compared are training images" in problem(spec(**changes))


def test_some_images_in_both_splits(spec: Callable[..., Path], write: WriteSplit) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (12, 8, 8), dtype=np.uint8)
    write("train.parquet", np.arange(60) % 3, pixels=np.concatenate([pixels[:6]] * 10))
    write("test.parquet", np.arange(12) % 3, pixels=pixels)
    api.check(spec())
    write("test.parquet", np.arange(11) % 3, pixels=pixels[:11])
    assert "6 of 11" in problem(spec())


def test_own_normalization_is_part_of_the_identity(spec: Callable[..., Path]) -> None:
    def trial(**changes: Any) -> tuple[str, Any, Any]:
        _, plan = api.check(spec(**changes))
        return plan.searches[0].trial.fingerprint, plan.data[0].info.mean, plan.data[0].info.std

    own = trial(normalization={"mean": [0], "std": [1]})
    assert own == trial(normalization={"std": [1.0], "mean": [0.0]})
    assert own[1:] == ((0.0,), (1.0,))
    assert len({own[0], trial()[0], trial(normalization={"mean": [0], "std": [0.5]})[0]}) == 3
    rgb = {"mean": [0.5, 0.5, 0.5], "std": [0.2, 0.2, 0.2]}
    assert "8x8 gray" in problem(spec(normalization=rgb))


def test_no_val_folder(spec: Callable[..., Path], tmp_path: Path) -> None:
    for name in ("ant", "bee"):
        (tmp_path / "root" / "train" / name).mkdir(parents=True)
        for index, pixels in enumerate(np.random.default_rng(0).integers(0, 256, (12, 40, 50, 3), dtype=np.uint8)):
            Image.fromarray(pixels).save(tmp_path / "root" / "train" / name / f"{index}.png")
    path = spec()
    value = yaml.safe_load(path.read_text())
    value["experiment"]["data"] = {"name": "imagenet", "root": "root"}
    path.write_text(yaml.safe_dump(value))
    assert "root/val: " in problem(path)
    (tmp_path / "root" / "val").symlink_to(tmp_path / "root" / "train")
    api.check(path)
    (tmp_path / "root" / "train" / "ant" / "x.png").symlink_to("/nowhere.png")
    assert "train/ant/x.png: " in problem(path)
    assert "/nowhere.png" in problem(path)


def test_spelling_out_defaults_does_not_change_the_identity(spec: Callable[..., Path]) -> None:
    def identities(**changes: Any) -> tuple[str, list[str]]:
        _, plan = api.check(spec(**changes))
        return api.create(spec(**changes)).fingerprint, [search.trial.fingerprint for search in plan.searches]

    plain = identities()
    assert identities(flip=False) == identities(crop=True, flip=False) == plain
    _, plan = api.check(spec(flip=True))
    assert plan.searches[0].trial.fingerprint != plain[1][0]
    assert plan.data[0].info.augmentation == "crop and flip"


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("is_old", [False, True])
def test_changed_images_are_refused_once_a_trial_has_used_them(
    spec: Callable[..., Path], tmp_path: Path, split: str, is_old: bool
) -> None:
    """A sweep of an older version knows the training images alone, from its records."""
    file = tmp_path / f"{split}.parquet"
    original, other = file.read_bytes(), tmp_path / "other.parquet"
    pq.write_table(pq.read_table(file).slice(1), other)
    sweep = api.create(spec())
    file.write_bytes(other.read_bytes())
    api.create(spec())  # no trial has begun
    file.write_bytes(original)
    api.create(spec())
    (order, *_) = all_orders(sweep)
    order.open(torch.device("cpu")).advance()
    if is_old:
        sweep.folder.images.unlink()
    before = {path: path.read_bytes() for path in sweep.folder.path.rglob("*") if path.is_file()}
    file.write_bytes(other.read_bytes())
    if is_old and split == "test":
        api.create(spec())
        return
    images = {"train": "training", "test": "test"}[split]
    for again in (lambda: api.create(spec()), lambda: api.reopen("checked", tmp_path / "results")):
        with pytest.raises(ConfigError, match=rf"experiment\.data\[0\]: the {images} images differ .*restore them"):
            again()
    assert {path: path.read_bytes() for path in sweep.folder.path.rglob("*") if path.is_file()} == before
    file.write_bytes(original)
    api.reopen("checked", tmp_path / "results")


def test_data_are_checked_before_a_sweep_is_resumed(spec: Callable[..., Path], tmp_path: Path) -> None:
    sweep = api.create(spec())
    assert api.reopen("checked", tmp_path / "results") == sweep
    (tmp_path / "test.parquet").rename(tmp_path / "moved.parquet")
    with pytest.raises(ConfigError, match=r"experiment\.data\[0\]: .*test\.parquet: "):
        api.reopen("checked", tmp_path / "results")
    assert api.find("checked", tmp_path / "results") == sweep
