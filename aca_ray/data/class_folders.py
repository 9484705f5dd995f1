"""Image files in one folder per class."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from aca_ray.data.seeds import fixed_order
from aca_ray.errors import DataError

# Those of torchvision's ImageFolder, and GIF.
SUFFIXES = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp", ".gif")
# macOS puts this folder into archives. Names that begin with a dot are hidden on every system.
_NO_CLASS = "__MACOSX"


def list_classes(root: Path) -> tuple[list[tuple[str, int]], tuple[str, ...]]:
    """Return the image files of all classes, and the class names.

    The order is that of torchvision's ImageFolder: classes by name, then the files of a folder by name. Hidden files
    and folders (.git, .ipynb_checkpoints, __MACOSX, ._1.png) and files without an image's suffix are not part of the
    data.

    Args:
        root: folder with one folder per class.

    Returns:
        (path relative to `root`, label) per image; and the names by label.

    Raises:
        DataError: the folder is missing, a class has no image, or a link is broken.
    """
    try:
        classes = sorted(entry.name for entry in _visible(root) if entry.is_dir())
        images = [(path, label) for label, name in enumerate(classes) for path in _images_of_class(root, name)]
    except OSError as error:
        raise _unusable(root, f"{error.filename}: {error.strerror}") from error
    if not classes:
        raise _unusable(root, "it has no folders")
    return images, tuple(classes)


def list_shuffled(root: Path, limit: int | None) -> tuple[tuple[str, ...], Tensor, tuple[str, ...]]:
    """Return the image files of all classes in a fixed random order, and the class names.

    Args:
        root: folder with one folder per class.
        limit: number of files wanted, or None for all.

    Returns:
        Paths relative to `root`; their labels, (N,) int64; and the names by label.

    Raises:
        DataError: see `list_classes`.
    """
    samples, classes = list_classes(root)
    order = fixed_order(len(samples))[:limit].tolist()
    labels = torch.tensor([samples[row][1] for row in order], dtype=torch.int64)
    return tuple(samples[row][0] for row in order), labels, classes


def require_same_classes(root: Path, found: tuple[str, ...], train_root: Path, class_names: tuple[str, ...]) -> None:
    """Raise DataError unless the folder of the test images has the classes of the folder of the training images."""
    if found != class_names:
        differing = sorted(set(found) ^ set(class_names))
        raise DataError(
            f"{root}: must contain the same {len(class_names)} classes as {train_root}; only one of them has "
            f"{', '.join(differing[:5])}{', ...' if len(differing) > 5 else ''}"
        )


def _images_of_class(root: Path, name: str) -> list[str]:
    files = sorted(_files_below(root, name))
    if not files:
        raise DataError(
            f"{root / name}: holds no images ({', '.join(SUFFIXES)}), but every folder in {root} is a class; add its "
            "images, or remove the folder"
        )
    return [f"{folder}/{file}" for folder, file in files]


def _files_below(root: Path, folder: str) -> Iterator[tuple[str, str]]:
    """Yield folder, relative to `root`, and name of every image file in a folder and its subfolders."""
    for entry in _visible(root / folder):
        if entry.is_dir():
            yield from _files_below(root, f"{folder}/{entry.name}")
        elif entry.name.lower().endswith(SUFFIXES):
            yield folder, entry.name


def _visible(folder: Path) -> Iterator[os.DirEntry[str]]:
    """Yield the entries of a folder that are not hidden; raise DataError for a broken link."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(".") or entry.name == _NO_CLASS:
                continue
            if entry.is_symlink() and not os.path.exists(entry.path):
                raise DataError(
                    f"{entry.path}: is a link to {os.readlink(entry.path)}, which does not exist; restore that file, "
                    "or remove the link"
                )
            yield entry


def _unusable(root: Path, reason: str) -> DataError:
    return DataError(
        f"{root}: holds no images in class folders ({reason}). Correct the path, or put the images there with a folder "
        "per class"
    )
