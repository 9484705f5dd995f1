"""Bi-level data pruning: both splits lose images while the search runs, those that the supernet's predictions say
least about.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from aca_ray.data.datasets import SearchData
from aca_ray.data.pruning import Split

WINDOW = 5  # epochs that mean and deviation are taken over
NUM_PRUNINGS = 9  # after every tenth of the search
KEPT_AT_LAST = 0.15
CLASS_SLACK = 0.2
TIE_BREAKER = 1e-2
NEVER_LEARNT = 0.1


def prediction_scores(history: Tensor, split: Split) -> Tensor:
    """Return (N,) scores, larger = keep longer, of the probabilities (T, N) given to the true classes in T epochs.

    With m the mean and v the deviation over epochs: v + 0.01 (1 - m) for search_train, so that learnt images go first;
    v - [m < 0.1] for search_valid, so that images that are never learnt go first, then those that nothing changes.

    Source: arXiv 2312.14200, abstract (prediction dynamics); the formulas are our reading.
    """
    mean, deviation = history.mean(dim=0), history.std(dim=0, correction=0)
    if split == "search_train":
        return deviation + TIE_BREAKER * (1.0 - mean)
    return deviation - (mean < NEVER_LEARNT).to(deviation)


def best_balanced(scores: Tensor, labels: Tensor, num_kept: int, num_classes: int) -> Tensor:
    """Return the rows, ascending, of the `num_kept` best scores such that every class keeps about its share.

    A class keeps from 0.8 to 1.2 of `num_kept / num_classes`, or all it has where that is less; of equal scores the
    first row is kept.

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
    """Leaves images out of both splits after every tenth of a search, down to 0.15 of them; what is out stays out.

    The kept share after the j-th of 9 prunings is 0.15^(j/9). A split without a prediction so far, as while the
    architecture is frozen, is left alone.

    Args:
        data: what is searched on.

    Source: arXiv 2312.14200, abstract (progressive pruning of both splits during the search); metric, schedule and
    ratios are our reading.
    """

    def __init__(self, data: SearchData) -> None:
        self.since = 0
        self._num_classes = data.info.num_classes
        self._labels: dict[Split, Tensor] = {"search_train": data.train.labels, "search_valid": data.valid.labels}
        self._kept = {split: torch.arange(len(labels)) for split, labels in self._labels.items()}
        # Probability of the true class: what the epoch under way has shown so far, and the epochs before it.
        self._latest = {split: torch.full((len(labels),), torch.nan) for split, labels in self._labels.items()}
        self._history = {split: torch.empty(0, len(labels)) for split, labels in self._labels.items()}

    def kept(self, split: Split) -> Tensor:
        """Return the rows, (N,) int64 and ascending, of a split's images that are in use."""
        return self._kept[split]

    def record(self, split: Split, rows: Tensor, logits: Tensor, labels: Tensor) -> None:
        """Note the probability of the true class of every image of a batch; see `DataPruner.record`."""
        probabilities = logits.softmax(dim=1).gather(1, labels[:, None])[:, 0]
        self._latest[split][self._kept[split][rows.cpu()]] = probabilities.float().cpu()

    def prune(self, epoch: int, num_epochs: int) -> bool:
        """Leave out images at the start of an epoch that begins another tenth of the search."""
        for split, latest in self._latest.items():
            if not bool(latest.isnan().all()):
                self._history[split] = torch.cat((self._history[split], latest[None]))[-WINDOW:]
        tenth = _tenth(epoch, num_epochs)
        if tenth == 0 or tenth == _tenth(epoch - 1, num_epochs):
            return False
        share = KEPT_AT_LAST ** (tenth / NUM_PRUNINGS)
        before = {split: len(rows) for split, rows in self._kept.items()}
        for split, rows in self._kept.items():
            history = self._history[split][:, rows]
            if len(history):
                scores = prediction_scores(history.nan_to_num(0.0), split)
                num_kept = max(2, round(share * len(self._labels[split])))
                labels = self._labels[split][rows]
                self._kept[split] = rows[best_balanced(scores, labels, min(num_kept, len(rows)), self._num_classes)]
        if before == {split: len(rows) for split, rows in self._kept.items()}:
            return False
        self.since = epoch
        return True

    def state_dict(self) -> dict[str, Any]:
        """Return the state as nested dicts of tensors and plain values."""
        tables = {"kept": self._kept, "latest": self._latest, "history": self._history}
        # Copies, since predictions are noted in place.
        copies = {name: {split: table.clone() for split, table in tensors.items()} for name, tensors in tables.items()}
        return {"since": self.since, **copies}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go to a state that `state_dict` returned."""
        self.since = state["since"]
        tables = {"kept": self._kept, "latest": self._latest, "history": self._history}
        for name, tensors in tables.items():
            tensors.update({split: table.clone() for split, table in state[name].items()})


def _tenth(epoch: int, num_epochs: int) -> int:
    """Return in which tenth, counted from 0, of the search an epoch begins."""
    return epoch * (NUM_PRUNINGS + 1) // num_epochs if epoch >= 0 else 0
