"""Bi-level data pruning: during a search, both splits lose the images with the least informative predictions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from aca_ray.data.datasets import SearchData
from aca_ray.data.pruning import Split

WINDOW = 5  # epochs in mean and deviation
NUM_PRUNINGS = 9  # after every tenth of the search
KEPT_AT_LAST = 0.15
CLASS_SLACK = 0.2
TIE_BREAKER = 1e-2
NEVER_LEARNT = 0.1


def prediction_scores(history: Tensor, split: Split) -> Tensor:
    """Return (N,) scores, larger = keep longer, of the (T, N) probabilities of the true classes in T epochs.

    With m the mean and v the deviation over epochs: v + 0.01 (1 - m) for search_train, so that learned images go first;
    v - [m < 0.1] for search_valid, so that images that are never learned go first, then those with steady predictions.
    NaN is an epoch without a prediction, and left out; the score of an image without any prediction is infinite.

    Source: arXiv 2312.14200, abstract (prediction dynamics); the formulas are our reading.
    """
    mean = history.nanmean(dim=0)
    deviation = (history - mean).square().nanmean(dim=0).sqrt()
    informative = TIE_BREAKER * (1.0 - mean) if split == "search_train" else -(mean < NEVER_LEARNT).to(mean)
    return (deviation + informative).nan_to_num(torch.inf)


def best_balanced(scores: Tensor, labels: Tensor, num_kept: int, num_classes: int) -> Tensor:
    """Return the rows, ascending, of the `num_kept` best scores such that every class keeps about its share.

    A class keeps from 0.8 to 1.2 of `num_kept / num_classes`, or all its images if it has fewer; ties go to the
    first row.

    Source: arXiv 2312.14200, abstract (class balance constraint); the quota is our reading.
    """
    share = num_kept / num_classes
    fewest, most = int((1 - CLASS_SLACK) * share), max(1, int((1 + CLASS_SLACK) * share))
    order = scores.argsort(descending=True, stable=True).tolist()
    classes = labels.tolist()
    counts = [0] * num_classes
    kept: list[int] = []

    def fill(limit: int) -> None:
        taken = set(kept)
        for row in order:
            if len(kept) == num_kept:
                return
            if row not in taken and counts[classes[row]] < limit:
                counts[classes[row]] += 1
                kept.append(row)

    fill(fewest)
    fill(most)
    return torch.tensor(sorted(kept), dtype=torch.int64)


class BilevelPruning:
    """Prunes both splits after every tenth of a search, down to 0.15 of their images; pruned images never return.

    The kept share after the j-th of 9 prunings is 0.15^(j/9). A split without predictions in the last epoch, as while
    the architecture is frozen, is not pruned.

    Args:
        data: data of the search.

    Source: arXiv 2312.14200, abstract (progressive pruning of both splits during the search); metric, schedule and
    ratios are our reading.
    """

    def __init__(self, data: SearchData) -> None:
        self.since = 0
        self._num_classes = data.info.num_classes
        self._labels: dict[Split, Tensor] = {"search_train": data.train.labels, "search_valid": data.valid.labels}
        self._kept = {split: torch.arange(len(labels)) for split, labels in self._labels.items()}
        # Probabilities of the true class: in the current epoch so far, and in earlier epochs.
        self._latest = {split: torch.full((len(labels),), torch.nan) for split, labels in self._labels.items()}
        self._history = {split: torch.empty(0, len(labels)) for split, labels in self._labels.items()}

    def kept(self, split: Split) -> Tensor:
        """Return the rows, (N,) int64 and ascending, of a split's images that are in use."""
        return self._kept[split]

    def record(self, split: Split, rows: Tensor, logits: Tensor, labels: Tensor) -> None:
        """Record the probability of the true class for every image in a batch; see `DataPruner.record`."""
        probabilities = logits.softmax(dim=1).gather(1, labels[:, None])[:, 0]
        self._latest[split][self._kept[split][rows.cpu()]] = probabilities.float().cpu()

    def prune(self, epoch: int, num_epochs: int) -> bool:
        """Prune images at the start of an epoch that begins another tenth of the search; return whether any were."""
        predicted = [split for split, latest in self._latest.items() if not bool(latest.isnan().all())]
        for split in predicted:
            self._history[split] = torch.cat((self._history[split], self._latest[split][None]))[-WINDOW:]
            self._latest[split] = torch.full_like(self._latest[split], torch.nan)
        tenth = _tenth(epoch, num_epochs)
        if tenth == 0 or tenth == _tenth(epoch - 1, num_epochs):
            return False
        share = KEPT_AT_LAST ** (tenth / NUM_PRUNINGS)
        before = {split: len(rows) for split, rows in self._kept.items()}
        for split in predicted:
            rows, labels = self._kept[split], self._labels[split]
            scores = prediction_scores(self._history[split][:, rows], split)
            num_kept = min(max(2, round(share * len(labels))), len(rows))
            self._kept[split] = rows[best_balanced(scores, labels[rows], num_kept, self._num_classes)]
        if before == {split: len(rows) for split, rows in self._kept.items()}:
            return False
        self.since = epoch
        return True

    def state_dict(self) -> dict[str, Any]:
        """Return the state as nested dicts of tensors and plain values."""
        tables = {"kept": self._kept, "latest": self._latest, "history": self._history}
        # Copies, since predictions are recorded in place.
        copies = {name: {split: table.clone() for split, table in tensors.items()} for name, tensors in tables.items()}
        return {"since": self.since, **copies}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a state that `state_dict` returned."""
        self.since = state["since"]
        tables = {"kept": self._kept, "latest": self._latest, "history": self._history}
        for name, tensors in tables.items():
            tensors.update({split: table.clone() for split, table in state[name].items()})


def _tenth(epoch: int, num_epochs: int) -> int:
    """Return the tenth of the search, counted from 0, in which an epoch begins."""
    return epoch * (NUM_PRUNINGS + 1) // num_epochs if epoch >= 0 else 0
