"""The rankers: measures of a channel's importance, one small record each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from aca_ray.channels.accumulators import (
    EdgeBatch,
    Estimate,
    FixedScores,
    MeanOverImages,
    ScoreAccumulator,
)
from aca_ray.channels.counts import participation
from aca_ray.nn.operations import last_full_convolution
from aca_ray.nn.trace_ratio import ClassStatistics, trace_ratio_scores

# No pair of ranker and rule is better than drawn channels by what was measured (experiments/RESULTS.md, pairs).
DEFAULT_RANKING = "taylor_identity"


@dataclass(frozen=True)
class RankedEdge:
    """One kept edge of one cell, before any image is read.

    Attributes:
        operation: the kept operation's module.
        channels: number of channels C that pass through it.
        num_classes: number of classes K.
        generator: random numbers on the CPU, shared by all edges in their order.
    """

    operation: nn.Module
    channels: int
    num_classes: int
    generator: torch.Generator


@dataclass(frozen=True)
class Ranker:
    """A ranker, which scores channels.

    Attributes:
        name: registry name.
        summary: the score of a channel, one phrase.
        source: origin of the score.
        needs_data: whether the scores come from images; `l1` reads images only on edges without filters, and is False.
        needs_gradient: whether a backward pass is needed too.
        start: returns the accumulator of one edge.
    """

    name: str
    summary: str
    source: str
    needs_data: bool
    needs_gradient: bool
    start: Callable[[RankedEdge], ScoreAccumulator]


def replacement_loss(batch: EdgeBatch) -> Tensor:
    """Return the (B, C) first-order change of each image's loss if a skip connection replaced a channel.

    Equals, channel by channel, the gradient that an architecture weight of the removed skip connection would have had.
    Positive: replacing raises the loss.

    Source: ours.
    """
    return batch.loss_change(batch.weight * (batch.skip - batch.output))


def removal_loss(batch: EdgeBatch) -> Tensor:
    """Return the (B, C) first-order size of the change of each image's loss if a channel became zero.

    Source: Molchanov et al. 2017, equation 8, and 2019.
    """
    return batch.loss_change(batch.weight * batch.output).abs()


def fisher_information(batch: EdgeBatch) -> Tensor:
    """Return the (B, C) halved squares of the first-order change of each image's loss if a channel became zero.

    Source: Theis et al. 2018, equation 7 (per channel).
    """
    return batch.loss_change(batch.weight * batch.output).square() / 2


def mean_activation(batch: EdgeBatch) -> Tensor:
    """Return the (B, C) mean absolute value of every channel of the operation's output.

    Source: ours.
    """
    return batch.output.abs().mean(dim=(2, 3))


def _filter_norms(edge: RankedEdge) -> ScoreAccumulator:
    convolution = last_full_convolution(edge.operation)
    # A factorized reduction splits its output between two convolutions; neither has a filter for every channel.
    if convolution is None or convolution.out_channels != edge.channels:
        return MeanOverImages(mean_activation)
    return FixedScores(convolution.weight.detach().abs().double().sum(dim=(1, 2, 3)))


class ClassSeparation:
    """Scores b - rho * w of the trace-ratio iteration on features pooled over the image.

    The set whose ratio determines rho has d = max(1, participation(b)) channels, the effective number of channels that
    separate classes, so d is not a setting.

    Source: arXiv 2110.10921 in our reading; the size d is ours.
    """

    needs_data = True

    def __init__(self, num_classes: int) -> None:
        self._statistics = ClassStatistics(num_classes)

    def add(self, batch: EdgeBatch) -> None:
        self._statistics.add(batch.output.double().mean(dim=(2, 3)), batch.labels)

    def estimate(self) -> Estimate:
        between, within = self._statistics.scatter()
        num_kept = max(1, participation(between.tolist()))
        return Estimate(trace_ratio_scores(between, within, num_kept), None)


def _random(edge: RankedEdge) -> ScoreAccumulator:
    draws = torch.rand(edge.channels, generator=edge.generator, dtype=torch.float64)
    return FixedScores(2.0 * draws - 1.0)


RANKERS: dict[str, Ranker] = {
    ranker.name: ranker
    for ranker in (
        Ranker(
            "taylor_identity",
            "first-order change of the loss if a skip connection replaced the channel; positive: the loss rises",
            "ours",
            needs_data=True,
            needs_gradient=True,
            start=lambda edge: MeanOverImages(replacement_loss),
        ),
        Ranker(
            "taylor",
            "magnitude of the first-order change of the loss if the channel became zero",
            "Molchanov et al. 2017 and 2019",
            needs_data=True,
            needs_gradient=True,
            start=lambda edge: MeanOverImages(removal_loss),
        ),
        Ranker(
            "fisher",
            "half the square of the first-order change of the loss if the channel became zero",
            "Theis et al. 2018",
            needs_data=True,
            needs_gradient=True,
            start=lambda edge: MeanOverImages(fisher_information),
        ),
        Ranker(
            "l1",
            "L1 norm of the channel's filter in the operation's last convolution",
            "Li et al. 2017; mean absolute activation where an operation has no filter per channel: ours",
            needs_data=False,
            needs_gradient=False,
            start=_filter_norms,
        ),
        Ranker(
            "activation",
            "mean absolute activation",
            "ours",
            needs_data=True,
            needs_gradient=False,
            start=lambda edge: MeanOverImages(mean_activation),
        ),
        Ranker(
            "catro",
            "how well the channel separates the classes (trace ratio)",
            "arXiv 2110.10921 in our reading; the number of channels behind rho is ours",
            needs_data=True,
            needs_gradient=False,
            start=lambda edge: ClassSeparation(edge.num_classes),
        ),
        Ranker(
            "random",
            "uniform in [-1, 1), drawn with the search's seed; a control",
            "ours; both signs, so that every rule has something to decide",
            needs_data=False,
            needs_gradient=False,
            start=_random,
        ),
    )
}
