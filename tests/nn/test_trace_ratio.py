"""The trace-ratio iteration against all subsets, and its statistics against their definition."""

from __future__ import annotations

import itertools

import pytest
import torch

from aca_ray.nn.trace_ratio import ClassStatistics, trace_ratio_scores


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("channels", [1, 2, 5, 8])
def test_finds_the_best_of_all_subsets(seed: int, channels: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    b = torch.rand(channels, generator=generator, dtype=torch.float64) ** 3
    w = torch.rand(channels, generator=generator, dtype=torch.float64) + 1e-3
    for num_kept in range(1, channels + 1):
        best = max(
            (b[list(subset)].sum() / w[list(subset)].sum()).item()
            for subset in itertools.combinations(range(channels), num_kept)
        )
        scores = trace_ratio_scores(b, w, num_kept)
        found = scores.argsort(descending=True)[:num_kept]
        assert (b[found].sum() / w[found].sum()).item() == pytest.approx(best, rel=1e-12)
        assert scores.tolist() == pytest.approx((b - best * w).tolist(), abs=1e-10)
        assert scores[found].sum().item() == pytest.approx(0.0, abs=1e-10)


def test_terminates_when_all_channels_are_equal() -> None:
    assert trace_ratio_scores(torch.ones(4), torch.ones(4), 2).tolist() == [0.0] * 4


def test_statistics_do_not_depend_on_batches_and_follow_their_definition() -> None:
    generator = torch.Generator().manual_seed(0)
    # Far from zero, where sums of squares would cancel; class 3 has no images.
    features = torch.randn(40, 5, generator=generator, dtype=torch.float64) + 1e6
    labels = torch.randint(0, 3, (40,), generator=generator)
    statistics = ClassStatistics(num_classes=4)
    for rows in torch.arange(40).split([1, 2, 17, 20]):
        statistics.add(features[rows], labels[rows])
    between, within = statistics.scatter()
    classes = [features[labels == label] for label in range(3)]
    expected_between = sum(len(rows) * (rows.mean(dim=0) - features.mean(dim=0)) ** 2 for rows in classes)
    expected_within = sum(((rows - rows.mean(dim=0)) ** 2).sum(dim=0) for rows in classes)
    torch.testing.assert_close(between, expected_between, rtol=1e-6, atol=0)
    torch.testing.assert_close(within, expected_within, rtol=1e-6, atol=0)
