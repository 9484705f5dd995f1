"""Output for people: the live view of a sweep in a terminal, a file or a notebook, and the status of a sweep."""

from aca_ray.display.live import LiveView
from aca_ray.display.notebook import NotebookView, notebook_output
from aca_ray.display.progress import Progress, TrialLine, progress_lines, read_progress
from aca_ray.display.view import View

__all__ = [
    "LiveView",
    "NotebookView",
    "Progress",
    "TrialLine",
    "View",
    "notebook_output",
    "progress_lines",
    "read_progress",
]
