"""Edges that compute only the drawn candidates."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from aca_ray.nn.edges.candidates import CandidateSum, EdgeObservation, Observer
from aca_ray.nn.edges.search_edge import SearchEdge
from aca_ray.nn.operations import build_plain_candidate


class SampledSum(CandidateSum):
    """The sum of the candidates whose mixing weight is not 0; the others are not computed.

    An observed pass computes all of them. If none is computed, the output is zeros. No batch norm follows a pooling.
    """

    def __init__(self, names: tuple[str, ...], channels: int, stride: int) -> None:
        super().__init__(names, channels, stride, build_plain_candidate)

    def forward(self, x: Tensor, weights: Tensor, observe: Observer | None = None) -> Tensor:
        return self.drawn(x, weights, weights.tolist(), observe)

    def drawn(self, x: Tensor, weights: Tensor, values: Sequence[float], observe: Observer | None) -> Tensor:
        """Return what `forward` returns, given the mixing weights also as numbers."""
        outputs = {
            name: operation(x)
            for name, operation in self.operations.items()
            if observe is not None or values[self.columns[name]] != 0.0
        }
        mixed = self.mix(x, outputs, weights)
        if observe is not None:
            observe(EdgeObservation(x, outputs, mixed))
        return mixed


class SampledSumWithScalars(SampledSum):
    """A sampled sum that adds the mixing weights that are 0 as scalars."""

    def drawn(self, x: Tensor, weights: Tensor, values: Sequence[float], observe: Observer | None) -> Tensor:
        return super().drawn(x, weights, values, observe) + weights.where(weights == 0.0, 0.0).sum()


class SampledEdge(SearchEdge):
    """All channels pass through the candidates that are drawn.

    Source: Dong & Yang 2019 (GDAS) and Zhou et al. 2020 (PR-DARTS), official codes.
    """

    def __init__(
        self, names: tuple[str, ...], channels: int, stride: int, build_sum: type[SampledSum] = SampledSum
    ) -> None:
        super().__init__()
        self.candidates = build_sum(names, channels, stride)


class SampledEdgeWithScalars(SearchEdge):
    """A sampled edge that adds the mixing weights that are 0 as scalars.

    The scalars do not change the output, but give the candidates that were not drawn a gradient, as if their outputs
    were all ones.

    Source: Dong & Yang 2020 (NAS-Bench-201), official code of GDAS there.
    """

    def __init__(self, names: tuple[str, ...], channels: int, stride: int) -> None:
        super().__init__()
        self.sampled = SampledEdge(names, channels, stride, SampledSumWithScalars)  # its name is in checkpoints

    @property
    def candidates(self) -> CandidateSum:  # type: ignore[override]
        """The operations whose channels are ranked."""
        return self.sampled.candidates
