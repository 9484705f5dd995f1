"""What a sweep keeps on the disk about its trials: records, summaries of allocations, and where all files are."""

from aca_ray.records.layout import AllocationFolder, SweepFolder, TrialFolder
from aca_ray.records.record import TrialRecord

__all__ = ["AllocationFolder", "SweepFolder", "TrialFolder", "TrialRecord"]
