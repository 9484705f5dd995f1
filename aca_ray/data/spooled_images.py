"""Images that do not fit into memory together, as encoded bytes in a temporary file, decoded when a batch needs them.

Digest, statistics and batches are the same bits as if the images were kept in memory. Loading decodes every image two
or three times: for its size, for the digest, and for mean and deviation if no `normalization` is given.

Memory: while images are copied, a row group of the Parquet file and 64 encoded images; while they are read in order, 8
MiB of pixels (and 16 times as much for the statistics); in training, the batches of `decoders`; for each image, four
numbers. Disk: every process writes its own copy of the encoded images that it uses, which is as large as their column
in the Parquet file; trials that run at the same time share none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from aca_ray.data.decoders import Decoding, decode_now
from aca_ray.data.image_decoding import decode_image
from aca_ray.data.image_set import pixel_digest
from aca_ray.data.spool import Spool
from aca_ray.data.stacking import GIB, differing_size, planes
from aca_ray.errors import DataError
from aca_ray.transfer import to_device

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_IMAGES_PER_WRITE = 64
_COPIED = "the decoded images are too large for memory, so the encoded ones are copied to a temporary file"
_ADVICE = (
    "Free some space, set TMPDIR to a folder on a larger disk, or use fewer images (max_train_images, max_test_images)"
)


@dataclass(frozen=True)
class SpooledImages:
    """Encoded images in a temporary file with their labels.

    Attributes:
        spool: the encoded images, and others.
        numbers: (N,) int64, on the CPU: the images in use, by their number in the spool.
        labels: (N,) int64, on the CPU.
        shape: channels, height and width of every image that `take` returns.
        sizes: heights and widths that a decoded image is scaled to, one after the other.
        location: location of all images, for messages.
        device: device of the pixels and labels that `take` returns.
    """

    spool: Spool
    numbers: Tensor
    labels: Tensor
    shape: tuple[int, int, int]
    sizes: tuple[int, ...]
    location: str
    device: torch.device | str = "cpu"

    def __len__(self) -> int:
        return len(self.labels)

    def select(self, rows: Tensor) -> SpooledImages:
        """Return the images of these rows, int64, in this order."""
        return replace(self, numbers=self.numbers[rows.cpu()], labels=self.labels[rows.cpu()])

    def rows(self, start: int, stop: int) -> SpooledImages:
        """Return the images of rows start..stop-1."""
        return replace(self, numbers=self.numbers[start:stop], labels=self.labels[start:stop])

    def to(self, device: torch.device | str) -> SpooledImages:
        """Return the same images; `take` will return them on this device."""
        return replace(self, device=device)

    def resize(self, size: int) -> SpooledImages:
        """Return the images scaled to size x size pixels, as `ImageSet.resize` does."""
        if self.shape[1:] == (size, size):
            return self
        return replace(self, shape=(self.shape[0], size, size), sizes=(*self.sizes, size))

    def in_color(self) -> SpooledImages:
        """Return the same images in RGB."""
        return replace(self, shape=(3, *self.shape[1:]))

    def take(self, rows: Tensor, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """Return (B, C, H, W) uint8 pixels and (B,) int64 labels of these rows; the generator is ignored.

        As many threads as torch may use decode the images.

        Args:
            rows: (B,) int64, on the CPU.
            generator: ignored.

        Raises:
            DataError: the temporary file can't be read.
        """
        pixels = decode_now(self.decoding(rows, generator))
        return to_device(pixels, self.device), to_device(self.labels[rows], self.device)

    def decoding(self, rows: Tensor, generator: torch.Generator | None) -> Decoding:
        """Return the decoding of the images of these rows, not started; see `take`."""
        numbers = self.numbers[rows].tolist()
        return Decoding(len(numbers), self.shape, lambda position: self._view(numbers[position]), self.device)

    def check(self, rows: Tensor) -> None:
        """Do nothing: all images were decoded when they were copied."""

    def digest(self) -> str:
        """Return the SHA-256, hex, of the shape, the pixels and the labels: that of the same images in memory."""
        return pixel_digest(self)

    def _view(self, number: int) -> NDArray[np.uint8]:
        """Return (H, W, C) uint8; C is 1 for a gray image, which fills all channels."""
        try:
            image = decode_image(self.spool.read(number))
        except (OSError, ValueError) as error:
            raise DataError(
                f"{self.location}: the temporary copy in {self.spool.folder} can't be read ({error}); resume the sweep"
            ) from error
        for size in self.sizes:
            image = planes(image, size).transpose(1, 2, 0)
        return image


def spool_images(
    images: Iterator[bytes],
    total: int,
    decode: Callable[[int, bytes], NDArray[np.uint8]],
    place: Callable[[int], str],
    location: str,
    size: int | None,
) -> tuple[Spool, tuple[int, int, int]]:
    """Return a copy of encoded images in a temporary file, and the shape (C, H, W) in which they are to be viewed.

    Gray images are viewed as RGB when one of them is RGB.

    Args:
        images: `total` encoded images, at least one.
        total: number of images.
        decode: returns the pixels of an image, (H, W, C) uint8, given its number and its bytes; several threads call
            it.
        place: returns the place of an image by its number, for messages.
        location: location of all images, for messages.
        size: height and width that every image will be scaled to; None keeps the size, which must be one.

    Raises:
        DataError: `decode` raised it, images differ in size, or the disk has too little space.
    """

    def shape_of(number: int, encoded: bytes) -> tuple[int, int, int]:
        height, width, channels = decode(number, encoded).shape
        return channels, *((height, width) if size is None else (size, size))

    shape: tuple[int, int, int] | None = None
    try:
        spool = Spool()
        with ThreadPoolExecutor(torch.get_num_threads()) as threads:
            while part := list(islice(images, _IMAGES_PER_WRITE)):
                numbers = range(len(spool), len(spool) + len(part))
                for number, found in zip(numbers, threads.map(shape_of, numbers, part), strict=True):
                    shape = shape or found
                    if found[1:] != shape[1:]:
                        raise differing_size(place(number), found, shape)
                    shape = max(shape, found)  # the one of more channels
                spool.append(part)
                _check_space(spool, total, location)
    except OSError as error:
        raise DataError(f"{location}: {_COPIED}, which can't be written ({error}). {_ADVICE}") from error
    assert shape is not None
    return spool, shape


def _check_space(spool: Spool, total: int, location: str) -> None:
    """Raise DataError if the rest of the images, of the mean size so far, is larger than the free space."""
    needed = spool.num_bytes * (total - len(spool)) / len(spool)
    if needed > spool.free_bytes:
        raise DataError(
            f"{location}: {_COPIED}, which needs about {(spool.num_bytes + needed) / GIB:.1f} GiB in {spool.folder}; "
            f"{(spool.num_bytes + spool.free_bytes) / GIB:.1f} GiB are free there. {_ADVICE}"
        )
