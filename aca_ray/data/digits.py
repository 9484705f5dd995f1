"""The 1,797 handwritten digits of scikit-learn: 8x8 gray images, for tests and first steps.

Source: Alpaydin and Kaynak 1998, Optical Recognition of Handwritten Digits (UCI); the partition is ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from aca_ray.data.image_set import ImageSet
from aca_ray.data.source import Source

NUM_IMAGES = 1797
NUM_TEST = 360
# Fixes which digits are test digits, for every trial of every sweep. Changing it changes the data set.
PARTITION_SEED = 20190624
_FULL_SCALE = 16


def _table() -> tuple[np.ndarray, np.ndarray]:
    """Return the pixels, a row of 64 per digit, and the labels.

    scikit-learn's file is read without scikit-learn, whose import takes more than a second in every process of a sweep.
    """
    package = find_spec("sklearn")
    if package is not None and package.origin is not None:
        file = Path(package.origin).with_name("datasets") / "data" / "digits.csv.gz"
        if file.exists():
            table = np.loadtxt(file, delimiter=",")
            return table[:, :-1], table[:, -1].astype(int)
    from sklearn.datasets import load_digits

    values, labels = load_digits(return_X_y=True)
    return values, labels


def _load(rows: Tensor) -> ImageSet:
    values, labels = _table()
    picked = torch.from_numpy(values)[rows].reshape(-1, 1, 8, 8)
    images = (picked * 255 / _FULL_SCALE).round().to(torch.uint8)
    return ImageSet(images, torch.from_numpy(labels)[rows].to(torch.int64))


def _permutation() -> Tensor:
    return torch.randperm(NUM_IMAGES, generator=torch.Generator().manual_seed(PARTITION_SEED))


def _load_train(data: Mapping[str, Any], limit: int | None) -> tuple[ImageSet, tuple[str, ...]]:
    return _load(_permutation()[NUM_TEST:][:limit]), tuple(str(digit) for digit in range(10))


def _load_test(data: Mapping[str, Any], limit: int | None, class_names: tuple[str, ...]) -> ImageSet:
    return _load(_permutation()[:NUM_TEST][:limit])


DIGITS = Source(
    name="digits",
    summary="1,797 handwritten digits of 8x8 pixels, part of scikit-learn",
    keys={},
    flip=False,  # a mirrored digit is not a digit
    normalization=None,
    load_train=_load_train,
    load_test=_load_test,
    origin=lambda data, split: "sklearn.datasets.load_digits",
)
