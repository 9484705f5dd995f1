"""Images in class folders, read on demand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from aca_ray.data import Batches, load_retraining_data, load_search_data, normalize, standard_augmentation
from aca_ray.data import evaluation_batches as batches_in_order
from aca_ray.data.image_files import ImageFiles
from aca_ray.data.image_views import draw_views, evaluation_view, training_view
from aca_ray.errors import DataError

CLASSES = ("n01", "n02", "n03")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """12 training and 6 validation images of differing sizes; one is gray, as some in ImageNet are."""
    rng = np.random.default_rng(0)
    for folder, count in (("train", 4), ("val", 2)):
        for class_name in CLASSES:
            (tmp_path / folder / class_name).mkdir(parents=True)
            for index in range(count):
                height, width = rng.integers(60, 90, 2)
                shape = (height, width) if index == 1 else (height, width, 3)
                pixels = rng.integers(0, 256, shape, dtype=np.uint8)
                Image.fromarray(pixels).save(tmp_path / folder / class_name / f"{index}.JPEG")
    return tmp_path


@pytest.fixture
def mapping(root: Path) -> dict[str, str]:
    return {"name": "imagenet", "root": str(root)}


def test_splits(root: Path, mapping: dict[str, str]) -> None:
    data, search = load_retraining_data(mapping), load_search_data(mapping)
    info = data.info
    assert (len(data.train), len(data.test), len(search.train), len(search.valid)) == (12, 6, 6, 6)
    assert (info.num_classes, info.class_names, info.flip) == (3, CLASSES, True)
    assert (info.channels, info.height, info.width) == (3, 224, 224)
    assert search.info == info
    assert isinstance(data.train, ImageFiles)
    for images, folder in ((data.train, "train"), (data.test, "val")):
        assert images.root == root / folder
        assert sorted(images.paths) == sorted(str(path.relative_to(images.root)) for path in images.root.glob("*/*"))
        assert [CLASSES[label] for label in images.labels.tolist()] == [path.split("/")[0] for path in images.paths]
    assert list(data.train.labels) != sorted(data.train.labels), "rows of folders sorted by class are shuffled"
    assert search.train.paths + search.valid.paths == data.train.paths
    limited = load_retraining_data({**mapping, "max_train_images": 5})
    assert limited.train.paths == data.train.paths[:5]
    assert limited.info.class_names == CLASSES


def test_the_digest_is_of_paths_sizes_and_labels(root: Path, mapping: dict[str, str]) -> None:
    digest = load_search_data(mapping).info.digest
    assert load_search_data(mapping).info.digest == digest
    path = root / "train" / "n02" / "0.JPEG"
    content = path.read_bytes()
    path.write_bytes(content + b"x")
    assert load_search_data(mapping).info.digest != digest
    path.write_bytes(content)
    assert load_search_data(mapping).info.digest == digest
    path.rename(path.with_name("9.JPEG"))
    assert load_search_data(mapping).info.digest != digest


@pytest.fixture
def make_batches(mapping: dict[str, str]) -> Callable[[int], Batches]:
    data = load_retraining_data(mapping)
    return lambda seed: Batches(data.train, data.info, 5, standard_augmentation(data.info), seed, "cpu")


def test_batches_are_pure(make_batches: Callable[[int], Batches]) -> None:
    forwards, backwards = make_batches(1), make_batches(1)
    expected = [forwards.batch(index) for index in range(4)]
    torch.manual_seed(0)
    torch.set_num_threads(2)
    try:
        found = [backwards.batch(index) for index in reversed(range(4))][::-1]
    finally:
        torch.set_num_threads(1)
    for (images, labels), (same, same_labels) in zip(found, expected, strict=True):
        assert torch.equal(images, same)
        assert torch.equal(labels, same_labels)
    assert [len(labels) for _, labels in expected] == [5, 5, 2, 5]
    assert not torch.equal(make_batches(2).batch(0)[0], expected[0][0])
    assert expected[0][0].shape == (5, 3, 224, 224)


def test_training_views_are_random_crops_and_nothing_is_cropped_twice(mapping: dict[str, str]) -> None:
    data = load_retraining_data(mapping)
    augmentation = standard_augmentation(data.info)
    assert (augmentation.padding, augmentation.flip) == (0, True)
    rows = torch.tensor([3, 0, 7])
    pixels, labels = data.train.take(rows, torch.Generator().manual_seed(4))
    for row, draws, found in zip(rows.tolist(), draw_views(3, torch.Generator().manual_seed(4)), pixels, strict=True):
        with Image.open(data.train.root / data.train.paths[row]) as image:
            expected = np.array(training_view(image.convert("RGB"), draws))
        assert np.array_equal(found.permute(1, 2, 0).numpy(), expected)
    assert torch.equal(labels, data.train.labels[rows])
    chosen = data.train.select(rows)
    assert torch.equal(chosen.take(torch.arange(3), torch.Generator().manual_seed(4))[0], pixels)


def test_evaluation_views_are_the_center_of_every_image_in_order(mapping: dict[str, str]) -> None:
    data = load_retraining_data(mapping)
    parts = list(batches_in_order(data.test, data.info, 4, "cpu"))
    assert [len(labels) for _, labels in parts] == [4, 2]
    views = []
    for path in data.test.paths:
        with Image.open(data.test.root / path) as image:
            views.append(torch.from_numpy(np.array(evaluation_view(image.convert("RGB")))).permute(2, 0, 1))
    assert torch.equal(torch.cat([images for images, _ in parts]), normalize(torch.stack(views), data.info))
    assert torch.cat([labels for _, labels in parts]).tolist() == data.test.labels.tolist()


def test_views_have_the_size_of_the_mapping(mapping: dict[str, str]) -> None:
    plain, data = load_retraining_data(mapping), load_retraining_data({**mapping, "resize": 32})
    info = data.info
    assert (info.channels, info.height, info.width, info.resized) == (3, 32, 32, True)
    assert (info.mean, info.std, info.class_names) == (plain.info.mean, plain.info.std, plain.info.class_names)
    assert info.augmentation == "crop, flip and color, resized to 32x32 (antialiased bilinear)"
    rows = torch.tensor([3, 0, 7])
    seen, _ = data.train.take(rows, torch.Generator().manual_seed(4))
    tested, _ = data.test.take(torch.tensor([0]), None)
    assert (seen.shape, tested.shape) == ((3, 3, 32, 32), (1, 3, 32, 32))
    for row, draws, found in zip(rows.tolist(), draw_views(3, torch.Generator().manual_seed(4)), seen, strict=True):
        with Image.open(data.train.root / data.train.paths[row]) as image:
            expected = np.array(training_view(image.convert("RGB"), draws, True, 32))
        assert np.array_equal(found.permute(1, 2, 0).numpy(), expected)
    with Image.open(data.test.root / data.test.paths[0]) as image:
        scale = 37 / min(image.size)  # 32 * 256 / 224, as a view shows 224 of 256 pixels
        scaled = image.convert("RGB").resize([int(side * scale) for side in image.size], Image.Resampling.BILINEAR)
    left, top = (round((side - 32) / 2) for side in scaled.size)
    expected = np.array(scaled.crop((left, top, left + 32, top + 32)))
    assert np.array_equal(tested[0].permute(1, 2, 0).numpy(), expected)


def test_the_digest_depends_on_the_size(mapping: dict[str, str]) -> None:
    digests = [load_search_data({**mapping, **more}).info.digest for more in ({}, {"resize": 32}, {"resize": 64})]
    assert len(set(digests)) == 3
    assert load_search_data({**mapping, "resize": 224}).info.digest == digests[0]


def test_errors_name_their_place(root: Path, mapping: dict[str, str]) -> None:
    with pytest.raises(DataError, match=r"nowhere/train: .*no images"):
        load_search_data({**mapping, "root": str(root / "nowhere")})
    data = load_retraining_data(mapping)
    path = root / "train" / data.train.paths[0]
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(DataError, match=rf"{path}: can't be read"):
        data.train.take(torch.tensor([1, 0]), None)
    path.unlink()
    with pytest.raises(DataError, match=rf"{path}: can't be read"):
        data.train.take(torch.tensor([0]), None)
    (root / "val" / "n03").rename(root / "val" / "n04")
    assert len(load_search_data(mapping).train) == 5
    with pytest.raises(DataError, match=r"val: .* 3 classes .*n03, n04"):
        load_retraining_data(mapping)
