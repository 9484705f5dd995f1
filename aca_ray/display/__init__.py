"""Output for people: the views of a running sweep in a terminal, a file or a notebook, and the status of a sweep."""

from aca_ray.display.events import EventView, trial_json
from aca_ray.display.live import LiveView
from aca_ray.display.notebook import NotebookView, notebook_output
from aca_ray.display.progress import Progress, TrialLine, progress_lines, read_progress
from aca_ray.display.view import QuietView, View
from aca_ray.display.watching import watch

__all__ = [
    "EventView",
    "LiveView",
    "NotebookView",
    "Progress",
    "QuietView",
    "TrialLine",
    "View",
    "notebook_output",
    "progress_lines",
    "read_progress",
    "trial_json",
    "watch",
]
