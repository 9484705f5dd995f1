"""Edges whose channels all pass through the candidates."""

from __future__ import annotations

from aca_ray.nn.edges.candidates import CandidateSum
from aca_ray.nn.edges.search_edge import SearchEdge


class FullEdge(SearchEdge):
    """All channels pass through all candidates. Source: Liu et al. 2019 (DARTS), equation 2."""

    def __init__(self, names: tuple[str, ...], channels: int, stride: int) -> None:
        super().__init__()
        self.candidates = CandidateSum(names, channels, stride)
