"""Normalization and random augmentation of whole batches.

Every draw comes from a CPU generator that the caller seeds, so an augmented batch does not depend on the device.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from aca_ray.data.image_set import DataInfo
from aca_ray.transfer import to_device


def normalize(images: Tensor, info: DataInfo) -> Tensor:
    """Return (images / 255 - mean) / std as float32.

    Args:
        images: (N, C, H, W) uint8.
        info: mean and deviation of the C channels.
    """
    mean = to_device(torch.tensor(info.mean).mul_(255), images.device).view(-1, 1, 1)
    std = to_device(torch.tensor(info.std).mul_(255), images.device).view(-1, 1, 1)
    return images.to(torch.float32).sub(mean).div_(std)


def random_crop(images: Tensor, padding: int, generator: torch.Generator) -> Tensor:
    """Return every image shifted by its own draw, black (0) where the shift uncovers pixels.

    Args:
        images: (N, C, H, W) of any type.
        padding: pixels of black on each side; shifts are uniform in -padding..padding, independent for both axes.
        generator: on the CPU; gives N row offsets, then N column offsets.

    Source: He et al. 2016 (ResNet), section 4.2: pad by 4 on each side and crop, as in quark0/darts.
    """
    if padding == 0:
        return images
    num_images, channels, height, width = images.shape
    offsets = to_device(torch.randint(2 * padding + 1, (2, num_images), generator=generator), images.device)
    rows = offsets[0].view(-1, 1, 1) + torch.arange(height, device=images.device).view(1, -1, 1)
    columns = offsets[1].view(-1, 1, 1) + torch.arange(width, device=images.device).view(1, 1, -1)
    padded = pad(images, [padding] * 4)
    index = (rows * padded.shape[3] + columns).view(num_images, 1, -1).expand(-1, channels, -1)
    return padded.flatten(2).gather(2, index).view(images.shape)


def random_flip(images: Tensor, generator: torch.Generator) -> Tensor:
    """Return the images, each mirrored left to right with probability 1/2.

    Args:
        images: (N, C, H, W) of any type.
        generator: on the CPU; gives N bits, 1 meaning mirrored.
    """
    flipped = to_device(torch.randint(2, (len(images),), generator=generator).bool(), images.device)
    return torch.where(flipped.view(-1, 1, 1, 1), images.flip(3), images)


def cutout(images: Tensor, length: int, generator: torch.Generator) -> Tensor:
    """Return the images with a square of zeros each, around a uniformly drawn pixel and clipped at the borders.

    Args:
        images: (N, C, H, W) float, normalized, so that zero is the mean color.
        length: side of the square in pixels; an odd one acts like the next smaller even one, as in the source.
        generator: on the CPU; gives N center rows, then N center columns.

    Source: DeVries and Taylor 2017 (arXiv 1708.04552), section 3; the clipping of their util/cutout.py.
    """
    num_images, _, height, width = images.shape
    center_rows = torch.randint(height, (num_images,), generator=generator)
    center_columns = torch.randint(width, (num_images,), generator=generator)
    rows = _within(center_rows, length // 2, height).view(num_images, 1, height, 1)
    columns = _within(center_columns, length // 2, width).view(num_images, 1, 1, width)
    return images.masked_fill(to_device(rows & columns, images.device), 0.0)


def cutout_some(images: Tensor, probability: float, generator: torch.Generator) -> Tensor:
    """Return the images, a square of half the height cut out of each with the given probability.

    Args:
        images: (N, C, H, W) float, normalized.
        probability: in [0, 1].
        generator: on the CPU; not used where the probability is 0.

    Source: Zela et al. 2020 (RobustDARTS), official code (cutout_prob).
    """
    if probability == 0.0:
        return images
    chosen = torch.rand(len(images), generator=generator) < probability
    return torch.where(
        to_device(chosen, images.device).view(-1, 1, 1, 1), cutout(images, images.shape[2] // 2, generator), images
    )


def _within(centers: Tensor, reach: int, size: int) -> Tensor:
    """Return (N, size) booleans: whether a position is in [center - reach, center + reach)."""
    distance = torch.arange(size) - centers.view(-1, 1)
    return (distance >= -reach) & (distance < reach)


@dataclass(frozen=True)
class Augmentation:
    """The augmentation of a training batch: crop, flip, normalize, cutout, in this order.

    Attributes:
        padding: padding of the random crop, in pixels; 0 for no crop.
        flip: whether half of the images are mirrored.
        cutout_length: side of the cutout square, in pixels; 0 for no cutout.
    """

    padding: int
    flip: bool
    cutout_length: int

    def __call__(self, images: Tensor, info: DataInfo, generator: torch.Generator) -> Tensor:
        """Return the augmented, normalized batch, float32 on the images' device.

        Args:
            images: (N, C, H, W) uint8.
            info: describes the data set.
            generator: on the CPU.
        """
        if self.padding:
            images = random_crop(images, self.padding, generator)
        if self.flip:
            images = random_flip(images, generator)
        batch = normalize(images, info)
        return cutout(batch, self.cutout_length, generator) if self.cutout_length else batch


NO_AUGMENTATION = Augmentation(padding=0, flip=False, cutout_length=0)


def standard_augmentation(info: DataInfo, cutout: bool = False) -> Augmentation:
    """Return the augmentation of the DARTS family, scaled to the image height.

    Args:
        info: describes the data set, and says whether its images are cropped and mirrored.
        cutout: whether to cut out squares.

    Source: Liu et al. 2019 (DARTS), appendix A: padding 4 and cutout 16 at 32x32; the proportions are ours.
    """
    padding = int(info.height * info.padding_share) if info.crop else 0
    return Augmentation(padding=padding, flip=info.flip, cutout_length=info.height // 2 if cutout else 0)
