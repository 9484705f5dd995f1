"""Splits, statistics, validation of the data mapping, digits and the torchvision CIFAR-10 source."""

from __future__ import annotations

import hashlib
import pickle
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from aca_ray.data import SOURCES, load_evaluation_data, load_search_data, validate_data
from aca_ray.data.cifar10 import MEAN, STD
from aca_ray.data.image_set import STD_FLOOR, channel_statistics
from aca_ray.errors import ConfigError, DataError

DIGITS = {"name": "digits"}


def rows_of(images):
    return [bytes(row) for row in images.flatten(1).numpy()]


def test_digits_are_partitioned():
    search, evaluation = load_search_data(DIGITS), load_evaluation_data(DIGITS)
    assert (len(search.train), len(search.valid)) == (718, 719)
    assert (len(evaluation.train), len(evaluation.test)) == (1437, 360)
    assert torch.equal(torch.cat([search.train.images, search.valid.images]), evaluation.train.images)
    assert torch.equal(torch.cat([search.train.labels, search.valid.labels]), evaluation.train.labels)
    assert search.info == evaluation.info
    assert search.info.class_names == tuple("0123456789")
    assert not search.info.flip
    # Train and test together are the original set, each row once.
    values, labels = load_digits(return_X_y=True)
    original = sorted(zip([bytes(row) for row in np.rint(values * 255 / 16).astype(np.uint8)], labels, strict=True))
    parts = [evaluation.train, evaluation.test]
    together = [pair for part in parts for pair in zip(rows_of(part.images), part.labels.tolist(), strict=True)]
    assert sorted(together) == original
    assert (evaluation.train.images.min(), evaluation.train.images.max()) == (0, 255)


def test_the_partition_of_digits_never_changes():
    assert load_search_data(DIGITS).info.digest == "db60d1996fd5dcfa5a23917634d774dd79c2046b3aed245899f9544044f15e97"


def test_limits_take_the_first_rows():
    whole = load_evaluation_data(DIGITS)
    part = load_evaluation_data({**DIGITS, "max_train_images": 101, "max_test_images": 7})
    assert torch.equal(part.train.images, whole.train.images[:101])
    assert torch.equal(part.test.labels, whole.test.labels[:7])
    search = load_search_data({**DIGITS, "max_train_images": 101})
    assert (len(search.train), len(search.valid)) == (50, 51)
    assert search.info == part.info
    assert part.info.digest != whole.info.digest


def test_statistics_match_numpy():
    images = torch.randint(256, (2050, 3, 4, 8), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    images[:, 2] = 51
    mean, std = channel_statistics(images)
    pixels = images.numpy().astype(np.float64) / 255
    np.testing.assert_allclose(mean, pixels.mean(axis=(0, 2, 3)), rtol=1e-12)
    np.testing.assert_allclose(std[:2], pixels.std(axis=(0, 2, 3))[:2], rtol=1e-12)
    assert std[2] == STD_FLOOR


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"name": "digits"}, []),
        ({"name": "digits", "max_train_images": 4, "max_test_images": 2}, []),
        ({"name": "cifar10", "root": "does-not-exist-yet"}, []),
        ({"name": "parquet", "train": "s3://bucket/train.parquet", "test": "gs://bucket/test.parquet"}, []),
        ("digits", ["d: must be a mapping such as {name: digits}, found 'digits'"]),
        ({}, ["d.name: is required; known data sets: cifar10, digits, parquet"]),
        (
            {"name": "digit"},
            ["d.name: unknown data set 'digit'. Did you mean digits? Known: cifar10, digits, parquet"],
        ),
        ({"name": [1]}, ["d.name: unknown data set [1]. Known: cifar10, digits, parquet"]),
        ({"name": "cifar10", "root": ""}, ["d.root: must be a non-empty text, found ''"]),
        ({"name": "cifar10", "root": "s3://bucket"}, ["d.root: must be a local folder, found the URI 's3://bucket'"]),
        (
            {"name": "digits", "root": "x", 3: 4},
            [
                "d.root: unknown key 'root'. Known: max_test_images, max_train_images, name",
                "d.3: unknown key 3. Known: max_test_images, max_train_images, name",
            ],
        ),
    ],
)
def test_validate(data, expected):
    assert validate_data(data, "d") == expected


def test_validate_reports_every_mistake_at_once(tmp_path):
    data = {
        "name": "parquet",
        "train": str(tmp_path / "missing.parquet"),
        "image_colum": "x",
        "label_column": 3,
        "max_train_images": True,
        "max_test_images": 1,
    }
    problems = validate_data(data, "experiment.data")
    assert len(problems) == 6
    for place, text in [
        ("image_colum", "Did you mean image_column?"),
        ("test", "is required by the data set parquet"),
        ("label_column", "must be a non-empty text, found 3"),
        ("max_train_images", "must be an integer of at least 4, found True"),
        ("max_test_images", "must be an integer of at least 2, found 1"),
        ("train", "missing.parquet"),
    ]:
        (problem,) = [one for one in problems if one.startswith(f"experiment.data.{place}: ")]
        assert text in problem
    with pytest.raises(ConfigError, match="is required") as raised:
        load_search_data(data)
    assert len(raised.value.problems) == 5, "whether files exist is for the one who opens them"


def test_validate_wants_folders_and_files_where_they_belong(tmp_path):
    file = tmp_path / "file"
    file.touch()
    (problem,) = validate_data({"name": "cifar10", "root": str(file)}, "d")
    assert problem.startswith("d.root: must be a folder, found the file")
    (problem,) = validate_data({"name": "parquet", "train": str(file), "test": str(tmp_path)}, "d")
    assert problem.startswith("d.test: no file")


def test_every_source_is_registered_under_its_name():
    assert {name: source.name for name, source in SOURCES.items()} == {name: name for name in SOURCES}


@pytest.fixture
def cifar10_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Files in the format of CIFAR-10 with few images, and the checksums that torchvision should expect of them."""
    from torchvision.datasets import CIFAR10

    folder = tmp_path / CIFAR10.base_folder
    folder.mkdir()
    rng = np.random.default_rng(0)

    def write(name, content):
        (folder / name).write_bytes(pickle.dumps(content))
        return hashlib.md5((folder / name).read_bytes()).hexdigest()

    def write_images(name):
        content = {"data": rng.integers(0, 256, (10, 3072), dtype=np.uint8), "labels": list(range(10))}
        return [name, write(name, content)]

    monkeypatch.setattr(CIFAR10, "train_list", [write_images("data_batch_1"), write_images("data_batch_2")])
    monkeypatch.setattr(CIFAR10, "test_list", [write_images("test_batch")])
    names = write("batches.meta", {"label_names": [f"class{index}" for index in range(10)]})
    monkeypatch.setattr(CIFAR10, "meta", {"filename": "batches.meta", "key": "label_names", "md5": names})
    return tmp_path


def test_cifar10_files_are_read(cifar10_root):
    evaluation = load_evaluation_data({"name": "cifar10", "root": str(cifar10_root), "max_test_images": 4})
    stored = pickle.loads((cifar10_root / "cifar-10-batches-py" / "data_batch_2").read_bytes())
    assert evaluation.train.images.shape == (20, 3, 32, 32)
    assert np.array_equal(evaluation.train.images[10:].flatten(1).numpy(), stored["data"])
    assert evaluation.train.labels.tolist() == [*range(10), *range(10)]
    assert len(evaluation.test) == 4
    info = evaluation.info
    assert (info.mean, info.std, info.flip, info.class_names[3]) == (MEAN, STD, True, "class3")
    assert str(cifar10_root) in info.source
    search = load_search_data({"name": "cifar10", "root": str(cifar10_root)})
    assert search.info == info
    assert list(cifar10_root.glob("*.lock")) == [], "data that is there needs no lock"


def test_cifar10_search_decodes_no_test_images(cifar10_root, monkeypatch):
    from torchvision.datasets import CIFAR10

    # A test file that has the right checksum and is no pickle: reading its images would fail.
    test_file = cifar10_root / "cifar-10-batches-py" / "test_batch"
    test_file.write_bytes(b"not a pickle")
    monkeypatch.setattr(CIFAR10, "test_list", [["test_batch", hashlib.md5(b"not a pickle").hexdigest()]])
    assert len(load_search_data({"name": "cifar10", "root": str(cifar10_root)}).valid) == 10
    with pytest.raises(pickle.UnpicklingError):
        load_evaluation_data({"name": "cifar10", "root": str(cifar10_root)})


def test_cifar10_is_downloaded_once(cifar10_root, monkeypatch):
    from torchvision.datasets import CIFAR10

    # torchvision unpacks an archive that is already there, so that no network is needed.
    root = cifar10_root / "new"
    root.mkdir()
    archive = root / CIFAR10.filename
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(cifar10_root / "cifar-10-batches-py", "cifar-10-batches-py")
    monkeypatch.setattr(CIFAR10, "tgz_md5", hashlib.md5(archive.read_bytes()).hexdigest())
    downloads = []
    download = CIFAR10.download

    def counted(self):
        if not self._check_integrity():
            downloads.append(self.root)
        download(self)

    monkeypatch.setattr(CIFAR10, "download", counted)
    with ThreadPoolExecutor(4) as pool:
        digests = list(
            pool.map(lambda _: load_search_data({"name": "cifar10", "root": str(root)}).info.digest, range(4))
        )
    assert digests == [load_search_data({"name": "cifar10", "root": str(cifar10_root)}).info.digest] * 4
    assert len(downloads) == 1


def test_cifar10_that_cannot_be_had(cifar10_root, monkeypatch):
    from torchvision.datasets import CIFAR10

    (cifar10_root / "cifar-10-batches-py" / "data_batch_2").write_bytes(b"damaged")
    monkeypatch.setattr(CIFAR10, "url", (cifar10_root / "nowhere.tar.gz").as_uri())
    with pytest.raises(DataError, match="can't be downloaded") as raised:
        load_search_data({"name": "cifar10", "root": str(cifar10_root)})
    assert str(cifar10_root) in str(raised.value)
