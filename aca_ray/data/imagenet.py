"""ImageNet, or any photographs in its folders: root/train/CLASS/*.JPEG and root/val/CLASS/*.JPEG.

Source: Russakovsky et al. 2015 (ILSVRC 2012); mean and deviation as in DARTS' official code, train_imagenet.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from aca_ray.data.image_files import ImageFiles
from aca_ray.data.image_set import ImageFacts
from aca_ray.data.image_views import VIEW_SIZE
from aca_ray.data.source import Key, Source
from aca_ray.errors import DataError

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# Folders are sorted by class, and splits and limits take rows in order. Changing it changes the data set.
ORDER_SEED = 20120901
_FOLDERS = {"train": "train", "test": "val"}


def _load(root: Path, limit: int | None) -> tuple[ImageFiles, tuple[str, ...]]:
    from torchvision.datasets import ImageFolder

    try:
        folder = ImageFolder(str(root))
    except OSError as error:
        raise DataError(
            f"{root}: holds no images in folders of their class ({error}). Correct the root, or unpack ImageNet there "
            "as train/CLASS/*.JPEG and val/CLASS/*.JPEG"
        ) from error
    order = torch.randperm(len(folder.samples), generator=torch.Generator().manual_seed(ORDER_SEED))[:limit]
    samples = [folder.samples[row] for row in order.tolist()]
    paths = tuple(Path(path).relative_to(root).as_posix() for path, _ in samples)
    return ImageFiles(root, paths, torch.tensor([label for _, label in samples])), tuple(folder.classes)


def _load_train(data: Mapping[str, Any], limit: int | None) -> tuple[ImageFiles, tuple[str, ...]]:
    return _load(_folder(data, "train"), limit)


def _load_test(data: Mapping[str, Any], limit: int | None, class_names: tuple[str, ...]) -> ImageFiles:
    root = _folder(data, "test")
    images, found = _load(root, limit)
    if found != class_names:
        differing = sorted(set(found) ^ set(class_names))
        raise DataError(
            f"{root}: must hold the same {len(class_names)} classes as the folder {_folder(data, 'train')}; "
            f"only one of them has {', '.join(differing[:5])}{', ...' if len(differing) > 5 else ''}"
        )
    return images


def _folder(data: Mapping[str, Any], split: str) -> Path:
    return Path(data["root"]).expanduser() / _FOLDERS[split]


IMAGENET = Source(
    name="imagenet",
    keys={"root": Key("folder")},
    flip=True,
    normalization=(MEAN, STD),
    load_train=_load_train,
    load_test=_load_test,
    origin=lambda data, split: str(_folder(data, split)),
    padding_share=0.0,
    facts=ImageFacts("imagenet", 1000, (), 3, VIEW_SIZE, VIEW_SIZE, MEAN, STD),
)
