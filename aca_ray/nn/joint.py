"""Operations that run together with their like where maps are small."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from aca_ray.nn.small_maps import as_maps, as_state, is_small


class JointOperation(nn.Module):
    """An operation that computes small maps together with others of its group, all other maps layer by layer.

    Source: ours.
    """

    @property
    def group(self) -> tuple[Any, ...]:
        """What is equal for two operations if and only if they can run together on the same maps."""
        return (type(self),)

    @staticmethod
    def run_together(operations: Sequence[Any], maps: Tensor) -> Tensor:
        """Return the outputs (N, C', H', W', B) of N operations of one group; (1, C', H', W', B) if they must be equal.

        Args:
            operations: in training mode all or none; their running statistics are updated as by running alone.
            maps: (1, C, H, W, B) what every operation reads.
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
            return as_state(self.run_together([self], as_maps(x))[0])
        return self.run_alone(x)


class JointSequence(JointOperation, nn.Sequential):
    """A sequence of layers that is a joint operation."""

    def run_alone(self, x: Tensor) -> Tensor:
        return nn.Sequential.forward(self, x)
