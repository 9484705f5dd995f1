"""The kinds of edges of a supernet: what an edge computes from its candidates."""

from aca_ray.nn.edges.attention import AttentionEdge, attended_channels
from aca_ray.nn.edges.auxiliary_skip import AuxiliarySkipEdge
from aca_ray.nn.edges.candidates import CandidateSum, EdgeObservation, Observer, plus
from aca_ray.nn.edges.drop_path import DropPathEdge
from aca_ray.nn.edges.full import FullEdge
from aca_ray.nn.edges.partial import PartialChannelEdge, partial_channels
from aca_ray.nn.edges.ranked_partial import RankedPartialEdge, ranked_partial_channels
from aca_ray.nn.edges.sampled import SampledEdge, SampledEdgeWithScalars, SampledSum
from aca_ray.nn.edges.search_edge import EdgeBuilder, Mix, Scheduled, SearchEdge
from aca_ray.nn.edges.skip_dropout import IdentityDropout, skip_dropout

__all__ = [
    "AttentionEdge",
    "AuxiliarySkipEdge",
    "CandidateSum",
    "DropPathEdge",
    "EdgeBuilder",
    "EdgeObservation",
    "FullEdge",
    "IdentityDropout",
    "Mix",
    "Observer",
    "PartialChannelEdge",
    "RankedPartialEdge",
    "SampledEdge",
    "SampledEdgeWithScalars",
    "SampledSum",
    "Scheduled",
    "SearchEdge",
    "attended_channels",
    "partial_channels",
    "plus",
    "ranked_partial_channels",
    "skip_dropout",
]
