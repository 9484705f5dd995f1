"""The files of a sweep: records of trials, summaries of allocations, and the layout of all folders."""

from aca_ray.records.layout import AllocationFolder, SweepFolder, TrialFolder
from aca_ray.records.record import TrialRecord

__all__ = ["AllocationFolder", "SweepFolder", "TrialFolder", "TrialRecord"]
