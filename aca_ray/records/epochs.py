"""The rows of a record: what an epoch measured, and the architecture that it derives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import FailFast, Field

from aca_ray.records.checking import Count, Number, Positive, RecordedGenotype, Text
from aca_ray.space.genotype import MOST_EDGES
from aca_ray.space.topology import CellType

Weights = Annotated[tuple[Annotated[tuple[float, ...], FailFast()], ...], FailFast(), Field(max_length=MOST_EDGES)]
Names = Annotated[tuple[Annotated[tuple[Text, ...], FailFast()], ...], FailFast(), Field(max_length=MOST_EDGES)]


@dataclass(frozen=True)
class Architecture:
    """The architecture derived from an epoch of a search.

    Attributes:
        genotype: the genotype.
        mixing: per cell type, edge and candidate the mixing weight, rounded for plots.
        candidates: per cell type and edge the names of the candidates; None if they are those of the row before.
    """

    genotype: RecordedGenotype
    mixing: Mapping[CellType, Weights]
    candidates: Mapping[CellType, Names] | None = None


@dataclass(frozen=True)
class Row:
    """A finished epoch.

    Attributes:
        epoch: counted from 1.
        time_ms: end of the epoch, in ms since 1970.
        metrics: measurements by name; None if not measured or not finite.
    """

    held_out: ClassVar[str] = "test"  # split of the images that do not train

    epoch: Positive
    time_ms: Count
    metrics: Mapping[Text, Number]

    @property
    def loss(self) -> float | None:
        """Loss on the held-out split."""
        return self.metrics.get(f"{self.held_out}/loss")

    @property
    def accuracy(self) -> float | None:
        """Accuracy on the held-out split, in [0, 1]."""
        return self.metrics.get(f"{self.held_out}/accuracy")

    @property
    def seconds(self) -> float | None:
        """Duration of the epoch."""
        return self.metrics.get("time/epoch_seconds")

    @property
    def peak_bytes(self) -> float | None:
        """Peak memory."""
        return self.metrics.get("memory/peak_bytes")


@dataclass(frozen=True)
class SearchRow(Row):
    """A finished epoch of a search; its held-out split is search_valid."""

    held_out: ClassVar[str] = "search_valid"

    architecture: Architecture | None = None

    @property
    def train_accuracy(self) -> float | None:
        """Accuracy on search_train, in [0, 1]."""
        return self.metrics.get("search_train/accuracy")

    @property
    def skip_count(self) -> float | None:
        """Number of skip connections in the genotype."""
        return self.metrics.get("arch/skip_count")

    @property
    def parametric_count(self) -> float | None:
        """Number of operations with weights in the genotype."""
        return self.metrics.get("arch/parametric_count")

    @property
    def entropy(self) -> float | None:
        """Entropy of the mixing weights, as a share of the largest possible, in [0, 1]."""
        return self.metrics.get("arch/entropy")


@dataclass(frozen=True)
class LookUpRow(Row):
    """The cell of an epoch of a search, looked up in a table; all None if the table lacks it."""

    @property
    def regret(self) -> float | None:
        """Accuracy of the best architecture of the table minus that of the cell."""
        return self.metrics.get("table/regret")

    @property
    def rank(self) -> int | None:
        """1 + the number of architectures of the table with a higher accuracy."""
        rank = self.metrics.get("table/rank")
        return None if rank is None else int(rank)
