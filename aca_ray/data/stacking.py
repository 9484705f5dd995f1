"""Decoded images of one size, stacked in memory, and the bound up to which Parquet images are."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from aca_ray.data.image_set import describe_image, scaled
from aca_ray.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

GIB = 2**30
# Of the pixels of a split, which every trial has in its own memory, or in that of its GPU; both are ours.
BYTES_IN_MEMORY = 4 * GIB
SHARE_OF_MEMORY = 1 / 4
_ANY_SIZE = "use the data set imagenet, which reads images of any size from class folders while training"


def stack_images(
    images: Iterable[NDArray[np.uint8]], total: int, place: Callable[[int], str], location: str, size: int | None
) -> Tensor:
    """Return images as one tensor, (N, C, H, W) uint8; gray images become RGB when one of them is RGB.

    Args:
        images: `total` images, each (H, W, C) uint8 with 1 or 3 channels.
        total: number of images.
        place: function that returns the place of an image by its number, for messages.
        location: location of all images, for messages.
        size: height and width to scale every image to, in pixels; None keeps the size, which must be one.

    Raises:
        DataError: images differ in size, or do not fit into the machine's memory together.
    """
    pixels = np.empty((0, 0, 0, 0), dtype=np.uint8)
    for row, decoded in enumerate(images):
        image = planes(decoded, size)
        if row == 0:
            _check_memory(location, total, image)
            pixels = np.empty((total, *image.shape), dtype=np.uint8)
        if image.shape[1:] != pixels.shape[2:]:
            raise differing_size(place(row), image.shape, pixels.shape[1:])
        if len(image) > pixels.shape[1]:
            pixels = np.repeat(pixels, 3, axis=1)
        pixels[row] = image
    return torch.from_numpy(pixels)


def planes(decoded: NDArray[np.uint8], size: int | None) -> NDArray[np.uint8]:
    """Return an image (H, W, C) as (C, H, W), scaled to size x size pixels unless the size is None."""
    image = decoded.transpose(2, 0, 1)
    return image if size is None else scaled(torch.tensor(image[None]), size)[0].numpy()


def differing_size(place: str, found: tuple[int, ...], first: tuple[int, ...]) -> DataError:
    """Return the error of an image whose shape (C, H, W) differs from that of the first one."""
    return DataError(
        f"{place}: the image is {describe_image(*found)}, the first one is {describe_image(*first)}; all images must "
        f"have the same size. Set resize to scale them to one size, or {_ANY_SIZE}"
    )


def fits_in_memory(total: int, height: int, width: int) -> bool:
    """Return whether this many images are kept in memory: up to 4 GiB, or a quarter of the machine's memory, are.

    All are counted as RGB: one that is may follow gray ones.
    """
    return total * 3 * height * width <= min(BYTES_IN_MEMORY, SHARE_OF_MEMORY * memory_bytes())


def _check_memory(location: str, total: int, first: NDArray[np.uint8]) -> None:
    """Raise DataError if this many images of the size of the first one do not fit into the machine's memory."""
    needed = total * first.nbytes
    if needed > memory_bytes():
        raise DataError(
            f"{location}: {total} images of {describe_image(*first.shape)} are kept in memory, which needs "
            f"{needed / GIB:.1f} GiB; this machine has {memory_bytes() / GIB:.1f} GiB. Set resize, max_train_images "
            f"or max_test_images, or {_ANY_SIZE}"
        )


def memory_bytes() -> int:
    """Return the size of the machine's memory."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
