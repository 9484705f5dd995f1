"""What a sweep has found: rows, statistics over seeds, tables and plots; needs neither torch, ray nor mlflow."""

from aca_ray.comparison.comparison import Arm, Comparison, ControlComparison, Group, GroupComparison, SeedMean, compare
from aca_ray.comparison.drawing import draw_genotype, draw_mixing
from aca_ray.comparison.plots import write_plots
from aca_ray.comparison.row_files import read_rows, write_rows
from aca_ray.comparison.rows import AllocationRow, CurveRow, EvaluationRow, FailedTrial, SweepRows, read_sweep
from aca_ray.comparison.statistics import PairedDifference, Summary, holm, paired, summarize
from aca_ray.comparison.tables import ComparisonRow, comparison_rows, to_markdown, to_text, write_tables

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
    "draw_genotype",
    "draw_mixing",
    "holm",
    "paired",
    "read_rows",
    "read_sweep",
    "summarize",
    "to_markdown",
    "to_text",
    "write_plots",
    "write_rows",
    "write_tables",
]
