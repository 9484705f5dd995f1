"""Batches that depend only on a seed and an index, so that a resumed run needs to remember only the index."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from aca_ray.data.augment import Augmentation, normalize
from aca_ray.data.decoders import Decoders, Decoding
from aca_ray.data.image_set import DataInfo, EncodedImages, Images
from aca_ray.data.prefetch import Prefetch
from aca_ray.data.seeds import cpu_generator
from aca_ray.errors import ConfigError
from aca_ray.transfer import to_device

Draw = Callable[[int, int, torch.Generator], Tensor]
"""Maps (number of images N, batch size B, CPU generator of the batch) to the batch's rows, int64 in 0..N-1."""


class Batches:
    """An endless sequence of training batches.

    `batch(index)` is a pure function of the images, the batch size, the augmentation, the seed and the index: batches
    can be requested in any order, and repeatedly. Without a `draw`, the sequence consists of passes: every pass
    contains every image exactly once, in its own order, and its last batch is smaller if the batch size does not
    divide the number of images. With a `draw`, every batch is drawn independently.

    Two sequences over different splits should get different seeds (`derive_seed(seed, "search_valid")`), otherwise
    their augmentations draw the same numbers.

    Images in files are decoded ahead, in the order of the sequence, which changes no batch.
    """

    def __init__(
        self,
        image_set: Images,
        info: DataInfo,
        batch_size: int,
        augmentation: Augmentation,
        seed: int,
        device: torch.device | str,
        draw: Draw | None = None,
        decoders: Decoders | None = None,
    ) -> None:
        """Move the images to the device; those in memory stay uint8.

        Args:
            image_set: the images of one split, at least one.
            info: describes the data set.
            batch_size: images per batch, at least 1; above the number of images, a pass is one batch.
            augmentation: applied to every batch.
            seed: seed of the sequence.
            device: device of the batches.
            draw: draws the rows of a batch; None for passes over the images.
            decoders: decode images that are not in memory; None for those of `Decoders.beside` the device.

        Raises:
            ConfigError: the batch size is below 1, or there are no images.
        """
        _check_batch_size(batch_size)
        if not len(image_set):
            raise ConfigError("batches: image_set must contain at least one image, found 0")
        self._images = image_set.to(device)
        self._info = info
        self._batch_size = batch_size
        self._augmentation = augmentation
        self._seed = seed
        self._device = device
        self._draw = draw
        # Cache: the permutation of the pass requested last.
        self._order_pass = -1
        self._order = torch.empty(0, dtype=torch.int64)
        self._prefetch = _prefetch(self._images, batch_size, device, decoders)

    def __len__(self) -> int:
        return len(self._images)

    @property
    def batches_per_pass(self) -> int:
        """Number of batches in a pass, including a partial last one."""
        return -(-len(self._images) // self._batch_size)

    def batch(self, index: int) -> tuple[Tensor, Tensor]:
        """Return batch number `index` of the sequence.

        Args:
            index: at least 0; in a sequence of passes, batch `index % batches_per_pass` of pass
                `index // batches_per_pass`.

        Returns:
            (B, C, H, W) float32 images, augmented and normalized, and (B,) int64 labels, both on the device.

        Raises:
            ConfigError: the index is negative.
            DataError: an image of this batch can't be read.
        """
        if self._prefetch is None:
            rows, generator = self.rows(index), self._generator(index)
            pixels, labels = self._images.take(rows, generator)
        else:
            decoded, (rows, generator) = self._prefetch.get(index, self._begin)
            generator = generator.clone_state()  # the batch may be requested again
            pixels, labels = (to_device(part, self._device) for part in (decoded, self._images.labels[rows]))
        return self._augmentation(pixels, self._info, generator), labels

    def _begin(self, index: int) -> tuple[Decoding, tuple[Tensor, torch.Generator]]:
        """Return the decoding of a batch, its rows, and the generator that its augmentation draws from next."""
        assert isinstance(self._images, EncodedImages)
        rows, generator = self.rows(index), self._generator(index)
        return self._images.decoding(rows, generator), (rows, generator)

    def _generator(self, index: int) -> torch.Generator:
        return cpu_generator("augmentation", self._seed, index)

    def rows(self, index: int) -> Tensor:
        """Return the rows, (B,) int64 on the labels' device, of the images in batch number `index`; see `batch`."""
        if index < 0:
            raise ConfigError(f"batches: index must be at least 0, found {index}")
        if self._draw is not None:
            rows = self._draw(len(self._images), self._batch_size, cpu_generator("draw", self._seed, index))
            return to_device(rows, self._images.labels.device)
        pass_index, position = divmod(index, self.batches_per_pass)
        return self._pass_order(pass_index)[position * self._batch_size : (position + 1) * self._batch_size]

    def _pass_order(self, pass_index: int) -> Tensor:
        """Return the rows in the order of a pass, (N,) int64 on the labels' device."""
        if pass_index != self._order_pass:
            generator = cpu_generator("permutation", self._seed, pass_index)
            order = torch.randperm(len(self._images), generator=generator)
            self._order, self._order_pass = to_device(order, self._images.labels.device), pass_index
        return self._order


def evaluation_batches(
    image_set: Images,
    info: DataInfo,
    batch_size: int,
    device: torch.device | str,
    decoders: Decoders | None = None,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield every image once, in order and without augmentation; images in files are decoded ahead.

    Args:
        image_set: the images, on any device.
        info: describes the data set.
        batch_size: images per batch, at least 1; the last batch may be smaller.
        device: device of the batches.
        decoders: see `Batches`.

    Yields:
        (B, C, H, W) float32 normalized images and (B,) int64 labels, both on the device.

    Raises:
        ConfigError: the batch size is below 1.
        DataError: an image of this batch can't be read.
    """
    _check_batch_size(batch_size)
    parts = torch.arange(len(image_set), device=image_set.labels.device).split(batch_size) if len(image_set) else ()
    prefetch = _prefetch(image_set, batch_size, device, decoders, len(parts))

    def begin(index: int) -> tuple[Decoding, Tensor]:
        assert isinstance(image_set, EncodedImages)
        return image_set.to(device).decoding(parts[index], None), parts[index]

    for index, rows in enumerate(parts):
        pixels = image_set.take(rows, None)[0] if prefetch is None else prefetch.get(index, begin)[0]
        yield normalize(to_device(pixels, device), info), to_device(image_set.labels[rows], device)


def _prefetch(
    image_set: Images, batch_size: int, device: torch.device | str, decoders: Decoders | None, end: int | None = None
) -> Prefetch | None:
    """Return what decodes batches ahead; None if the images are in memory."""
    if not isinstance(image_set, EncodedImages):
        return None
    decoders = decoders or Decoders.beside(device)
    return Prefetch(decoders, decoders.batches_ahead(batch_size * math.prod(image_set.shape)), end)


def _check_batch_size(batch_size: int) -> None:
    if batch_size < 1:
        raise ConfigError(f"batches: batch_size must be at least 1, found {batch_size}")
