"""The Kubernetes manifests, validated by strict versions of KubeRay's schemas."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "deploy" / "kuberay"
SCHEMAS = ROOT.parent / "shared" / "schemas" / "kuberay"

Manifest = dict[str, Any]


def load(name: str) -> Manifest:
    manifest: Manifest = yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
    return manifest


def cluster_spec(name: str) -> Manifest:
    spec: Manifest = load(name)["spec"]
    return spec.get("rayClusterSpec", spec)


def pods(spec: Manifest) -> list[Manifest]:
    return [group["template"]["spec"] for group in [spec["headGroupSpec"], *spec["workerGroupSpecs"]]]


each_cluster = pytest.mark.parametrize("name", ["raycluster", "rayjob"])


@pytest.mark.skipif(not SCHEMAS.is_dir(), reason=f"no schemas of KubeRay in {SCHEMAS}")
@each_cluster
def test_kuberay_knows_every_key(name: str) -> None:
    schema = json.loads((SCHEMAS / f"{name}-ray.io-v1.schema.json").read_text(encoding="utf-8"))
    manifest = load(name)
    assert manifest["apiVersion"] == "ray.io/v1"
    jsonschema.validate(manifest, schema)
    misspelt = copy.deepcopy(manifest)
    spec = misspelt["spec"].get("rayClusterSpec", misspelt["spec"])
    spec["workerGroupSpecs"][0]["minReplica"] = spec["workerGroupSpecs"][0].pop("minReplicas")
    with pytest.raises(jsonschema.ValidationError, match="minReplica"):
        jsonschema.validate(misspelt, schema)


@each_cluster
def test_workers_grow_from_nothing_on_spot_nodes(name: str) -> None:
    spec = cluster_spec(name)
    assert spec["enableInTreeAutoscaling"] is True
    assert spec["autoscalerOptions"]["version"] == "v2"
    for group in spec["workerGroupSpecs"]:
        assert group["minReplicas"] == 0 < group["maxReplicas"]
        limits = group["template"]["spec"]["containers"][0]["resources"]["limits"]
        assert int(limits["nvidia.com/gpu"]) >= 1
    head, worker = (
        [
            expression
            for term in pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"][
                "nodeSelectorTerms"
            ]
            for expression in term["matchExpressions"]
        ]
        for pod in pods(spec)
    )
    assert {expression.pop("operator") for expression in worker} == {"In"}
    assert {expression.pop("operator") for expression in head} == {"NotIn"}
    assert head == worker


@each_cluster
def test_a_worker_outlives_its_drain(name: str) -> None:
    for group in cluster_spec(name)["workerGroupSpecs"]:
        pod = group["template"]["spec"]
        (container,) = pod["containers"]
        env = {entry["name"]: entry["value"] for entry in container["env"]}
        assert 10 <= int(env["RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S"]) < pod["terminationGracePeriodSeconds"] - 10
        assert "lifecycle" not in container  # a preStop hook that stops Ray would end the trials before the drain


@each_cluster
def test_ray_requires_the_token(name: str) -> None:
    spec = cluster_spec(name)
    assert spec["authOptions"] == {"mode": "token"}
    assert spec["headGroupSpec"]["serviceType"] == "ClusterIP"
    for pod in pods(spec):
        assert pod["securityContext"]["runAsNonRoot"] is True
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
            }


@each_cluster
def test_mounts_have_volumes(name: str) -> None:
    for pod in pods(cluster_spec(name)):
        mounts = {mount["name"] for container in pod["containers"] for mount in container["volumeMounts"]}
        assert mounts == {volume["name"] for volume in pod["volumes"]}


def test_the_job_has_the_same_cluster_and_the_spec() -> None:
    job, cluster = cluster_spec("rayjob"), cluster_spec("raycluster")
    assert pods(job)[0].pop("restartPolicy") == "Never"
    # The anchors of the file are shared objects: popping from the head also removes the entry from the workers.
    for part, key in ((pods(job)[0]["containers"][0], "volumeMounts"), (pods(job)[0], "volumes")):
        assert part[key].pop(0)["name"] == "sweep"
    assert job == cluster


def test_the_job_is_repeated_until_the_sweep_is_done() -> None:
    spec = load("rayjob")["spec"]
    assert spec["backoffLimit"] > 0
    assert spec["shutdownAfterJobFinishes"] is True
    assert spec["submissionMode"] == "SidecarMode"


def test_only_ray_and_the_operator_reach_ray() -> None:
    spec = load("networkpolicy")["spec"]
    assert spec["policyTypes"] == ["Ingress"]
    ray_pods = {"matchLabels": {"ray.io/is-ray-node": "yes"}}
    assert spec["podSelector"] == ray_pods
    (rule,) = spec["ingress"]
    own, operator = rule["from"]
    assert own == {"podSelector": ray_pods}
    assert set(operator) == {"namespaceSelector", "podSelector"}  # both have to match
