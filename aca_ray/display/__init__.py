"""Terminal output: the live view of a sweep, and its status."""

from aca_ray.display.live import LiveView
from aca_ray.display.progress import Progress, TrialLine, progress_lines, read_progress

__all__ = ["LiveView", "Progress", "TrialLine", "progress_lines", "read_progress"]
