"""The resources of a trial, and clusters that can never hold one."""

from __future__ import annotations

import pytest

from aca_ray.cluster.resources import check_resources, trial_bundle
from aca_ray.config import RuntimeSpec
from aca_ray.errors import SweepError

CLUSTER = {"CPU": 8.0, "GPU": 2.0, "accelerator_type:H100": 1.0, "accelerator_type:A100": 1.0, "memory": 1e9}


def test_a_trial_reserves_what_the_spec_says() -> None:
    assert trial_bundle(RuntimeSpec()) == {"CPU": 1, "GPU": 0}
    runtime = RuntimeSpec(cpus_per_trial=4, gpus_per_trial=0.5, accelerator_type="H100")
    assert trial_bundle(runtime) == {"CPU": 4, "GPU": 0.5, "accelerator_type:H100": 0.001}


def test_a_trial_that_fits() -> None:
    check_resources(RuntimeSpec(cpus_per_trial=8, gpus_per_trial=1, accelerator_type="A100"), CLUSTER)


def test_all_problems_are_named() -> None:
    with pytest.raises(SweepError) as caught:
        check_resources(
            RuntimeSpec(cpus_per_trial=9, gpus_per_trial=1, accelerator_type="H200"), {**CLUSTER, "GPU": 0.0}
        )
    cpus, gpus, kind = str(caught.value).splitlines()
    for problem, place, needed, found in (
        (cpus, "runtime.cpus_per_trial: ", "9 CPUs", "has 8"),
        (gpus, "runtime.gpus_per_trial: ", "1.0 GPUs", "has 0"),
        (kind, "runtime.accelerator_type: ", "'H200'", "has A100, H100"),
    ):
        assert problem.startswith(place)
        assert needed in problem
        assert found in problem


def test_a_cluster_without_accelerators() -> None:
    with pytest.raises(SweepError, match=r"^runtime\.accelerator_type: .*'H100'.* none"):
        check_resources(RuntimeSpec(accelerator_type="H100"), {"CPU": 1.0})
