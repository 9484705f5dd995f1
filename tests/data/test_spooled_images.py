"""Parquet files whose images do not fit into memory: the same batches as in memory, from a temporary file."""

from __future__ import annotations

import gc
import os
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from aca_ray.data import (
    Batches,
    Decoders,
    EncodedImages,
    Images,
    ImageSet,
    RetrainingData,
    check_data,
    check_retraining_data,
    evaluation_batches,
    load_retraining_data,
    load_search_data,
    standard_augmentation,
)
from aca_ray.data.spool import Spool
from aca_ray.data.spooled_images import SpooledImages
from aca_ray.data.stacking import GIB, fits_in_memory
from aca_ray.errors import DataError

COUNT, TEST_COUNT = 23, 7
LABELS = [index % 3 for index in range(COUNT)]
CPU = torch.device("cpu")
CIFAR10 = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "cifar10"

SETTINGS: dict[str, dict[str, Any]] = {
    "plain": {},
    "shuffled": {"shuffle": True},
    "resized": {"resize": 4},
    "limited": {"shuffle": True, "max_train_images": 17, "max_test_images": 5},
    "normalized": {"normalization": {"mean": [0.5] * 3, "std": [0.25] * 3}, "flip": True},
}


@pytest.fixture
def in_memory(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    """Return a function that says whether images are kept in memory."""
    return lambda kept: monkeypatch.setattr("aca_ray.data.stacking.BYTES_IN_MEMORY", GIB if kept else 0)


@pytest.fixture
def both(in_memory: Callable[[bool], None]) -> Callable[[Callable[[], Any]], tuple[Any, Any]]:
    """Return a function that returns what a function returns with images in memory, and in a temporary file."""

    def call(load: Callable[[], Any]) -> tuple[Any, Any]:
        in_memory(True)
        first = load()
        in_memory(False)
        return first, load()

    return call


@pytest.fixture
def files(
    random_pixels: Callable[..., np.ndarray], encode: Callable[..., bytes], write_parquet: Callable[..., str]
) -> dict[str, Any]:
    """Three shards of training images, a few of them gray, and gray test images, as Hugging Face writes them."""
    color, gray = random_pixels(COUNT), random_pixels(COUNT, gray=True, seed=1)
    train = [encode(gray[row] if row % 5 == 0 else color[row], "JPEG" if row % 2 else "PNG") for row in range(COUNT)]
    for shard, (start, stop) in enumerate([(0, 9), (9, 10), (10, COUNT)]):
        write_parquet(f"train-{shard}.parquet", train[start:stop], LABELS[start:stop], struct=True, classes="a,b,c")
    test = [encode(image) for image in random_pixels(TEST_COUNT, gray=True, seed=2)]
    path = Path(write_parquet("test.parquet", test, LABELS[:TEST_COUNT], struct=True, classes="a,b,c"))
    return {"name": "parquet", "train": str(path.parent / "train-*.parquet"), "test": str(path)}


def batches_of(images: Images, data: RetrainingData, decoders: Decoders | None) -> list[torch.Tensor]:
    """Return all tensors of two passes of training batches, and of one of evaluation batches."""
    batches = Batches(images, data.info, 5, standard_augmentation(data.info), 3, CPU, decoders=decoders)
    training = [batches.batch(index) for index in range(2 * batches.batches_per_pass)]
    return [part for batch in (*training, *evaluation_batches(images, data.info, 4, CPU, decoders)) for part in batch]


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
@pytest.mark.parametrize("decoders", [None, Decoders(3)], ids=["when_needed", "ahead"])
def test_all_values_are_those_of_images_in_memory(
    settings: dict[str, Any],
    decoders: Decoders | None,
    files: dict[str, Any],
    both: Callable[[Callable[[], Any]], tuple[Any, Any]],
) -> None:
    mapping = {**files, **settings}
    kept, spooled = both(lambda: load_retraining_data(mapping))
    assert spooled.info == kept.info
    for expected, found in ((kept.train, spooled.train), (kept.test, spooled.test)):
        assert isinstance(expected, ImageSet)
        assert isinstance(found, SpooledImages)
        assert isinstance(found, EncodedImages)
        assert (len(found), found.shape) == (len(expected), expected.shape)
        assert torch.equal(found.labels, expected.labels)
        assert found.digest() == expected.digest()
        assert equal(batches_of(found, kept, decoders), batches_of(expected, kept, decoders))
    assert check_retraining_data(mapping, spooled) == check_retraining_data(mapping, kept)
    kept_search, search = both(lambda: load_search_data(mapping))
    assert search.info == kept.info
    assert equal(batches_of(search.valid, kept, decoders), batches_of(kept_search.valid, kept, decoders))
    assert check_data(mapping, search) == check_data(mapping, kept_search)


def equal(found: list[torch.Tensor], expected: list[torch.Tensor]) -> bool:
    return len(found) == len(expected) and all(map(torch.equal, found, expected))


def test_views_of_a_set(files: dict[str, Any], both: Callable[[Callable[[], Any]], tuple[Any, Any]]) -> None:
    kept, spooled = both(lambda: load_retraining_data(files))
    rows = torch.tensor([4, 0, 2, 2])
    for change in (
        lambda images: images.select(rows),
        lambda images: images.rows(3, 9).select(rows),
        lambda images: images.resize(8),
        lambda images: images.resize(12).resize(4),
        lambda images: images.to("cpu").in_color(),
    ):
        expected, found = change(kept.train), change(spooled.train)
        assert found.digest() == expected.digest()
        some = torch.tensor([3, 0, 0])
        assert equal(list(found.take(some, None)), list(expected.take(some, None)))


def test_the_bound_counts_every_image_as_rgb(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aca_ray.data.stacking.memory_bytes", lambda: 64 * GIB)
    assert fits_in_memory(4 * 2**20, 16, 64 // 3)
    assert fits_in_memory(4 * 2**30 // (3 * 32 * 32), 32, 32)
    assert not fits_in_memory(4 * 2**30 // (3 * 32 * 32) + 1, 32, 32)
    monkeypatch.setattr("aca_ray.data.stacking.memory_bytes", lambda: 4 * 3 * 32 * 32 * 100)
    assert fits_in_memory(100, 32, 32)
    assert not fits_in_memory(101, 32, 32)


def test_the_limit_and_the_size_decide_together(files: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aca_ray.data.stacking.BYTES_IN_MEMORY", 10 * 3 * 8 * 8)
    assert isinstance(load_retraining_data(files).train, SpooledImages)
    assert isinstance(load_retraining_data(files).test, ImageSet)
    assert isinstance(load_retraining_data({**files, "max_train_images": 10}).train, ImageSet)
    assert isinstance(load_retraining_data({**files, "resize": 4}).train, ImageSet)
    assert isinstance(load_retraining_data({**files, "resize": 12}).train, SpooledImages)


def test_errors_are_those_of_images_in_memory(
    in_memory: Callable[[bool], None],
    random_pixels: Callable[..., np.ndarray],
    encode: Callable[..., bytes],
    write_parquet: Callable[..., str],
) -> None:
    images = [encode(image) for image in random_pixels(8)]
    deep = encode(np.arange(64, dtype=np.uint16).reshape(8, 8))
    for wrong in (encode(random_pixels(1, size=12)[0]), deep, b"", images[0][:60], None):
        path = write_parquet("t.parquet", [*images[:6], wrong, images[7]], LABELS[:8])
        messages = []
        for kept in (True, False):
            in_memory(kept)
            with pytest.raises(DataError, match=rf"{path}, row 6: ") as raised:
                load_search_data({"name": "parquet", "train": path, "test": path})
            messages.append(str(raised.value))
        assert messages[0] == messages[1]


def test_the_test_files_must_not_be_the_training_files(
    files: dict[str, Any], in_memory: Callable[[bool], None]
) -> None:
    in_memory(False)
    data = {**files, "test": files["train"]}
    with pytest.raises(DataError, match=f"{COUNT} of {COUNT} test images"):
        check_data(data, load_search_data(data))


def test_the_temporary_file_lies_in_tmpdir_without_a_name_and_ends_with_the_images(
    files: dict[str, Any], in_memory: Callable[[bool], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_memory(False)
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)  # it caches the folder
    data = load_search_data(files)
    assert list(folder.iterdir()) == []
    assert len(files_in(folder)) == 1  # both halves share it
    del data
    gc.collect()
    assert files_in(folder) == []


def files_in(folder: Path) -> list[str]:
    """Return the files of a folder, deleted or not, that this process has open."""
    links = [os.readlink(entry) for entry in Path("/proc/self/fd").iterdir() if entry.is_symlink()]
    return [link for link in links if link.startswith(str(folder))]


def test_a_disk_that_is_too_small(
    in_memory: Callable[[bool], None],
    random_pixels: Callable[..., np.ndarray],
    encode: Callable[..., bytes],
    write_parquet: Callable[..., str],
    small_disk: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    in_memory(False)
    images = [encode(image) for image in random_pixels(8, size=400)]  # 4 MB
    path = write_parquet("t.parquet", images, LABELS[:8])
    data = {"name": "parquet", "train": path, "test": path}
    disk = small_disk("2m")
    monkeypatch.setattr(tempfile, "tempdir", str(disk))
    with pytest.raises(DataError, match=rf"{path}: .*No space left on device.*TMPDIR"):
        load_search_data(data)
    assert os.statvfs(disk).f_bavail == os.statvfs(disk).f_blocks  # all of it is free again
    monkeypatch.setattr("aca_ray.data.spooled_images._IMAGES_PER_WRITE", 2)
    with pytest.raises(DataError, match=rf"{path}: .*needs about 0\.0 GiB in {disk}; 0\.0 GiB are free"):
        load_search_data(data)
    assert len(load_search_data({**data, "max_train_images": 4}).train) == 2


def test_no_folder_for_temporary_files(
    files: dict[str, Any], in_memory: Callable[[bool], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_memory(False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    with pytest.raises(DataError, match="TMPDIR"):
        load_search_data(files)


def test_byte_strings_are_read_by_many_threads() -> None:
    spool = Spool()
    parts = [bytes([number]) * (number % 7) for number in range(200)]
    spool.append(parts[:150])
    spool.append(parts[150:])
    assert (len(spool), spool.num_bytes) == (200, sum(map(len, parts)))
    found: list[list[bytes]] = []
    threads = [
        threading.Thread(target=lambda: found.append([spool.read(number) for number in range(200)])) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [parts] * 4


@pytest.mark.skipif(not CIFAR10.is_dir(), reason="needs ../shared/data/cifar10")
@pytest.mark.parametrize("settings", [{}, {"resize": 16, "shuffle": True}], ids=["plain", "resized"])
def test_real_cifar10(settings: dict[str, Any], both: Callable[[Callable[[], Any]], tuple[Any, Any]]) -> None:
    mapping = {
        "name": "parquet",
        "train": str(CIFAR10 / "train.parquet"),
        "test": str(CIFAR10 / "test.parquet"),
        "max_train_images": 500,
        "max_test_images": 50,
        **settings,
    }
    kept, spooled = both(lambda: load_retraining_data(mapping))
    assert isinstance(spooled.train, SpooledImages)
    assert spooled.info == kept.info
    assert spooled.test.digest() == kept.test.digest()
    for index in (0, 3, 8):
        batches = [
            Batches(data.train, data.info, 64, standard_augmentation(data.info), 3, CPU) for data in (kept, spooled)
        ]
        for expected, found in zip(*(own.batch(index) for own in batches), strict=True):
            assert torch.equal(found, expected)
