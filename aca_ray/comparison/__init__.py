"""Results of sweeps: rows and statistics over seeds; needs neither torch, ray nor mlflow."""

from aca_ray.comparison.by_column import ColumnComparison, compare_by, require_column
from aca_ray.comparison.comparison import Comparison, compare
from aca_ray.comparison.kinds import ALLOCATED, NETWORKS, SEARCHED, SKIP_FREE, Group, Kind, Pair, Place, kind_of
from aca_ray.comparison.metrics import comparison_metrics
from aca_ray.comparison.reading import read_sweep
from aca_ray.comparison.rows import (
    AllocationRow,
    CurveRow,
    EdgeRow,
    FailedTrial,
    LookUpRow,
    MixingTrajectory,
    NetworkRow,
    ScoreFile,
    SweepRows,
    TrialRow,
)
from aca_ray.comparison.statistics import correlate, holm, paired, summarize, variance_components

__all__ = [
    "ALLOCATED",
    "NETWORKS",
    "SEARCHED",
    "SKIP_FREE",
    "AllocationRow",
    "ColumnComparison",
    "Comparison",
    "CurveRow",
    "EdgeRow",
    "FailedTrial",
    "Group",
    "Kind",
    "LookUpRow",
    "MixingTrajectory",
    "NetworkRow",
    "Pair",
    "Place",
    "ScoreFile",
    "SweepRows",
    "TrialRow",
    "compare",
    "compare_by",
    "comparison_metrics",
    "correlate",
    "holm",
    "kind_of",
    "paired",
    "read_sweep",
    "require_column",
    "summarize",
    "variance_components",
]
