"""Edges with drop path on the sum of their candidates."""

from __future__ import annotations

from torch import Tensor

from aca_ray.nn.drop_path import drop_path
from aca_ray.nn.edges.candidates import CandidateSum
from aca_ray.nn.edges.search_edge import Mix, Scheduled, SearchEdge


class DropPathEdge(Scheduled, SearchEdge):
    """A full edge with drop path on the sum of its candidates; the strength is the drop probability.

    Source: Zela et al. 2020 (RobustDARTS), official code.
    """

    def __init__(self, names: tuple[str, ...], channels: int, stride: int) -> None:
        super().__init__()
        self.candidates = CandidateSum(names, channels, stride)

    def around(self, x: Tensor, mix: Mix) -> Tensor:
        return drop_path(mix(x), self.strength, self.training)
