"""Images that are read from their files when a batch needs them, because they do not fit into memory together."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from aca_ray.data.decoders import Decoding, decode_now
from aca_ray.data.image_decoding import check_image, open_image
from aca_ray.data.image_views import VIEW_SIZE, ViewDraws, draw_views, evaluation_view, training_view
from aca_ray.errors import DataError
from aca_ray.transfer import to_device

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class ImageFiles:
    """Image files of any size with their labels, viewed as square RGB images, 224x224 by default.

    Attributes:
        root: folder that the paths are relative to.
        paths: N paths.
        labels: (N,) int64, on the CPU.
        device: device of the pixels and labels that `take` returns.
        crop: whether a training view is a random part of the image.
        color: whether the colors of a training view are changed at random.
        cmyk: names of files that are converted from CMYK; other CMYK files are refused.
        size: height and width of every view, in pixels.
    """

    root: Path
    paths: tuple[str, ...]
    labels: Tensor
    device: torch.device | str = "cpu"
    crop: bool = True
    cmyk: frozenset[str] = frozenset()
    size: int = VIEW_SIZE
    color: bool = True

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of every view."""
        return 3, self.size, self.size

    def __len__(self) -> int:
        return len(self.paths)

    def select(self, rows: Tensor) -> ImageFiles:
        """Return the images of these rows, int64, in this order."""
        return replace(self, paths=tuple(self.paths[row] for row in rows.tolist()), labels=self.labels[rows.cpu()])

    def rows(self, start: int, stop: int) -> ImageFiles:
        """Return the images of rows start..stop-1."""
        return replace(self, paths=self.paths[start:stop], labels=self.labels[start:stop])

    def to(self, device: torch.device | str) -> ImageFiles:
        """Return the same images; `take` will return them on this device."""
        return replace(self, device=device)

    def resize(self, size: int) -> ImageFiles:
        """Return the same images, viewed as size x size pixels; views show the same parts as at 224."""
        return replace(self, size=size)

    def in_color(self) -> ImageFiles:
        """Return this set: all views are RGB."""
        return self

    def take(self, rows: Tensor, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """Return (B, 3, size, size) uint8 pixels and (B,) int64 labels of these rows, on the set's device.

        As many threads as torch may use decode the images.

        Args:
            rows: (B,) int64, on the CPU.
            generator: draws a training view of every image; None for evaluation views.

        Raises:
            DataError: a file can't be read as an image.
        """
        pixels = decode_now(self.decoding(rows, generator))
        return to_device(pixels, self.device), to_device(self.labels[rows], self.device)

    def decoding(self, rows: Tensor, generator: torch.Generator | None) -> Decoding:
        """Return the decoding of the images of these rows, not started; see `take`."""
        numbers = rows.tolist()
        draws = [None] * len(numbers) if generator is None else draw_views(len(numbers), generator)
        return Decoding(
            len(numbers), self.shape, lambda position: self._view(numbers[position], draws[position]), self.device
        )

    def check(self, rows: Tensor) -> None:
        """Raise DataError when one of the files of these rows is missing or refused, by its header (`check_image`)."""
        with ThreadPoolExecutor(torch.get_num_threads()) as threads:
            for _ in threads.map(self._check, rows.tolist()):
                pass

    def _check(self, row: int) -> None:
        path = self.root / self.paths[row]
        try:
            check_image(path, cmyk=path.name in self.cmyk)
        except (OSError, ValueError) as error:
            raise _unreadable(path, error) from error

    def _view(self, row: int, draws: ViewDraws | None) -> np.ndarray:
        """Return (size, size, 3) uint8."""
        import numpy as np

        path = self.root / self.paths[row]
        try:
            image = open_image(path.read_bytes(), cmyk=path.name in self.cmyk)
        except (OSError, ValueError) as error:
            raise _unreadable(path, error) from error
        if image.mode != "RGB":
            image = image.convert("RGB")
        if draws is None:
            return np.asarray(evaluation_view(image, self.size))
        return np.asarray(training_view(image, draws, self.crop, self.size, self.color))

    def digest(self) -> str:
        """Return the SHA-256, hex, of paths, file sizes and labels; hashing the pixels would read every file.

        The size of the views is included if it is not 224.

        Raises:
            DataError: a file is missing.
        """
        hasher = hashlib.sha256()
        if self.size != VIEW_SIZE:
            hasher.update(f"{self.size}\n".encode())
        for path, label in zip(self.paths, self.labels.tolist(), strict=True):
            try:
                size = (self.root / path).stat().st_size
            except OSError as error:
                raise DataError(f"{self.root / path}: can't be read ({error.strerror}); replace the file") from error
            hasher.update(f"{path}\0{size}\0{label}\n".encode())
        return hasher.hexdigest()


def _unreadable(path: Path, error: Exception) -> DataError:
    return DataError(f"{path}: can't be read as an image ({error}); replace the file")
