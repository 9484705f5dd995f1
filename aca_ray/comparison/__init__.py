"""Results of sweeps: rows and statistics over seeds; needs neither torch, ray nor mlflow."""

from aca_ray.comparison.arms import Arm, Group, SeedMean, group_of
from aca_ray.comparison.checklist import ChecklistItem
from aca_ray.comparison.collapse import CollapseRow
from aca_ray.comparison.comparison import Comparison, compare
from aca_ray.comparison.comparison_rows import ComparisonRow, comparison_rows
from aca_ray.comparison.correlations import CorrelationRow
from aca_ray.comparison.costs import CostRow
from aca_ray.comparison.groups import (
    DIFFERENCES,
    ArmDifference,
    BaselineComparison,
    ControlComparison,
    GroupComparison,
)
from aca_ray.comparison.kept_shares import KeptShareRow
from aca_ray.comparison.kinds import ALLOCATED, SEARCHED, SKIP_FREE, Kind, Pair, kind_of
from aca_ray.comparison.look_ups import LookUpArm, LookUpPlace, look_up_arms, look_up_curves, mean_curve
from aca_ray.comparison.metrics import comparison_metrics
from aca_ray.comparison.pairs import OTHER_PAIR, PairComparison, PairRow, by_advantage, criterion, pair_rows
from aca_ray.comparison.provenance import ProvenanceRow
from aca_ray.comparison.ranker_agreement import RankerAgreementRow
from aca_ray.comparison.reading import read_sweep
from aca_ray.comparison.refill import RefillRow
from aca_ray.comparison.row_files import read_rows, write_rows
from aca_ray.comparison.rows import (
    AllocationRow,
    CurveRow,
    EdgeRow,
    EvaluationRow,
    FailedTrial,
    LookUpRow,
    MixingTrajectory,
    ScoreFile,
    SweepRows,
    TrialRow,
)
from aca_ray.comparison.settings import setting_parts
from aca_ray.comparison.stability import StabilityRow
from aca_ray.comparison.statistics import (
    Correlation,
    PairedDifference,
    Summary,
    VarianceComponents,
    correlate,
    holm,
    paired,
    summarize,
    variance_components,
)

__all__ = [
    "ALLOCATED",
    "DIFFERENCES",
    "OTHER_PAIR",
    "SEARCHED",
    "SKIP_FREE",
    "AllocationRow",
    "Arm",
    "ArmDifference",
    "BaselineComparison",
    "ChecklistItem",
    "CollapseRow",
    "Comparison",
    "ComparisonRow",
    "ControlComparison",
    "Correlation",
    "CorrelationRow",
    "CostRow",
    "CurveRow",
    "EdgeRow",
    "EvaluationRow",
    "FailedTrial",
    "Group",
    "GroupComparison",
    "KeptShareRow",
    "Kind",
    "LookUpArm",
    "LookUpPlace",
    "LookUpRow",
    "MixingTrajectory",
    "Pair",
    "PairComparison",
    "PairRow",
    "PairedDifference",
    "ProvenanceRow",
    "RankerAgreementRow",
    "RefillRow",
    "ScoreFile",
    "SeedMean",
    "StabilityRow",
    "Summary",
    "SweepRows",
    "TrialRow",
    "VarianceComponents",
    "by_advantage",
    "compare",
    "comparison_metrics",
    "comparison_rows",
    "correlate",
    "criterion",
    "group_of",
    "holm",
    "kind_of",
    "look_up_arms",
    "look_up_curves",
    "mean_curve",
    "pair_rows",
    "paired",
    "read_rows",
    "read_sweep",
    "setting_parts",
    "summarize",
    "variance_components",
    "write_rows",
]
