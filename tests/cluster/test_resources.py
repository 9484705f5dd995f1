"""The resources of a trial, and clusters that can never hold one."""

from __future__ import annotations

import pytest

from aca_ray.cluster.pool import _check_room
from aca_ray.cluster.resources import check_resources, trial_bundle, trial_slots
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


def test_slots_of_shares() -> None:
    for share, slots in ((1, 1), (0.5, 2), (0.2, 5), (0.1, 10), (0.05, 20), (0.3, 3)):
        assert trial_slots(RuntimeSpec(gpus_per_trial=share), {"CPU": 64.0, "GPU": 1.0}) == slots
    assert trial_slots(RuntimeSpec(cpus_per_trial=3), {"CPU": 8.0}) == 2


def test_a_cluster_that_has_no_node_yet_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clusters with an autoscaler begin with a head that runs no trials."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    said: list[str] = []
    _check_room(RuntimeSpec(gpus_per_trial=1), {"memory": 1e9}, "head:6379", said.append)
    (line,) = said
    assert "needs 1 CPUs on one node, the whole cluster has 0" in line
    assert "Trials wait until" in line
    with pytest.raises(SweepError, match=r"runtime\.gpus_per_trial"):
        _check_room(RuntimeSpec(gpus_per_trial=1), {"CPU": 2.0}, None, said.append)


def test_a_cluster_without_accelerators() -> None:
    with pytest.raises(SweepError, match=r"^runtime\.accelerator_type: .*'H100'.* none"):
        check_resources(RuntimeSpec(accelerator_type="H100"), {"CPU": 1.0})
