"""An edge with a second skip beside its candidates."""

from __future__ import annotations

from torch import Tensor

from aca_ray.nn.edges.candidates import CandidateSum
from aca_ray.nn.edges.search_edge import Mix, Scheduled, SearchEdge
from aca_ray.nn.operations import build_candidate
from aca_ray.space.candidates import SKIP


class AuxiliarySkipEdge(Scheduled, SearchEdge):
    """The candidates' sum plus `strength` times an auxiliary skip, which has no architecture parameter.

    The skip is the identity at stride 1 and a separate FactorizedReduce at stride 2. Observers see only the candidates.

    Source: Chu et al. 2021 (DARTS-), and its official code.
    """

    def __init__(self, names: tuple[str, ...], channels: int, stride: int) -> None:
        super().__init__()
        self.candidates = CandidateSum(names, channels, stride)
        self.auxiliary = build_candidate(SKIP, channels, stride)

    def around(self, x: Tensor, mix: Mix) -> Tensor:
        return mix(x) + self.strength * self.auxiliary(x)
