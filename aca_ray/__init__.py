"""Sweeps of differentiable architecture search with Adaptive Channel Allocation.

Importing this package loads neither torch, ray nor mlflow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from aca_ray.api import (
        check,
        compare,
        estimate,
        export,
        export_all,
        log_model,
        rank,
        resume,
        retrain,
        run,
        show,
        status,
    )

__all__ = [
    "__version__",
    "check",
    "compare",
    "estimate",
    "export",
    "export_all",
    "log_model",
    "rank",
    "resume",
    "retrain",
    "run",
    "show",
    "status",
]


def __getattr__(name: str) -> Any:
    """Load the public functions on first use, which keeps the import light."""
    if name in __all__:
        from aca_ray import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
