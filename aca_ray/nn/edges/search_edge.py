"""An edge of the supernet: its candidates, and what it computes around them."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from aca_ray.nn.edges.candidates import CandidateSum, Observer

Mix = Callable[[Tensor], Tensor]
EdgeBuilder = Callable[[tuple[str, ...], int, int], "SearchEdge"]


class SearchEdge(nn.Module):
    """An edge; subclasses define `candidates` and, unless all channels pass through them, `around`.

    Attributes:
        candidates: the operations whose channels are ranked.
        groups: number of channel groups in the shuffle that a node applies to the sum of its edges' outputs, which
            equals the sum of the shuffled outputs; 1 for no shuffle.
    """

    candidates: CandidateSum
    groups = 1

    def forward(self, x: Tensor, weights: Tensor, observe: Observer | None = None) -> Tensor:
        """Return the (B, C, H', W') output for (B, C, H, W) and (O,) mixing weights."""
        return self.around(x, lambda passing: self.candidates(passing, weights, observe))

    def around(self, x: Tensor, mix: Mix) -> Tensor:
        """Return the edge's output for (B, C, H, W), given the function from the candidates' input to their sum."""
        return mix(x)


class Scheduled(nn.Module):
    """A module with a strength that the search sets at the start of every epoch; each subclass defines its meaning.

    Attributes:
        strength: value for the current epoch; 0 until it is set.
    """

    def __init__(self) -> None:
        super().__init__()
        self.strength = 0.0
