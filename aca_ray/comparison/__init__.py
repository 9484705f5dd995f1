"""Results of sweeps: rows and statistics over seeds; needs neither torch, ray nor mlflow."""

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
    "comparison_metrics",
    "correlate",
    "holm",
    "kind_of",
    "paired",
    "read_sweep",
    "summarize",
    "variance_components",
]
