"""Images in class folders of any names, decoded into memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from aca_ray.data import ImageSet, absolute_locations, check_data, load_retraining_data, load_search_data, validate_data
from aca_ray.data.class_folders import list_classes, list_shuffled
from aca_ray.errors import DataError

CLASSES = ("a cat", "dog, big", "émeu")
COUNTS = {"train": 6, "holdout": 3}


def write(path: Path, seed: int, size: tuple[int, int] = (16, 12), gray: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = size if gray else (*size, 3)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)).save(path)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """18 training and 9 test images, 12 pixels wide and 16 high."""
    for split, count in COUNTS.items():
        for label, name in enumerate(CLASSES):
            for index in range(count):
                write(tmp_path / split / name / f"{index}.png", 100 * label + index + 50 * (split == "train"))
    return tmp_path


def mapping(root: Path, **settings: Any) -> dict[str, Any]:
    return {"name": "folders", "train": str(root / "train"), "test": str(root / "holdout"), **settings}


def test_images_keep_their_size_and_pixels(root: Path) -> None:
    assert validate_data(mapping(root), "d") == []
    data, search = load_retraining_data(mapping(root)), load_search_data(mapping(root))
    info = data.info
    assert (info.class_names, info.num_classes, info.flip, info.padding_share) == (CLASSES, 3, False, 4 / 32)
    assert (info.channels, info.height, info.width, info.source) == (3, 16, 12, str(root / "train"))
    assert search.info == info
    for images, split in ((data.train, "train"), (data.test, "holdout")):
        assert isinstance(images, ImageSet)
        assert len(images) == 3 * COUNTS[split]
        paths, labels, _ = list_shuffled(root / split, None)
        assert sorted(paths) == [path for path, _ in list_classes(root / split)[0]] != list(paths)
        assert torch.equal(images.labels, labels)
        for row, path in enumerate(paths):
            assert CLASSES[labels[row]] == path.split("/")[0]
            assert np.array_equal(images.images[row].permute(1, 2, 0), np.asarray(Image.open(root / split / path)))
    checked = check_data(mapping(root), search)
    assert (checked.num_train, checked.num_test) == (18, 9)
    limited = load_retraining_data(mapping(root, max_train_images=5, max_test_images=2))
    assert torch.equal(limited.train.images, data.train.images[:5])
    assert torch.equal(limited.test.labels, data.test.labels[:2])


def test_the_digest_is_of_the_pixels(root: Path) -> None:
    digest = load_search_data(mapping(root)).info.digest
    (root / "train" / CLASSES[0] / "0.png").rename(root / "train" / CLASSES[0] / "00.png")
    assert load_search_data(mapping(root)).info.digest == digest  # the same order
    write(root / "train" / CLASSES[0] / "00.png", 7)
    assert load_search_data(mapping(root)).info.digest != digest


def test_relative_folders(root: Path) -> None:
    located = absolute_locations({"name": "folders", "train": "train", "test": "holdout"}, root)
    assert located == mapping(root)


def test_sizes_that_differ_need_resize(root: Path) -> None:
    path = root / "train" / CLASSES[1] / "2.png"
    write(path, 0, size=(20, 8))
    with pytest.raises(DataError, match=r"\.png: the image is .*Set resize.*imagenet"):
        load_search_data(mapping(root))
    data = load_retraining_data(mapping(root, resize=8))
    assert data.train.shape == data.test.shape == (3, 8, 8)
    assert data.info.augmentation.startswith("crop, resized to 8x8")


def test_resizing_one_by_one_equals_resizing_all(root: Path) -> None:
    whole = load_retraining_data(mapping(root))
    resized = load_retraining_data(mapping(root, resize=8))
    assert torch.equal(resized.train.images, whole.train.resize(8).images)
    assert torch.equal(resized.test.images, whole.test.resize(8).images)


@pytest.mark.parametrize("resize", [{}, {"resize": 8}])
def test_gray_among_color_becomes_rgb(root: Path, resize: dict[str, int]) -> None:
    for name in CLASSES:
        for path in (root / "train" / name).iterdir():
            write(path, len(path.name) + ord(path.name[0]), gray=path.name != "3.png")
    data = load_retraining_data(mapping(root, **resize))
    gray = (data.train.images == data.train.images[:, :1]).all(dim=(1, 2, 3))
    assert (data.info.channels, int(gray.sum())) == (3, 15)


def test_classes_must_be_equal_in_both_splits(root: Path) -> None:
    (root / "holdout" / CLASSES[2]).rename(root / "holdout" / "emu")
    with pytest.raises(DataError, match=r"holdout: must contain the same 3 classes as .*train.*emu, émeu"):
        load_retraining_data(mapping(root))


def test_files_that_are_no_images(root: Path) -> None:
    (root / "train" / CLASSES[0] / "1.png").write_bytes(b"nonsense")
    with pytest.raises(DataError, match=r"a cat/1\.png: can't be read as an image"):
        load_search_data(mapping(root))


def test_the_test_folder_must_not_be_the_training_folder(root: Path) -> None:
    data = mapping(root, test=str(root / "train"))
    with pytest.raises(DataError, match="18 of 18 test images"):
        check_data(data, load_search_data(data))


def test_all_problems_of_the_mapping_at_once(root: Path) -> None:
    data = {"name": "folders", "train": str(root / "none"), "test": "s3://bucket/test", "color": False}
    places = [problem.partition(": ")[0] for problem in validate_data(data, "d")]
    assert places == ["d.color", "d.train", "d.test"]
    file = str(root / "train" / CLASSES[0] / "0.png")
    problems = validate_data({"name": "folders", "train": file}, "d")
    assert [problem.partition(": ")[0] for problem in problems] == ["d.test", "d.train"]


def test_images_that_do_not_fit_into_memory(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needed = 18 * 3 * 16 * 12
    monkeypatch.setattr("aca_ray.data.stacking.memory_bytes", lambda: needed)
    assert len(load_retraining_data(mapping(root)).train) == 18
    monkeypatch.setattr("aca_ray.data.stacking.memory_bytes", lambda: needed - 1)
    with pytest.raises(DataError, match=r"train: 18 images of 12x16 RGB.*max_train_images"):
        load_search_data(mapping(root))
    assert len(load_search_data(mapping(root, max_train_images=17)).train) == 8


def test_a_folder_without_classes(root: Path) -> None:
    write(root / "flat" / "0.png", 0)
    with pytest.raises(DataError, match=r"flat: .*it has no folders"):
        load_search_data(mapping(root, train=str(root / "flat")))
