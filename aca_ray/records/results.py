"""The results of finished trials."""

from __future__ import annotations

from dataclasses import dataclass

from aca_ray.records.checking import Count, Positive, Share


@dataclass(frozen=True)
class SearchResult:
    """The result of a search.

    Attributes:
        num_skips: kept edges, over both cells, that are skip connections.
        num_parametric: kept edges, over both cells, whose operation has weights.
    """

    num_skips: Count
    num_parametric: Count


@dataclass(frozen=True)
class RetrainingResult:
    """The result of a retraining.

    Attributes:
        test_accuracy: accuracy at the final epoch.
        best_test_accuracy: accuracy at the best epoch; chosen on the test set, hence optimistic.
        parameters: number of weights, without the auxiliary tower.
        macs: multiply-accumulate operations for one image.
        num_skips: kept edges, over both cells, that are skip connections.
        num_parametric: kept edges, over both cells, whose operation has weights.
        refilled_share: share of the channels that a skip connection refills.
    """

    test_accuracy: Share
    best_test_accuracy: Share
    parameters: Count
    macs: Count
    num_skips: Count
    num_parametric: Count
    refilled_share: Share


@dataclass(frozen=True)
class TableFacts:
    """A benchmark's table: its size, its best accuracy, and the accuracy of the cell of skips only, if it has that."""

    architectures: Positive
    best: Share
    all_skips: Share | None


@dataclass(frozen=True)
class LookUpResult(RetrainingResult):
    """The result of a look-up.

    Attributes:
        regret: accuracy of the best architecture of the table minus test_accuracy.
        rank: 1 + the number of architectures of the table with a higher accuracy.
        table: the table.
    """

    regret: Share
    rank: Positive
    table: TableFacts
