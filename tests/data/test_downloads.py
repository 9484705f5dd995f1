"""The data sets of torchvision, read from tiny files in their own formats."""

from __future__ import annotations

import gzip
import hashlib
import pickle
import struct
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.io import savemat

from aca_ray.data import SOURCES, load_retraining_data, load_search_data
from aca_ray.errors import DataError

CIFAR10_STATISTICS = (0.49139968, 0.48215827, 0.44653124), (0.24703233, 0.24348505, 0.26158768)


@pytest.fixture
def cifar10_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Few images in the format of CIFAR-10; torchvision is set to expect the checksums of the files."""
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
    retraining = load_retraining_data({"name": "cifar10", "root": str(cifar10_root), "max_test_images": 4})
    stored = pickle.loads((cifar10_root / "cifar-10-batches-py" / "data_batch_2").read_bytes())
    assert retraining.train.images.shape == (20, 3, 32, 32)
    assert np.array_equal(retraining.train.images[10:].flatten(1).numpy(), stored["data"])
    assert retraining.train.labels.tolist() == [*range(10), *range(10)]
    assert len(retraining.test) == 4
    info = retraining.info
    assert (info.mean, info.std, info.flip, info.class_names[3]) == (*CIFAR10_STATISTICS, True, "class3")
    assert str(cifar10_root) in info.source
    search = load_search_data({"name": "cifar10", "root": str(cifar10_root)})
    assert search.info == info
    assert list(cifar10_root.glob("*.lock")) == [], "existing data needs no lock"


def test_cifar10_resized(cifar10_root):
    mapping = {"name": "cifar10", "root": str(cifar10_root)}
    plain, resized = load_retraining_data(mapping), load_retraining_data({**mapping, "resize": 16})
    assert torch.equal(resized.train.images, plain.train.resize(16).images)
    assert torch.equal(resized.test.images, plain.test.resize(16).images)
    assert resized.train.shape == resized.test.shape == (3, 16, 16)
    info = resized.info
    assert (info.height, info.width, info.mean, info.std) == (16, 16, *CIFAR10_STATISTICS)
    assert info.digest != plain.info.digest
    search = load_search_data({**mapping, "resize": 16})
    assert search.info == info
    assert search.train.shape == search.valid.shape == (3, 16, 16)


def test_cifar10_search_decodes_no_test_images(cifar10_root, monkeypatch):
    from torchvision.datasets import CIFAR10

    # A test file with the right checksum that is not a pickle: reading its images would fail.
    test_file = cifar10_root / "cifar-10-batches-py" / "test_batch"
    test_file.write_bytes(b"not a pickle")
    monkeypatch.setattr(CIFAR10, "test_list", [["test_batch", hashlib.md5(b"not a pickle").hexdigest()]])
    assert len(load_search_data({"name": "cifar10", "root": str(cifar10_root)}).valid) == 10
    with pytest.raises(pickle.UnpicklingError):
        load_retraining_data({"name": "cifar10", "root": str(cifar10_root)})


def test_cifar10_is_downloaded_once(cifar10_root, monkeypatch):
    from torchvision.datasets import CIFAR10

    # torchvision unpacks an existing archive, so no network is needed.
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


def test_cifar10_that_cannot_be_downloaded(cifar10_root, monkeypatch):
    from torchvision.datasets import CIFAR10

    (cifar10_root / "cifar-10-batches-py" / "data_batch_2").write_bytes(b"damaged")
    monkeypatch.setattr(CIFAR10, "url", (cifar10_root / "nowhere.tar.gz").as_uri())
    with pytest.raises(DataError, match="can't be downloaded") as raised:
        load_search_data({"name": "cifar10", "root": str(cifar10_root)})
    assert str(cifar10_root) in str(raised.value)


def test_cifar100_files_are_read(tmp_path, monkeypatch):
    from torchvision.datasets import CIFAR100

    folder = tmp_path / CIFAR100.base_folder
    folder.mkdir()
    rng = np.random.default_rng(0)

    def write(name, content):
        (folder / name).write_bytes(pickle.dumps(content))
        return hashlib.md5((folder / name).read_bytes()).hexdigest()

    fine = [99, 0, 5, 7, 99, 0]
    pixels = rng.integers(0, 256, (6, 3072), dtype=np.uint8)
    content = {"data": pixels, "fine_labels": fine, "coarse_labels": [0] * 6}
    monkeypatch.setattr(CIFAR100, "train_list", [["train", write("train", content)]])
    monkeypatch.setattr(CIFAR100, "test_list", [["test", write("test", content)]])
    names = write("meta", {"fine_label_names": [f"class{index}" for index in range(100)]})
    monkeypatch.setattr(CIFAR100, "meta", {"filename": "meta", "key": "fine_label_names", "md5": names})
    data = load_retraining_data({"name": "cifar100", "root": str(tmp_path), "max_test_images": 2})
    assert np.array_equal(data.train.images.flatten(1).numpy(), pixels)
    assert (data.train.labels.tolist(), data.test.labels.tolist()) == (fine, [99, 0])
    info = data.info
    assert (info.num_classes, info.class_names[99], info.flip) == (100, "class99", True)
    assert (info.mean, info.std) == ((0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762))


def test_svhn_files_are_read(tmp_path, monkeypatch):
    from torchvision.datasets import SVHN

    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3, 6), dtype=np.uint8)
    files = dict(SVHN.split_list)
    for split in ("train", "test"):
        path = tmp_path / f"{split}_32x32.mat"
        savemat(path, {"X": pixels, "y": np.array([[10], [1], [9], [10], [2], [3]], dtype=np.uint8)})
        files[split] = [files[split][0], path.name, hashlib.md5(path.read_bytes()).hexdigest()]
    monkeypatch.setattr(SVHN, "split_list", files)
    data = load_retraining_data({"name": "svhn", "root": str(tmp_path)})
    assert np.array_equal(data.train.images.numpy(), pixels.transpose(3, 2, 0, 1))
    assert data.train.images.is_contiguous()
    assert data.train.labels.tolist() == [0, 1, 9, 0, 2, 3]  # the files write 10 for the digit 0
    assert data.info.class_names == tuple("0123456789")
    assert not data.info.flip
    assert (data.info.mean, data.info.std) == ((0.4377, 0.4438, 0.4728), (0.1980, 0.2010, 0.1970))


def idx_file(values: np.ndarray) -> bytes:
    """Return uint8 values in the format of MNIST: magic number, sizes, values."""
    return struct.pack(f">{1 + values.ndim}I", 0x800 + values.ndim, *values.shape) + values.tobytes()


@pytest.fixture
def fashion_files():
    """Return 6 images, their labels, and the files of Fashion-MNIST with them."""
    pixels = np.random.default_rng(0).integers(0, 256, (6, 28, 28), dtype=np.uint8)
    labels = np.array([9, 0, 3, 9, 1, 2], dtype=np.uint8)
    files = {}
    for part in ("train", "t10k"):
        files |= {
            f"{part}-images-idx3-ubyte": idx_file(pixels),
            f"{part}-labels-idx1-ubyte": idx_file(labels),
        }
    return pixels, labels, files


def test_fashion_mnist_files_are_read(tmp_path, fashion_files):
    pixels, labels, files = fashion_files
    folder = tmp_path / "FashionMNIST" / "raw"
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    data = load_retraining_data({"name": "fashion_mnist", "root": str(tmp_path), "max_test_images": 3})
    assert np.array_equal(data.train.images[:, 0].numpy(), pixels)
    assert (data.train.labels.tolist(), data.test.labels.tolist()) == (labels.tolist(), [9, 0, 3])
    info = data.info
    assert (info.channels, info.height, info.width, info.num_classes) == (1, 28, 28, 10)
    assert (info.class_names[9], info.flip) == ("Ankle boot", True)
    assert info.mean[0] == pytest.approx(pixels.mean() / 255, rel=1e-12)
    assert list(tmp_path.glob("*.lock")) == []


def test_fashion_mnist_in_archives_and_half_unpacked(tmp_path, fashion_files, monkeypatch):
    from torchvision.datasets import FashionMNIST

    pixels, _, files = fashion_files
    folder = tmp_path / "FashionMNIST" / "raw"
    folder.mkdir(parents=True)
    resources = []
    for name, content in files.items():
        archive = folder / f"{name}.gz"
        archive.write_bytes(gzip.compress(content))
        resources.append((archive.name, hashlib.md5(archive.read_bytes()).hexdigest()))
    monkeypatch.setattr(FashionMNIST, "resources", resources)
    mapping = {"name": "fashion_mnist", "root": str(tmp_path)}
    assert np.array_equal(load_search_data(mapping).train.images[:, 0].numpy(), pixels[:3])
    # Unpacked files have no checksums: one of the wrong size is reported, with the fix.
    (folder / "t10k-labels-idx1-ubyte").write_bytes(files["t10k-labels-idx1-ubyte"][:-1])
    with pytest.raises(DataError, match=r"Fashion-MNIST .*damaged.* can't be downloaded"):
        load_retraining_data(mapping)


@pytest.mark.parametrize("name", ["cifar100", "svhn", "fashion_mnist"])
def test_failed_downloads_name_the_folder_and_the_fix(name, tmp_path, monkeypatch):
    from torchvision import datasets

    nowhere = (tmp_path / "nowhere").as_uri()
    monkeypatch.setattr(datasets.CIFAR10, "url", nowhere)
    monkeypatch.setattr(datasets.CIFAR100, "url", nowhere)
    monkeypatch.setattr(datasets.FashionMNIST, "mirrors", [f"{nowhere}/"])
    files = {split: [nowhere, *rest] for split, (_, *rest) in datasets.SVHN.split_list.items()}
    monkeypatch.setattr(datasets.SVHN, "split_list", files)
    root = tmp_path / "root"
    with pytest.raises(DataError, match=r"can't be downloaded .* Put ") as raised:
        load_search_data({"name": name, "root": str(root)})
    assert str(raised.value).startswith(f"{root}: ")


def test_messages_name_the_files_that_torchvision_looks_for():
    """Without network: file names and addresses are compared with those in torchvision's classes."""
    from torchvision import datasets

    from aca_ray.data.downloads import DOWNLOADS

    advice = {download.name: download.by_hand for download in DOWNLOADS}
    assert set(advice) <= set(SOURCES)
    for name, dataset in (("cifar10", datasets.CIFAR10), ("cifar100", datasets.CIFAR100)):
        assert advice[name] == f"{dataset.filename} of {dataset.url.rpartition('/')[0]}"
    for split in ("train", "test"):
        url, filename, _ = datasets.SVHN.split_list[split]
        assert filename in advice["svhn"]
        assert url.rpartition("/")[0] in advice["svhn"]
    assert datasets.FashionMNIST.mirrors[0].rstrip("/") in advice["fashion_mnist"]
    assert all(name.endswith("-ubyte.gz") for name, _ in datasets.FashionMNIST.resources)
