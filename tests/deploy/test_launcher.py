"""The files of Ray's cluster launcher, validated by Ray's schema."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import ray
import yaml

FILES = sorted((Path(__file__).parents[2] / "deploy" / "launcher").glob("*.yaml"))
SCHEMA = json.loads((Path(ray.__file__).parent / "autoscaler" / "ray-schema.json").read_text(encoding="utf-8"))

each_file = pytest.mark.parametrize(
    "cluster", [yaml.safe_load(path.read_text()) for path in FILES], ids=lambda c: c["provider"]["type"]
)


def is_spot(node_config: dict[str, Any]) -> bool:
    market = node_config.get("InstanceMarketOptions", {}).get("MarketType")
    return market == "spot" or {"preemptible": True} in node_config.get("scheduling", [])


def test_there_is_one_file_per_cloud() -> None:
    assert [path.stem for path in FILES] == ["aws", "gcp"]


@each_file
def test_ray_knows_every_key(cluster: dict[str, Any]) -> None:
    jsonschema.validate(cluster, SCHEMA)
    misspelt = copy.deepcopy(cluster)
    misspelt["max_worker"] = misspelt.pop("max_workers")
    with pytest.raises(jsonschema.ValidationError, match="max_worker"):
        jsonschema.validate(misspelt, SCHEMA)


@each_file
def test_workers_are_spot_and_the_head_is_not(cluster: dict[str, Any]) -> None:
    nodes = cluster["available_node_types"]
    assert {name: is_spot(node["node_config"]) for name, node in nodes.items()} == {"head": False, "spot_gpu": True}
    assert cluster["head_node_type"] == "head"
    assert nodes["head"]["resources"] == {"CPU": 0}
    assert nodes["spot_gpu"]["resources"]["GPU"] >= 1
    assert nodes["spot_gpu"]["max_workers"] <= cluster["max_workers"]


@each_file
def test_ray_requires_the_token(cluster: dict[str, Any]) -> None:
    starts = [cluster[f"{node}_start_ray_commands"][-1] for node in ("head", "worker")]
    assert all(line.startswith("RAY_AUTH_MODE=token ") for line in starts)
    assert "--dashboard-host=127.0.0.1" in starts[0]
    assert "/home/ubuntu/.ray/auth_token" in cluster["file_mounts"]
    if cluster["provider"]["type"] == "aws":
        assert all("SecurityGroupIds" in node["node_config"] for node in cluster["available_node_types"].values())


@each_file
def test_workers_watch_for_the_notice_of_their_cloud(cluster: dict[str, Any]) -> None:
    cloud, start = cluster["provider"]["type"], cluster["worker_start_ray_commands"][-1]
    assert f"~/aca_ray/deploy/launcher/worker.sh {cloud} --address=$RAY_HEAD_IP:6379" in start
    drain = int(start.split("RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S=")[1].split()[0])
    assert drain < {"aws": 120, "gcp": 30}[cloud]


@each_file
def test_every_node_has_the_same_versions(cluster: dict[str, Any]) -> None:
    installs = [line for line in cluster["setup_commands"] if "pip install" in line]
    assert len(installs) == 1
    assert "--constraint ~/aca_ray/deploy/constraints.txt ~/aca_ray" in installs[0]
