"""Threads that decode images, and the batches that they fill.

Threads, not processes: Pillow decodes, scales and converts colors without Python's global lock. Two threads read at
least as many images per second as two workers of torch's DataLoader (`experiments/benchmarks/RESULTS.md`), copy nothing
between processes, and can't outlive a killed trial.

Memory: a sequence of batches holds the pixels, one byte per channel, of the batch requested last and of the batches
ahead of it, which are at most 256 MiB or one batch. A search has three sequences: two splits, and the pass that
measures accuracy.

A decoded batch stays in page-locked memory until it is requested. Its copy to the GPU is then queued, and nothing waits
for it; an earlier copy, in a CUDA stream of its own, would save no more than the time of the copy.
"""

from __future__ import annotations

import threading
import weakref
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    import numpy as np

BYTES_AHEAD = 2**28
MAX_BATCHES_AHEAD = 4


class Decoding:
    """The images of a batch while they are decoded.

    Args:
        num_images: number of images B.
        shape: channels, height and width of every image.
        view: returns the pixels of an image, (H, W, C) uint8, given its position in the batch; several threads call it.
        device: device that the pixels are for; those for a GPU are in page-locked memory.
    """

    def __init__(
        self,
        num_images: int,
        shape: tuple[int, int, int],
        view: Callable[[int], np.ndarray],
        device: torch.device | str,
    ) -> None:
        pinned = torch.device(device).type == "cuda"
        self._pixels = torch.empty((num_images, *shape), dtype=torch.uint8, pin_memory=pinned)
        self._images = self._pixels.numpy()
        self._view = view
        self._positions = iter(range(num_images))
        self._num_left = num_images
        self._errors: dict[int, BaseException] = {}
        self._lock = threading.Lock()
        self._decoded = threading.Event()
        if not num_images:
            self._decoded.set()

    @property
    def is_decoded(self) -> bool:
        """Whether `result` returns, or raises an error, at once."""
        return self._decoded.is_set()

    def claim(self) -> int | None:
        """Return the position of an image that no thread has claimed; None if there is none."""
        with self._lock:
            return next(self._positions, None)

    def decode(self, position: int) -> None:
        """Decode the image at a claimed position; an error is kept for `result`."""
        try:
            self._images[position] = self._view(position).transpose(2, 0, 1)
        except BaseException as error:
            self._errors[position] = error
        with self._lock:
            self._num_left -= 1
            if not self._num_left:
                self._decoded.set()

    def result(self) -> Tensor:
        """Wait for all images and return (B, C, H, W) uint8, on the CPU.

        Raises:
            DataError: an image can't be read; if there are several, the error of the first.
        """
        self._decoded.wait()
        if self._errors:
            raise self._errors[min(self._errors)]
        return self._pixels


class Decoders:
    """Decodes batches in a fixed number of threads, one batch after the other.

    Threads exist only while there is something to decode, so that none is left once its batches are decoded or dropped:
    a batch that nobody else holds any more is not decoded. When the process ends, threads end after their current
    image.

    Args:
        num_threads: largest number of threads.
        bytes_ahead: bound of the pixels that every sequence of batches has decoded ahead: as many batches as fit, at
            least one and at most `MAX_BATCHES_AHEAD`. 0 to decode no batch before it is requested.

    Attributes:
        num_threads: largest number of threads.
        num_requests: number of batches requested so far.
        num_waits: number of those that were not decoded yet.
    """

    def __init__(self, num_threads: int, bytes_ahead: int = BYTES_AHEAD) -> None:
        self.num_requests = self.num_waits = 0
        self.num_threads, self._bytes_ahead = num_threads, bytes_ahead
        self._lock = threading.Lock()
        self._waiting: deque[weakref.ref[Decoding]] = deque()
        self._num_running = 0

    @classmethod
    def beside(cls, device: torch.device | str) -> Decoders:
        """Return decoders for a trial that computes on a device: as many as torch may use threads (`cpus_per_trial`).

        On a CPU, no batch is decoded ahead: training already uses all of these cores, so every batch is decoded by all
        of them when it is needed. In a pack, torch has one thread in each search.
        """
        return cls(torch.get_num_threads(), 0 if torch.device(device).type == "cpu" else BYTES_AHEAD)

    def batches_ahead(self, batch_bytes: int) -> int:
        """Return how many batches, of this many bytes of pixels each, are decoded ahead."""
        if not self._bytes_ahead:
            return 0
        return max(1, min(MAX_BATCHES_AHEAD, self._bytes_ahead // max(1, batch_bytes)))

    def start(self, decoding: Decoding, *, first: bool = False) -> None:
        """Decode a batch after those that were started before, or before them."""
        with self._lock:
            if first:
                self._waiting.appendleft(weakref.ref(decoding))
            else:
                self._waiting.append(weakref.ref(decoding))
            while self._num_running < self.num_threads:
                threading.Thread(target=self._work, name="image decoder", daemon=False).start()
                self._num_running += 1

    def result(self, decoding: Decoding) -> Tensor:
        """Return the images of a batch that was started; see `Decoding.result`."""
        self.num_requests += 1
        self.num_waits += not decoding.is_decoded
        return decoding.result()

    def _work(self) -> None:
        while self._decode_one():
            pass

    def _decode_one(self) -> bool:
        """Decode the next image; return false if there is none, and the thread must end."""
        with self._lock:
            while self._waiting and threading.main_thread().is_alive():
                decoding = self._waiting[0]()
                position = None if decoding is None else decoding.claim()
                if position is not None:
                    break
                self._waiting.popleft()
            else:
                self._num_running -= 1
                return False
        assert decoding is not None
        decoding.decode(position)
        return True


def decode_now(decoding: Decoding) -> Tensor:
    """Decode a batch that was not started, in as many threads as torch may use; see `Decoding.result`."""
    Decoders(torch.get_num_threads()).start(decoding)
    return decoding.result()
