"""Cluster resources that a trial reserves."""

from __future__ import annotations

from collections.abc import Mapping

from aca_ray.config import RuntimeSpec
from aca_ray.errors import SweepError

# Every Ray node has 1 unit of its accelerator type; a sliver of it places a trial there, as Ray's own option does.
ACCELERATOR, _SLIVER = "accelerator_type:", 0.001
_UNITS = 10_000


def trial_bundle(runtime: RuntimeSpec) -> dict[str, float]:
    """Return the resources that one trial reserves on one node."""
    return {"CPU": runtime.cpus_per_trial, "GPU": runtime.gpus_per_trial, **accelerator(runtime)}


def trial_slots(runtime: RuntimeSpec, resources: Mapping[str, float]) -> int:
    """Return how many trials resources can hold at once, if they are on one node."""
    slots = [_times(resources.get("CPU", 0.0), runtime.cpus_per_trial)]
    if runtime.gpus_per_trial:
        slots.append(_times(resources.get("GPU", 0.0), runtime.gpus_per_trial))
    return min(slots)


def _times(total: float, share: float) -> int:
    """Return how often a share fits into a resource, in Ray's unit of a ten-thousandth: 0.1 fits 10 times into 1."""
    return round(total * _UNITS) // round(share * _UNITS)


def accelerator(runtime: RuntimeSpec) -> dict[str, float]:
    """Return the resources that place a trial or task on a node with the required accelerator; {} for any node."""
    return {} if runtime.accelerator_type is None else {f"{ACCELERATOR}{runtime.accelerator_type}": _SLIVER}


def check_resources(runtime: RuntimeSpec, resources: Mapping[str, float]) -> None:
    """Raise SweepError, with all problems, if no trial fits into these resources."""
    problems = missing_resources(runtime, resources)
    if problems:
        raise SweepError("\n".join(problems))


def missing_resources(runtime: RuntimeSpec, resources: Mapping[str, float]) -> list[str]:
    """Return what keeps a trial from fitting into the resources of a cluster, one sentence each; [] if it fits."""
    problems = [
        f"runtime.{key}_per_trial: needs {needed} {name}s on one node, the whole cluster has {resources.get(name, 0):g}"
        for key, name, needed in (
            ("cpus", "CPU", runtime.cpus_per_trial),
            ("gpus", "GPU", runtime.gpus_per_trial),
        )
        if needed > resources.get(name, 0)
    ]
    wanted = runtime.accelerator_type
    if wanted is not None and f"{ACCELERATOR}{wanted}" not in resources:
        there = accelerator_types(resources)
        problems.append(
            f"runtime.accelerator_type: no node has {wanted!r}; the cluster has {', '.join(there) or 'none'}. "
            "Name one of these, leave the key out, or add a node of this type"
        )
    return problems


def accelerator_types(resources: Mapping[str, float]) -> list[str]:
    """Return the accelerator types among resources, by Ray's names."""
    return sorted(name.removeprefix(ACCELERATOR) for name in resources if name.startswith(ACCELERATOR))
