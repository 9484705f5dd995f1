"""Operations that run together with their like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

from torch import Tensor, nn

from aca_ray.nn.maps import as_maps, as_state, is_small


class JointOperation(nn.Module):
    """An operation that computes maps together with others of its group, and alone just small ones at once.

    Attributes:
        is_constant: whether operations of a group are equal but for their running statistics.
        reads_positive: whether a ReLU comes first.

    Source: ours.
    """

    is_constant: ClassVar[bool] = False
    reads_positive: ClassVar[bool] = True

    @property
    def group(self) -> tuple[Any, ...]:
        """What is equal for two operations if and only if they can run together on the same maps."""
        return (type(self),)

    @staticmethod
    def run_together(operations: Sequence[Any], maps: Tensor, scales: Tensor | None = None) -> Tensor:
        """Return the outputs (N, C', H', W', B) of N operations of one group; (1, C', H', W', B) if they must be equal.

        Args:
            operations: in training mode all or none; their running statistics are updated as by running alone; on large
                maps on a CPU all of one name.
            maps: (1, C, H, W, B) what every operation reads, behind its ReLU if one comes first.
            scales: (N,) factors of the outputs of operations without affine part; None for 1.
        """
        raise NotImplementedError

    def run_alone(self, x: Tensor) -> Tensor:
        """Return the output (B, C', H', W') of (B, C, H, W), every layer called."""
        raise NotImplementedError

    def is_watched(self) -> bool:
        """Return whether a layer has a forward hook and so must be called."""
        return any(layer._forward_hooks for layer in self.children())

    def forward(self, x: Tensor) -> Tensor:
        if is_small(x) and not self.is_watched():
            return as_state(self.run_together([self], as_maps(x.relu() if self.reads_positive else x))[0])
        return self.run_alone(x)


class JointSequence(JointOperation, nn.Sequential):
    """A sequence of layers that is a joint operation."""

    def run_alone(self, x: Tensor) -> Tensor:
        return nn.Sequential.forward(self, x)


class JointOutputs(NamedTuple):
    """What was computed of one edge together with the other edges that read the same state.

    Attributes:
        names: the candidates that were computed; at least one.
        mixed: (B, C, H', W') their sum, each times its mixing weight.
        outputs: (B, C, H', W') their outputs, if the pass is observed.
    """

    names: frozenset[str]
    mixed: Tensor
    outputs: Mapping[str, Tensor]
