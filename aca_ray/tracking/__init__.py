"""Mirroring the records of a sweep in MLflow; the only package that imports mlflow."""

from aca_ray.tracking import environment as environment  # first: sets what mlflow reads at its import
from aca_ray.tracking.store import Store, open_store, require_answer, serve_ui
from aca_ray.tracking.tracker import Tracker

__all__ = ["Store", "Tracker", "open_store", "require_answer", "serve_ui"]
