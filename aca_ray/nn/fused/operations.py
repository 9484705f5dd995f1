"""Operations that can be fused with others of their group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

from torch import Tensor, nn

from aca_ray.nn.fused.maps import as_maps, as_state, is_small


class JointOperation(nn.Module):
    """An operation that can be fused with others of its group; alone, it uses the fused layers on small maps only.

    Attributes:
        is_constant: whether operations of a group differ only in their running statistics.
        reads_positive: whether a ReLU comes first.
    """

    is_constant: ClassVar[bool] = False
    reads_positive: ClassVar[bool] = True

    @property
    def group(self) -> tuple[Any, ...]:
        """A key that is equal for two operations if and only if they can be fused on the same maps."""
        return (type(self),)

    @staticmethod
    def run_together(operations: Sequence[Any], maps: Tensor, scales: Tensor | None = None) -> Tensor:
        """Return the (N, C', H', W', B) outputs of N operations of one group; (1, C', H', W', B) if they must be equal.

        Args:
            operations: operations of one group, all or none in training mode, on large maps on a CPU all of one name;
                their running statistics are updated as if each ran alone.
            maps: (1, C, H, W, B) input of every operation, after its ReLU if one comes first.
            scales: (N,) factors of the outputs of non-affine operations; None for 1.
        """
        raise NotImplementedError

    def run_alone(self, x: Tensor) -> Tensor:
        """Return the (B, C', H', W') output of (B, C, H, W), calling every layer."""
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
    """Outputs of one edge, fused with the other edges that read the same state.

    Attributes:
        names: names of the fused candidates; at least one.
        mixed: (B, C, H', W') sum of their outputs, each times its mixing weight.
        outputs: (B, C, H', W') output of each, by name; empty unless the pass is observed.
    """

    names: frozenset[str]
    mixed: Tensor
    outputs: Mapping[str, Tensor]
