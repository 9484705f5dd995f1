"""Images in memory, and what the rest of the program knows about the data set they come from."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import torch
from torch import Tensor

from aca_ray.errors import DataError

PerChannel = tuple[float, ...]

# In fractions of the full range, a quarter of one of the 255 steps: no channel with two differing pixels in a thousand
# comes near it, and a constant channel (deviation 0) normalizes to 0 instead of nan.
STD_FLOOR = 1e-3
# Bounds the temporary int64 copy to about 25 MB at 32x32x3.
_IMAGES_PER_CHUNK = 1024


@dataclass(frozen=True)
class ImageSet:
    """Decoded images with their labels.

    Attributes:
        images: (N, C, H, W) uint8.
        labels: (N,) int64.
    """

    images: Tensor
    labels: Tensor

    def __post_init__(self) -> None:
        if self.images.dtype != torch.uint8 or self.images.dim() != 4:
            raise DataError(
                f"images must be uint8 of shape (N, C, H, W), found {self.images.dtype} of {tuple(self.images.shape)}"
            )
        if self.labels.dtype != torch.int64 or self.labels.shape != self.images.shape[:1]:
            raise DataError(
                f"labels must be int64 of shape ({len(self.images)},), one per image, "
                f"found {self.labels.dtype} of {tuple(self.labels.shape)}"
            )

    def __len__(self) -> int:
        return len(self.labels)

    def rows(self, start: int, stop: int) -> ImageSet:
        """Return the images of rows start..stop-1, which share memory with this set."""
        return ImageSet(self.images[start:stop], self.labels[start:stop])


@dataclass(frozen=True)
class DataInfo:
    """What the program knows about a data set besides its pixels.

    Attributes:
        name: the registry name of the source.
        num_classes: K; labels are 0..K-1.
        class_names: K names, by label.
        channels: 1 (gray) or 3 (RGB).
        height: pixels.
        width: pixels.
        mean: per channel, as a fraction of the full range.
        std: per channel, as a fraction of the full range, positive.
        flip: whether a horizontal flip preserves the label.
        digest: SHA-256, hex, of the training images and labels in use.
        source: where the training images come from, for example a file path.
    """

    name: str
    num_classes: int
    class_names: tuple[str, ...]
    channels: int
    height: int
    width: int
    mean: PerChannel
    std: PerChannel
    flip: bool
    digest: str
    source: str


def describe_image(channels: int, height: int, width: int) -> str:
    """Return size and mode as messages give them, for example `32x32 RGB`."""
    return f"{width}x{height} {'gray' if channels == 1 else 'RGB'}"


def digest(image_set: ImageSet) -> str:
    """Return the SHA-256, hex, of the shape, the pixels and the labels."""
    hasher = hashlib.sha256(repr(tuple(image_set.images.shape)).encode())
    hasher.update(image_set.images.contiguous().numpy().data)
    hasher.update(image_set.labels.contiguous().numpy().data)
    return hasher.hexdigest()


def channel_statistics(images: Tensor) -> tuple[PerChannel, PerChannel]:
    """Return the exact mean and population standard deviation of every channel, as fractions of the full range.

    The sums are integers, so the result depends neither on the order of the images nor on the number of threads.

    Args:
        images: (N, C, H, W) uint8.

    Returns:
        Mean and deviation, one float per channel; deviations are at least `STD_FLOOR`.
    """
    sums = torch.zeros(images.shape[1], dtype=torch.int64)
    squares = torch.zeros_like(sums)
    for chunk in torch.split(images, _IMAGES_PER_CHUNK):
        values = chunk.to(torch.int64)
        sums += values.sum(dim=(0, 2, 3))
        squares += values.square().sum(dim=(0, 2, 3))
    count = images.shape[0] * images.shape[2] * images.shape[3]
    mean, std = [], []
    for total, square in zip(sums.tolist(), squares.tolist(), strict=True):
        mean.append(total / (255 * count))
        std.append(max(STD_FLOOR, (count * square - total * total) ** 0.5 / (255 * count)))
    return tuple(mean), tuple(std)
