"""Edges that compute only the drawn candidates."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from aca_ray.nn.edges.candidates import CandidateSum, EdgeObservation, Observer
from aca_ray.nn.operations import build_plain_candidate


class SampledEdge(nn.Module):
    """All channels pass through the candidates whose mixing weight is not 0; the others are not computed.

    An observed pass computes all of them. If none is computed, the output is zeros. No batch norm follows a pooling.

    Source: Dong & Yang 2019 (GDAS) and Zhou et al. 2020 (PR-DARTS), official codes.
    """

    joins = packs = False
    reads_values = True
    groups = 1

    def __init__(self, names: tuple[str, ...], channels: int, stride: int) -> None:
        super().__init__()
        self.candidates = CandidateSum(names, channels, stride, build_plain_candidate)

    def forward(
        self, x: Tensor, weights: Tensor, observe: Observer | None = None, *, values: Sequence[float] | None = None
    ) -> Tensor:
        values, columns = weights.tolist() if values is None else values, self.candidates.columns
        outputs = {
            name: operation(x)
            for name, operation in self.candidates.operations.items()
            if observe is not None or values[columns[name]] != 0.0
        }
        mixed = self.candidates.mix(x, outputs, weights)
        if observe is not None:
            observe(EdgeObservation(x, outputs, mixed))
        return mixed


class SampledEdgeWithScalars(nn.Module):
    """A sampled edge that adds the mixing weights that are 0 as scalars.

    The scalars do not change the output, but give the candidates that were not drawn a gradient, as if their outputs
    were all ones.

    Source: Dong & Yang 2020 (NAS-Bench-201), official code of GDAS there.
    """

    joins = packs = False
    reads_values = True
    groups = 1

    def __init__(self, names: tuple[str, ...], channels: int, stride: int) -> None:
        super().__init__()
        self.sampled = SampledEdge(names, channels, stride)

    @property
    def candidates(self) -> CandidateSum:
        """The operations whose channels are ranked."""
        return self.sampled.candidates

    def forward(
        self, x: Tensor, weights: Tensor, observe: Observer | None = None, *, values: Sequence[float] | None = None
    ) -> Tensor:
        return self.sampled(x, weights, observe, values=values) + weights.where(weights == 0.0, 0.0).sum()
