"""The files of a sweep: records of trials, summaries of allocations, and the layout of all folders."""

from aca_ray.records.allocation import Agreement, AllocationSummary, PlanSummary, Question
from aca_ray.records.epochs import Architecture, LookUpRow, Row, SearchRow
from aca_ray.records.facts import Checkpointing, DataFacts, Packed
from aca_ray.records.layout import AllocationFolder, SweepFolder, TrialFolder
from aca_ray.records.record import (
    LookUpRecord,
    MixingWeights,
    NetworkRecord,
    RetrainingRecord,
    SearchRecord,
    StandaloneRecord,
    SweepRecord,
    TrialRecord,
)
from aca_ray.records.results import LookUpResult, RetrainingResult, SearchResult, TableFacts

__all__ = [
    "Agreement",
    "AllocationFolder",
    "AllocationSummary",
    "Architecture",
    "Checkpointing",
    "DataFacts",
    "LookUpRecord",
    "LookUpResult",
    "LookUpRow",
    "MixingWeights",
    "NetworkRecord",
    "Packed",
    "PlanSummary",
    "Question",
    "RetrainingRecord",
    "RetrainingResult",
    "Row",
    "SearchRecord",
    "SearchResult",
    "SearchRow",
    "StandaloneRecord",
    "SweepFolder",
    "SweepRecord",
    "TableFacts",
    "TrialFolder",
    "TrialRecord",
]
