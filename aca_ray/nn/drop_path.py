"""Drop path: whole samples of an output are dropped in training."""

from __future__ import annotations

import torch
from torch import Tensor

from aca_ray.nn.edges.candidates import CandidateSum, Observer, Scheduled
from aca_ray.nn.fused.operations import JointOutputs


def drop_path(x: Tensor, probability: float, training: bool) -> Tensor:
    """Return (B, C, H, W), in training every sample zeroed with the given probability p, or else divided by 1 - p.

    Source: Larsson et al. 2017; DARTS' official code.
    """
    if not training or probability == 0.0:
        return x
    keep = 1.0 - probability
    mask = torch.empty(x.shape[0], 1, 1, 1, device=x.device, dtype=x.dtype).bernoulli_(keep)
    return x * (mask / keep)


class DropPathEdge(Scheduled):
    """A full edge with drop path on the sum of its candidates; the strength is the drop probability.

    Source: Zela et al. 2020 (RobustDARTS), official code.
    """

    joins = True
    groups = 1
    packs = False

    def __init__(self, names: tuple[str, ...], channels: int, stride: int) -> None:
        super().__init__()
        self.candidates = CandidateSum(names, channels, stride)

    def forward(
        self, x: Tensor, weights: Tensor, observe: Observer | None = None, joint: JointOutputs | None = None
    ) -> Tensor:
        return drop_path(self.candidates(x, weights, observe, joint), self.strength, self.training)
