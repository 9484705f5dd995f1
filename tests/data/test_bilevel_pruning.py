"""Which images a search loses, and when."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from aca_ray.data import DataInfo, ImageSet, SearchData
from aca_ray.data.bilevel_pruning import BilevelPruning, best_balanced, prediction_scores

NUM_CLASSES = 4


@pytest.fixture
def data() -> SearchData:
    info = DataInfo(
        name="made",
        num_classes=NUM_CLASSES,
        class_names=tuple("abcd"),
        channels=1,
        height=4,
        width=4,
        mean=(0.0,),
        std=(1.0,),
        flip=False,
        digest="0" * 64,
        source="made",
    )

    def images(count: int) -> ImageSet:
        return ImageSet(torch.zeros(count, 1, 4, 4, dtype=torch.uint8), torch.arange(count) % NUM_CLASSES)

    return SearchData(info, images(400), images(404))


def logits_of(probabilities: Tensor, labels: Tensor) -> Tensor:
    """Return logits whose softmax gives the true class these probabilities and shares the rest out evenly."""
    rest = ((1 - probabilities) / (NUM_CLASSES - 1)).log()[:, None].expand(-1, NUM_CLASSES).clone()
    return rest.scatter(1, labels[:, None], probabilities.log()[:, None])


def test_scores_by_hand() -> None:
    # Learned and steady, learned late, never learned.
    history = torch.tensor([[0.9, 0.2, 0.05], [0.9, 0.6, 0.05]])
    deviation = torch.tensor([0.0, 0.2, 0.0])
    mean = torch.tensor([0.9, 0.4, 0.05])
    assert torch.allclose(prediction_scores(history, "search_train"), deviation + 0.01 * (1 - mean))
    assert torch.allclose(prediction_scores(history, "search_valid"), deviation - torch.tensor([0.0, 0.0, 1.0]))
    missing = torch.tensor([[torch.nan, 0.2], [torch.nan, torch.nan]])  # no prediction, and one alone
    assert prediction_scores(missing, "search_train").tolist() == [torch.inf, pytest.approx(0.01 * 0.8)]


def test_balance_is_the_best_choice_within_the_quotas() -> None:
    """Within the quotas, no pruned image scores above a kept image that it could replace."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(3, (90,), generator=generator)
    scores = torch.rand(90, generator=generator) + labels  # the last class is by far the best
    kept = best_balanced(scores, labels, 30, 3)
    assert kept.tolist() == sorted(set(kept.tolist()))
    assert len(kept) == 30
    counts = labels[kept].bincount(minlength=3)
    assert counts.tolist() == [8, 10, 12]  # 0.8 and 1.2 of 10, and the rest
    for label in range(3):
        own = scores[labels == label]
        assert set(scores[kept][labels[kept] == label].tolist()) == set(own.topk(int(counts[label])).values.tolist())


def test_a_small_class_is_kept_whole() -> None:
    labels = torch.tensor([0] * 20 + [1] * 2)
    kept = best_balanced(torch.arange(22.0).flip(0), labels, 10, 2)
    assert {20, 21} <= set(kept.tolist())


def test_the_schedule_at_the_paper_s_budget(data: SearchData) -> None:
    pruner = BilevelPruning(data)
    left, pruned_at = [], []
    for epoch in range(50):
        if pruner.prune(epoch, 50):
            pruned_at.append(epoch)
            assert pruner.since == epoch
        for split, images in (("search_train", data.train), ("search_valid", data.valid)):
            rows = torch.arange(len(pruner.kept(split)))
            labels = images.labels[pruner.kept(split)]
            pruner.record(split, rows, logits_of(torch.rand(len(rows)).clamp(0.01, 0.99), labels), labels)
        left.append(len(pruner.kept("search_train")))
    assert pruned_at == list(range(5, 50, 5))
    expected = [round(400 * 0.15 ** (j / 9)) for j in range(10) for _ in range(5)]
    assert left == expected
    assert sum(left) / (50 * 400) == pytest.approx(0.46, abs=0.005)  # 54 % fewer steps


def test_the_lowest_scores_are_pruned(data: SearchData) -> None:
    pruner = BilevelPruning(data)
    labels = data.train.labels
    wild = torch.arange(400) // NUM_CLASSES % 2 == 0  # every second image of every class swings
    for epoch in range(5):
        assert not pruner.prune(epoch, 50)
        swing = 0.5 + 0.4 * (-1) ** epoch
        probabilities = torch.where(wild, torch.tensor(swing), torch.tensor(0.9))
        order = torch.randperm(400)
        for rows in order.split(64):
            pruner.record("search_train", rows, logits_of(probabilities[rows], labels[rows]), labels[rows])
    assert pruner.prune(5, 50)
    kept = pruner.kept("search_train")
    assert len(kept) == round(400 * 0.15 ** (1 / 9))
    assert set(wild.nonzero()[:, 0].tolist()) <= set(kept.tolist())  # the steady, learned ones are pruned
    # The other split has no predictions, so it is not pruned.
    assert len(pruner.kept("search_valid")) == 404


def test_images_without_predictions_are_kept(data: SearchData) -> None:
    """Passes need not divide an epoch evenly, and an image without a prediction is not one that is never learned."""
    labels, seen = data.valid.labels, torch.arange(404) % 3 > 0
    pruner = BilevelPruning(data)
    for epoch in range(5):
        assert not pruner.prune(epoch, 50)
        rows = seen.nonzero()[:, 0]
        probabilities = torch.full((len(rows),), 0.5 if epoch else 0.05)
        pruner.record("search_valid", rows, logits_of(probabilities, labels[rows]), labels[rows])
    assert pruner.prune(5, 50)
    kept = pruner.kept("search_valid")
    assert set((~seen).nonzero()[:, 0].tolist()) < set(kept.tolist())


def test_a_split_without_predictions_in_the_last_epoch_is_not_pruned(data: SearchData) -> None:
    pruner = BilevelPruning(data)
    rows, labels = torch.arange(400), data.train.labels
    pruner.record("search_train", rows, logits_of(torch.linspace(0.1, 0.9, 400), labels), labels)
    for epoch in range(1, 5):
        pruner.prune(epoch, 50)
    assert not pruner.prune(5, 50)
    assert len(pruner.kept("search_train")) == 400


def test_rows_are_those_of_the_images_in_use(data: SearchData) -> None:
    pruner = BilevelPruning(data)
    labels = data.train.labels
    for epoch in range(11):
        pruner.prune(epoch, 50)
        kept = pruner.kept("search_train")
        # The higher a row, the more it swings: the upper end stays.
        probabilities = 0.5 + 0.4 * (-1) ** epoch * kept / 400
        pruner.record("search_train", torch.arange(len(kept)), logits_of(probabilities, labels[kept]), labels[kept])
    assert len(kept) == round(400 * 0.15 ** (2 / 9))
    assert kept.tolist() == list(range(400 - len(kept), 400))


@pytest.mark.parametrize("num_epochs", [1, 2, 3, 7])
def test_short_searches_end_with_the_share_of_their_last_tenth(data: SearchData, num_epochs: int) -> None:
    pruner = BilevelPruning(data)
    for epoch in range(num_epochs):
        pruner.prune(epoch, num_epochs)
        kept = pruner.kept("search_train")
        labels = data.train.labels[kept]
        pruner.record("search_train", torch.arange(len(kept)), logits_of(torch.full((len(kept),), 0.5), labels), labels)
    tenth = math.floor((num_epochs - 1) * 10 / num_epochs)
    assert len(kept) == round(400 * 0.15 ** (tenth / 9))


def test_state_round_trip(data: SearchData) -> None:
    one, other = BilevelPruning(data), BilevelPruning(data)

    def run(pruner: BilevelPruning, epochs: range) -> None:
        for epoch in epochs:
            pruner.prune(epoch, 50)
            kept = pruner.kept("search_train")
            labels = data.train.labels[kept]
            probabilities = 0.1 + 0.8 * torch.rand(len(kept), generator=torch.Generator().manual_seed(epoch))
            pruner.record("search_train", torch.arange(len(kept)), logits_of(probabilities, labels), labels)

    run(one, range(8))
    state = one.state_dict()
    run(one, range(8, 20))
    other.load_state_dict(state)
    run(other, range(8, 20))
    assert other.since == one.since == 15
    assert torch.equal(one.kept("search_train"), other.kept("search_train"))
