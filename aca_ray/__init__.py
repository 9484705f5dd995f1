"""Sweeps of differentiable architecture search with Adaptive Channel Allocation.

    import aca_ray

    experiment = aca_ray.ExperimentSpec(
        methods="darts", spaces="nasbench201", data="digits", seeds=range(6), epochs=60, table="nasbench201"
    )
    result = aca_ray.run(aca_ray.SweepSpec(name="digits", experiment=experiment))
    result.retrainings().groupby("skip").test_accuracy.mean()

Importing this package loads neither torch, ray, mlflow nor pandas: public names are loaded when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from aca_ray.api import (
        build,
        check,
        compare,
        doctor,
        estimate,
        export,
        export_all,
        load,
        log_model,
        rank,
        resume,
        retrain,
        run,
        show,
        status,
        submit,
    )
    from aca_ray.config import ExperimentSpec, NetworkSpec, RetrainingSpec, RuntimeSpec, SweepSpec, TableSpec
    from aca_ray.errors import AcaRayError, ConfigError
    from aca_ray.nn import DerivedNetwork
    from aca_ray.result import Result, Trial
    from aca_ray.space import ChannelPlan, Genotype

# Of the public names that are not in aca_ray.api.
_MODULES = {
    "aca_ray.config": ("ExperimentSpec", "NetworkSpec", "RetrainingSpec", "RuntimeSpec", "SweepSpec", "TableSpec"),
    "aca_ray.errors": ("AcaRayError", "ConfigError"),
    "aca_ray.nn": ("DerivedNetwork",),
    "aca_ray.result": ("Result", "Trial"),
    "aca_ray.space": ("ChannelPlan", "Genotype"),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "AcaRayError",
    "ChannelPlan",
    "ConfigError",
    "DerivedNetwork",
    "ExperimentSpec",
    "Genotype",
    "NetworkSpec",
    "Result",
    "RetrainingSpec",
    "RuntimeSpec",
    "SweepSpec",
    "TableSpec",
    "Trial",
    "__version__",
    "build",
    "check",
    "compare",
    "doctor",
    "estimate",
    "export",
    "export_all",
    "load",
    "log_model",
    "rank",
    "resume",
    "retrain",
    "run",
    "show",
    "status",
    "submit",
]


def __getattr__(name: str) -> Any:
    """Load a public name on first use, which keeps the import light."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_MODULE_OF.get(name, "aca_ray.api")), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
