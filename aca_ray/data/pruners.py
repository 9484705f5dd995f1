"""The registry of data pruners."""

from __future__ import annotations

from collections.abc import Callable

from aca_ray.data.bilevel_pruning import BilevelPruning
from aca_ray.data.datasets import SearchData
from aca_ray.data.pruning import DataPruner

DATA_PRUNERS: dict[str, Callable[[SearchData], DataPruner]] = {"bdp": BilevelPruning}
