"""The Docker Compose files, checked without Docker."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

FOLDER = Path(__file__).parents[2] / "deploy" / "compose"
TEXT = (FOLDER / "compose.yaml").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
GPU: dict[str, Any] = yaml.safe_load((FOLDER / "gpu.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]

# The keys of the Compose specification in use; any other one is a misspelling.
KEYS = {
    "build", "cap_drop", "command", "depends_on", "deploy", "environment", "healthcheck", "image", "init", "networks",
    "ports", "restart", "secrets", "security_opt", "shm_size", "stop_grace_period", "volumes",
}  # fmt: skip

each_service = pytest.mark.parametrize("name", SERVICES)


def seconds(duration: str) -> int:
    return int(duration.removesuffix("s"))


def secret_names(service: dict[str, Any]) -> set[str]:
    return {secret if isinstance(secret, str) else secret["source"] for secret in service.get("secrets", [])}


def test_the_services() -> None:
    assert set(SERVICES) == {"ray-head", "ray-worker", "mlflow", "postgres"}
    assert {key for key in COMPOSE if not key.startswith("x-")} == {
        "name",
        "services",
        "networks",
        "volumes",
        "secrets",
    }


@each_service
def test_services_refer_to_existing_things(name: str) -> None:
    service = SERVICES[name]
    assert set(service) <= KEYS
    assert service["image"]
    if build := service.get("build"):
        assert (FOLDER / build["context"] / build["dockerfile"]).is_file()
    assert set(service.get("depends_on", {})) <= set(SERVICES) - {name}
    for other, condition in service.get("depends_on", {}).items():
        assert condition["condition"] != "service_healthy" or "healthcheck" in SERVICES[other]
    assert set(service.get("networks", [])) <= set(COMPOSE["networks"])
    assert secret_names(service) <= set(COMPOSE["secrets"])
    for volume in service["volumes"]:
        if isinstance(volume, str):
            assert volume.split(":")[0] in COMPOSE["volumes"]
        else:
            assert volume["type"] == "bind"


def test_everything_declared_is_used() -> None:
    assert set(COMPOSE["secrets"]) == set().union(*map(secret_names, SERVICES.values()))
    named = {
        volume.split(":")[0]
        for service in SERVICES.values()
        for volume in service["volumes"]
        if isinstance(volume, str)
    }
    assert set(COMPOSE["volumes"]) == named


@each_service
def test_ports_are_bound_to_loopback(name: str) -> None:
    ports = SERVICES[name].get("ports", [])
    assert all(re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port) for port in ports)
    assert bool(ports) == (name in ("ray-head", "mlflow"))


def test_every_variable_is_required() -> None:
    variables = re.findall(r"\$\{?(\w+)([^}]*)\}?", TEXT)
    assert {name for name, _ in variables} == {
        "ACA_STORAGE",
        "ACA_UID",
        "TORCH_INDEX_URL",
        "WORKER_CPUS",
        "WORKER_MEMORY",
    }
    for name, rest in variables:
        assert re.match(r":?\?\w", rest), f"{name} has no error message for when it is not set"


@each_service
def test_secrets_come_from_files(name: str) -> None:
    for key, value in SERVICES[name].get("environment", {}).items():
        if re.search("PASSWORD|TOKEN|SECRET", key):
            assert value.startswith("/run/secrets"), key
    for secret in COMPOSE["secrets"].values():
        assert set(secret) == {"file"}
        assert secret["file"].startswith("secrets/")
    assert "secrets/" in (FOLDER / ".gitignore").read_text().splitlines()


@pytest.mark.parametrize("name", ["ray-head", "ray-worker"])
def test_ray_requires_the_token(name: str) -> None:
    service = SERVICES[name]
    assert service["environment"]["RAY_AUTH_MODE"] == "token"
    assert service["environment"]["RAY_AUTH_TOKEN_PATH"] == "/run/secrets/ray_token"
    assert "ray_token" in secret_names(service)


def test_a_worker_outlives_its_drain() -> None:
    worker = SERVICES["ray-worker"]
    assert (
        int(worker["environment"]["RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S"]) < seconds(worker["stop_grace_period"]) - 10
    )


def test_mlflow_answers_to_its_names() -> None:
    program, hosts = SERVICES["mlflow"]["command"]
    assert program == "mlflow-server"
    assert "mlflow:5000" in hosts.split(",")
    assert "*" not in hosts


def test_ray_does_not_see_the_database() -> None:
    assert COMPOSE["networks"]["database"]["internal"] is True
    assert {name for name, service in SERVICES.items() if "database" in service.get("networks", ["default"])} == {
        "mlflow",
        "postgres",
    }


def test_the_gpu_file_gives_all_gpus_to_one_worker() -> None:
    (name,) = GPU["services"]
    assert name in SERVICES
    deploy = GPU["services"][name]["deploy"]
    assert deploy["replicas"] == 1
    (device,) = deploy["resources"]["reservations"]["devices"]
    assert device["capabilities"] == ["gpu"]
