"""What a sweep has found: rows and statistics over seeds; needs neither torch, ray nor mlflow."""

from aca_ray.comparison.comparison import Arm, Comparison, ControlComparison, Group, GroupComparison, SeedMean, compare
from aca_ray.comparison.comparison_rows import ComparisonRow, comparison_rows
from aca_ray.comparison.row_files import read_rows, write_rows
from aca_ray.comparison.rows import AllocationRow, CurveRow, EvaluationRow, FailedTrial, SweepRows, read_sweep
from aca_ray.comparison.statistics import PairedDifference, Summary, holm, paired, summarize

__all__ = [
    "AllocationRow",
    "Arm",
    "Comparison",
    "ComparisonRow",
    "ControlComparison",
    "CurveRow",
    "EvaluationRow",
    "FailedTrial",
    "Group",
    "GroupComparison",
    "PairedDifference",
    "SeedMean",
    "Summary",
    "SweepRows",
    "compare",
    "comparison_rows",
    "holm",
    "paired",
    "read_rows",
    "read_sweep",
    "summarize",
    "write_rows",
]
