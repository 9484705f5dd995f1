"""The kinds of edges of a supernet."""

from aca_ray.nn.edges.candidates import (
    CandidateSum,
    EdgeBuilder,
    EdgeObservation,
    FullEdge,
    Observer,
    PartialChannelEdge,
    Scheduled,
    SearchEdge,
    candidates_and_bypass,
    partial_channels,
    plus,
)

__all__ = [
    "CandidateSum",
    "EdgeBuilder",
    "EdgeObservation",
    "FullEdge",
    "Observer",
    "PartialChannelEdge",
    "Scheduled",
    "SearchEdge",
    "candidates_and_bypass",
    "partial_channels",
    "plus",
]
