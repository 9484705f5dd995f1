"""Terminal output: the views of a running sweep, and its status."""

from aca_ray.display.events import EventView, trial_json
from aca_ray.display.live import LiveView
from aca_ray.display.progress import Progress, TrialLine, progress_lines, read_progress
from aca_ray.display.view import QuietView, View
from aca_ray.display.watching import watch

__all__ = [
    "EventView",
    "LiveView",
    "Progress",
    "QuietView",
    "TrialLine",
    "View",
    "progress_lines",
    "read_progress",
    "trial_json",
    "watch",
]
