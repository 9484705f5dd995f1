"""Batches of a sequence, the next ones decoded ahead."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from torch import Tensor

from aca_ray.data.decoders import Decoders, Decoding

Rest = TypeVar("Rest")


class Prefetch:
    """Returns the batches of a sequence in any order, and decodes those that follow the one requested last.

    It holds that batch and the ones ahead of it, and drops all others. A batch that is not among them is decoded before
    anything else that waits.

    Args:
        decoders: decode the batches.
        num_ahead: how many batches are decoded ahead.
        end: number of batches; None if the sequence is endless.
    """

    def __init__(self, decoders: Decoders, num_ahead: int, end: int | None = None) -> None:
        self._decoders, self._num_ahead, self._end = decoders, num_ahead, end
        self._begun: dict[int, tuple[Decoding, Any]] = {}

    def get(self, index: int, begin: Callable[[int], tuple[Decoding, Rest]]) -> tuple[Tensor, Rest]:
        """Return the pixels of a batch and the rest of it.

        Args:
            index: number of the batch.
            begin: returns the decoding of a batch, not started, and the rest of the batch, given its number. It must
                be a pure function, the same in every call.

        Returns:
            (B, C, H, W) uint8 on the CPU, which must not be changed, and what `begin` returned besides the decoding.

        Raises:
            DataError: an image of this batch can't be read.
        """
        stop = index + 1 + self._num_ahead
        wanted = range(index, stop if self._end is None else min(stop, self._end))
        self._begun = {number: begun for number, begun in self._begun.items() if number in wanted}
        for number in wanted:
            is_new = number not in self._begun
            if is_new:
                self._begun[number] = begin(number)
            decoding, _ = self._begun[number]
            if is_new or (number == index and not decoding.is_decoded):
                self._decoders.start(decoding, first=number == index)
        decoding, rest = self._begun[index]
        return self._decoders.result(decoding), rest
