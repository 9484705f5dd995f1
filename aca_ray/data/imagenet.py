"""ImageNet, or other images in the same folders: root/train/CLASS/*.JPEG and root/val/CLASS/*.JPEG.

Source: Russakovsky et al. 2015 (ILSVRC 2012); mean and deviation as in DARTS' official code, train_imagenet.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aca_ray.data.class_folders import list_shuffled, require_same_classes
from aca_ray.data.image_files import ImageFiles
from aca_ray.data.image_set import ImageFacts
from aca_ray.data.image_views import VIEW_SIZE
from aca_ray.data.imagenet_cmyk import CMYK_FILES
from aca_ray.data.source import Key, Source, Split

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_FOLDERS: dict[Split, str] = {"train": "train", "test": "val"}


def _load(data: Mapping[str, Any], split: Split, limit: int | None) -> tuple[ImageFiles, tuple[str, ...]]:
    root = _folder(data, split)
    paths, labels, classes = list_shuffled(root, limit)
    return ImageFiles(root, paths, labels, crop=data["crop"], color=data["color"], cmyk=CMYK_FILES), classes


def _load_train(data: Mapping[str, Any], limit: int | None) -> tuple[ImageFiles, tuple[str, ...]]:
    return _load(data, "train", limit)


def _load_test(data: Mapping[str, Any], limit: int | None, class_names: tuple[str, ...]) -> ImageFiles:
    images, found = _load(data, "test", limit)
    require_same_classes(images.root, found, _folder(data, "train"), class_names)
    return images


def _folder(data: Mapping[str, Any], split: Split) -> Path:
    return Path(data["root"]).expanduser() / _FOLDERS[split]


IMAGENET = Source(
    name="imagenet",
    summary="a folder with train/CLASS and val/CLASS, read while training; 224x224",
    keys={"root": Key("folder")},
    flip=True,
    normalization=(MEAN, STD),
    load_train=_load_train,
    load_test=_load_test,
    origin=lambda data, split: str(_folder(data, split)),
    padding_share=0.0,
    color=True,
    facts=ImageFacts("imagenet", 1000, (), 3, VIEW_SIZE, VIEW_SIZE, MEAN, STD),
)
