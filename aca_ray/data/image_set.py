"""Labeled images, and the facts about their data set."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import Protocol, Self, runtime_checkable

import torch
from torch import Tensor
from torch.nn import functional

from aca_ray.data.decoders import Decoding
from aca_ray.errors import DataError

PerChannel = tuple[float, ...]

PADDING_SHARE = 4 / 32  # Liu et al. 2019 (DARTS), appendix A; the proportion is ours

# In fractions of the full range, a quarter of one of the 255 steps: no channel with two differing pixels in a thousand
# comes near it, and a constant channel (deviation 0) normalizes to 0 instead of nan.
STD_FLOOR = 1e-3
RESIZING = "antialiased bilinear"  # of images in memory, and of image files by Pillow
_IMAGES_PER_CHUNK = 1024
# Pixels of a part of a set that is read in order; statistics need another 16 bytes for each of them.
_BYTES_PER_PART = 2**23


class Images(Protocol):
    """Labeled images of one size, in memory or in files."""

    @property
    def labels(self) -> Tensor:
        """The labels, (N,) int64."""
        ...

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of every image that `take` returns."""
        ...

    def __len__(self) -> int: ...

    def select(self, rows: Tensor) -> Self:
        """Return the images of these rows, int64, in this order."""
        ...

    def rows(self, start: int, stop: int) -> Self:
        """Return the images of rows start..stop-1."""
        ...

    def to(self, device: torch.device | str) -> Self:
        """Return the same images; `take` will return them on this device."""
        ...

    def resize(self, size: int) -> Self:
        """Return the same images, viewed as size x size pixels; the aspect ratio is not kept unless noted."""
        ...

    def in_color(self) -> Self:
        """Return the same images in RGB; a gray image has equal channels."""
        ...

    def take(self, rows: Tensor, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """Return (B, C, H, W) uint8 pixels and (B,) int64 labels of these rows, on the set's device.

        Args:
            rows: (B,) int64, on the device of `labels`.
            generator: on the CPU; draws the training views of sets whose images are cropped as they are read. None for
                evaluation views.

        Raises:
            DataError: an image can't be read.
        """
        ...

    def check(self, rows: Tensor) -> None:
        """Raise DataError when one of the images of these rows, int64, is missing or refused (see `open_image`)."""
        ...

    def digest(self) -> str:
        """Return a SHA-256, hex, that identifies the images in use."""
        ...


@runtime_checkable
class EncodedImages(Images, Protocol):
    """Images that are decoded when a batch needs them."""

    def decoding(self, rows: Tensor, generator: torch.Generator | None) -> Decoding:
        """Return the decoding of the images of these rows, not started; all draws are made. See `take`."""
        ...


@dataclass(frozen=True)
class ImageSet:
    """Decoded images in memory with their labels.

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

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of every image."""
        _, channels, height, width = self.images.shape
        return channels, height, width

    def select(self, rows: Tensor) -> ImageSet:
        """Return the images of these rows, int64, in this order."""
        return ImageSet(self.images[rows], self.labels[rows])

    def rows(self, start: int, stop: int) -> ImageSet:
        """Return the images of rows start..stop-1, which share memory with this set."""
        return ImageSet(self.images[start:stop], self.labels[start:stop])

    def to(self, device: torch.device | str) -> ImageSet:
        """Return the same images on a device."""
        return ImageSet(self.images.to(device), self.labels.to(device))

    def resize(self, size: int) -> ImageSet:
        """Return the images scaled to size x size pixels by antialiased bilinear interpolation.

        Halving the size averages with weights 1/8, 3/8, 3/8, 1/8 along each side.
        """
        if self.shape[1:] == (size, size):
            return self
        parts = self.images.split(_IMAGES_PER_CHUNK)
        return ImageSet(torch.cat([scaled(part, size) for part in parts]), self.labels)

    def in_color(self) -> ImageSet:
        """Return the same images in RGB."""
        return self if self.shape[0] == 3 else ImageSet(self.images.repeat(1, 3, 1, 1), self.labels)

    def take(self, rows: Tensor, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """Return (B, C, H, W) uint8 pixels and (B,) int64 labels of these rows; the generator is ignored."""
        return self.images[rows], self.labels[rows]

    def check(self, rows: Tensor) -> None:
        """Do nothing: the images are already decoded."""

    def digest(self) -> str:
        """Return the SHA-256, hex, of the shape, the pixels and the labels."""
        return pixel_digest(self)


def pixel_digest(images: Images) -> str:
    """Return the SHA-256, hex, of the shape (N, C, H, W), the pixels of evaluation views and the labels."""
    hasher = hashlib.sha256(repr((len(images), *images.shape)).encode())
    for rows in parts_in_order(images):
        hasher.update(images.take(rows, None)[0].contiguous().numpy().data)
    hasher.update(images.labels.contiguous().numpy().data)
    return hasher.hexdigest()


def parts_in_order(images: Images) -> tuple[Tensor, ...]:
    """Return all rows in order, in parts of at most 8 MiB of pixels, at least one image each."""
    return torch.arange(len(images)).split(max(1, _BYTES_PER_PART // max(1, math.prod(images.shape))))


def scaled(images: Tensor, size: int) -> Tensor:
    """Return (N, C, H, W) uint8 images scaled to size x size pixels by antialiased bilinear interpolation."""
    if images.shape[2:] == (size, size):
        return images
    pixels = functional.interpolate(images.to(torch.float32), (size, size), mode="bilinear", antialias=True)
    return pixels.round().clamp(0, 255).to(torch.uint8)


@dataclass(frozen=True)
class ImageFacts:
    """Facts about the images that a network is for.

    Attributes:
        name: the registry name of the source.
        num_classes: K; labels are 0..K-1.
        class_names: K names, by label; empty if unknown.
        channels: 1 (gray) or 3 (RGB).
        height: pixels.
        width: pixels.
        mean: per channel, as a fraction of the full range.
        std: per channel, as a fraction of the full range, positive.
    """

    name: str
    num_classes: int
    class_names: tuple[str, ...]
    channels: int
    height: int
    width: int
    mean: PerChannel
    std: PerChannel


@dataclass(frozen=True)
class DataInfo(ImageFacts):
    """Facts about a data set besides its pixels; class names are always known.

    Attributes:
        flip: whether half of the images of a training batch are mirrored left to right.
        digest: SHA-256, hex, of the training images and labels in use.
        source: where the training images come from, for example a file path.
        padding_share: padding of the random crop, as a share of the height; 0 if images are cropped as they are read.
        crop: whether training images are cropped at random.
        color: whether the colors of training images are changed at random.
        resized: whether the data mapping sets the size.
    """

    flip: bool
    digest: str
    source: str
    padding_share: float = PADDING_SHARE
    crop: bool = True
    resized: bool = False
    color: bool = False

    @property
    def augmentation(self) -> str:
        """The augmentation, such as `crop and flip`, `crop` or `none`, and the size if the images are resized."""
        names = [name for name in ("crop", "flip", "color") if getattr(self, name)] or ["none"]
        switched_on = " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
        return f"{switched_on}, resized to {self.width}x{self.height} ({RESIZING})" if self.resized else switched_on


def describe_image(channels: int, height: int, width: int) -> str:
    """Return size and mode for messages, for example `32x32 RGB`."""
    return f"{width}x{height} {'gray' if channels == 1 else 'RGB'}"


def channel_statistics(images: Images) -> tuple[PerChannel, PerChannel]:
    """Return the exact mean and population standard deviation of every channel, as fractions of the full range.

    The sums are integers, so the result depends neither on the order of the images nor on the number of threads.

    Returns:
        Mean and deviation, one float per channel; deviations are at least `STD_FLOOR`.
    """
    channels, height, width = images.shape
    sums = torch.zeros(channels, dtype=torch.int64)
    squares = torch.zeros_like(sums)
    for rows in parts_in_order(images):
        values = images.take(rows, None)[0].to(torch.int64)
        sums += values.sum(dim=(0, 2, 3))
        squares += values.square().sum(dim=(0, 2, 3))
    count = len(images) * height * width
    mean, std = [], []
    for total, square in zip(sums.tolist(), squares.tolist(), strict=True):
        mean.append(total / (255 * count))
        std.append(max(STD_FLOOR, (count * square - total * total) ** 0.5 / (255 * count)))
    return tuple(mean), tuple(std)
