"""Data sets that torchvision downloads, once per node.

Sources: CIFAR of Krizhevsky 2009, SVHN of Netzer et al. 2011 (without its set "extra"), Fashion-MNIST of Xiao et al.
2017. Mean and deviation of CIFAR-10 as in quark0/darts (Liu et al. 2019), of CIFAR-100 and SVHN as in RobustDARTS (Zela
et al. 2020).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from aca_ray.data.image_set import ImageFacts, ImageSet, PerChannel
from aca_ray.data.source import Key, Source, Split
from aca_ray.errors import DataError

Content = tuple[Tensor, Any, tuple[str, ...]]

# A file that another process is still writing looks damaged: to torchvision's checksums, or where there are none
# (Fashion-MNIST), to its reader.
_UNREADABLE = (OSError, RuntimeError, ValueError, AssertionError)


@dataclass(frozen=True)
class Download:
    """A data set of torchvision.

    Attributes:
        name: registry name.
        title: name in messages.
        torchvision_name: name of its class in torchvision.datasets.
        by_hand: files to put into the root folder if the download fails.
        flip: whether a mirrored image keeps its label.
        normalization: published per-channel mean and deviation, or None to compute them.
        choose: returns the arguments of torchvision's class that select a split.
        read: returns (N, C, H, W) uint8 images, N labels and the class names of an opened data set.
        facts: facts about the images that are known without opening them, or None.
    """

    name: str
    title: str
    torchvision_name: str
    by_hand: str
    flip: bool
    normalization: tuple[PerChannel, PerChannel] | None
    choose: Callable[[Split], Mapping[str, Any]]
    read: Callable[[Any], Content]
    facts: ImageFacts | None = None

    def open(self, root: Path, split: Split) -> Any:
        """Return torchvision's data set, downloading it if it is missing or damaged.

        Raises:
            DataError: the data set is missing and can't be downloaded.
        """
        from torchvision import datasets

        dataset = getattr(datasets, self.torchvision_name)
        # Without a lock first: a read-only root that already contains the data needs no lock file.
        try:
            return dataset(str(root), **self.choose(split))
        except _UNREADABLE:
            pass
        from filelock import FileLock

        try:
            root.mkdir(parents=True, exist_ok=True)
            with FileLock(root / f"{self.name}.lock"):
                return dataset(str(root), **self.choose(split), download=True)
        except _UNREADABLE as error:
            reason = " ".join(str(error).split())  # torchvision writes several lines
            raise DataError(
                f"{root}: {self.title} is missing or damaged, and can't be downloaded ({reason}). Put "
                f"{self.by_hand} in this folder, or use the data set parquet with your own files"
            ) from error

    def source(self) -> Source:
        """Return the entry of the registry."""

        def load(data: Mapping[str, Any], split: Split, limit: int | None) -> tuple[ImageSet, tuple[str, ...]]:
            images, labels, class_names = self.read(self.open(Path(data["root"]).expanduser(), split))
            return ImageSet(
                images[:limit].contiguous(), torch.as_tensor(labels[:limit], dtype=torch.int64)
            ), class_names

        return Source(
            name=self.name,
            summary=f"{self.title}, downloaded once through torchvision and verified",
            keys={"root": Key("folder", default="data")},
            flip=self.flip,
            normalization=self.normalization,
            load_train=lambda data, limit: load(data, "train", limit),
            load_test=lambda data, limit, class_names: load(data, "test", limit)[0],
            origin=lambda data, split: f"torchvision.datasets.{self.torchvision_name} in {data['root']}",
            facts=self.facts,
        )


def _choose_train(split: Split) -> Mapping[str, Any]:
    return {"train": split == "train"}


def _read_cifar(dataset: Any) -> Content:
    return torch.from_numpy(dataset.data).permute(0, 3, 1, 2), dataset.targets, tuple(dataset.classes)


def _read_svhn(dataset: Any) -> Content:
    return torch.from_numpy(dataset.data), dataset.labels, tuple(str(digit) for digit in range(10))


def _read_fashion_mnist(dataset: Any) -> Content:
    return dataset.data.unsqueeze(1), dataset.targets, tuple(dataset.classes)


_CIFAR10 = ((0.49139968, 0.48215827, 0.44653124), (0.24703233, 0.24348505, 0.26158768))
_CIFAR10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_CIFAR100 = ((0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762))
_SVHN = ((0.4377, 0.4438, 0.4728), (0.1980, 0.2010, 0.1970))

DOWNLOADS = (
    Download(
        name="cifar10",
        title="CIFAR-10",
        torchvision_name="CIFAR10",
        by_hand="cifar-10-python.tar.gz of https://www.cs.toronto.edu/~kriz",
        flip=True,
        normalization=_CIFAR10,
        choose=_choose_train,
        read=_read_cifar,
        facts=ImageFacts("cifar10", 10, _CIFAR10_CLASSES, 3, 32, 32, *_CIFAR10),
    ),
    Download(
        name="cifar100",
        title="CIFAR-100",
        torchvision_name="CIFAR100",
        by_hand="cifar-100-python.tar.gz of https://www.cs.toronto.edu/~kriz",
        flip=True,
        normalization=_CIFAR100,
        choose=_choose_train,
        read=_read_cifar,
        facts=ImageFacts("cifar100", 100, (), 3, 32, 32, *_CIFAR100),
    ),
    Download(
        name="svhn",
        title="SVHN",
        torchvision_name="SVHN",
        by_hand="train_32x32.mat and test_32x32.mat of http://ufldl.stanford.edu/housenumbers",
        # A mirrored digit is not a digit. RobustDARTS, SmoothDARTS and DARTS- mirror them nevertheless: `flip: true`.
        flip=False,
        normalization=_SVHN,
        choose=lambda split: {"split": split},
        read=_read_svhn,
        facts=ImageFacts("svhn", 10, tuple(str(digit) for digit in range(10)), 3, 32, 32, *_SVHN),
    ),
    Download(
        name="fashion_mnist",
        title="Fashion-MNIST",
        torchvision_name="FashionMNIST",
        by_hand=(
            "FashionMNIST/raw with the four files *-ubyte.gz of "
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com and nothing else"
        ),
        flip=True,
        normalization=None,
        choose=_choose_train,
        read=_read_fashion_mnist,
    ),
)
