"""CIFAR-10 through torchvision, downloaded once per node.

Source: Krizhevsky 2009; mean and deviation as in quark0/darts (Liu et al. 2019), utils.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from aca_ray.data.image_set import ImageSet
from aca_ray.data.source import Key, Source
from aca_ray.errors import DataError

MEAN = (0.49139968, 0.48215827, 0.44653124)
STD = (0.24703233, 0.24348505, 0.26158768)


def _open(root: Path, train: bool) -> Any:
    """Return torchvision's data set, after downloading it where it is absent or damaged."""
    from torchvision import datasets

    # Without a lock first: torchvision compares checksums, so a download in progress reads as absent, and a read-only
    # root that already holds the data needs no lock file.
    try:
        return datasets.CIFAR10(str(root), train=train)
    except RuntimeError:
        pass
    from filelock import FileLock

    try:
        root.mkdir(parents=True, exist_ok=True)
        with FileLock(root / "cifar10.lock"):
            return datasets.CIFAR10(str(root), train=train, download=True)
    except (OSError, RuntimeError) as error:
        raise DataError(
            f"{root}: CIFAR-10 is not there and can't be downloaded ({error}). Put cifar-10-python.tar.gz of "
            f"{datasets.CIFAR10.url.rpartition('/')[0]} in this folder, or use the data set parquet with your own files"
        ) from error


def _load(data: Mapping[str, Any], train: bool, limit: int | None) -> tuple[ImageSet, tuple[str, ...]]:
    dataset = _open(Path(data["root"]).expanduser(), train)
    images = torch.from_numpy(dataset.data[:limit]).permute(0, 3, 1, 2).contiguous()
    return ImageSet(images, torch.tensor(dataset.targets[:limit], dtype=torch.int64)), tuple(dataset.classes)


def _load_train(data: Mapping[str, Any], limit: int | None) -> tuple[ImageSet, tuple[str, ...]]:
    return _load(data, True, limit)


def _load_test(data: Mapping[str, Any], limit: int | None, class_names: tuple[str, ...]) -> ImageSet:
    return _load(data, False, limit)[0]


CIFAR10 = Source(
    name="cifar10",
    keys={"root": Key("folder", default="data")},
    flip=True,
    normalization=(MEAN, STD),
    load_train=_load_train,
    load_test=_load_test,
    origin=lambda data, split: f"torchvision.datasets.CIFAR10 in {data['root']}",
)
