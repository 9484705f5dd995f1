"""The container image, and agreement on its name and versions in all files."""

from __future__ import annotations

import fnmatch
import re
import tomllib
from pathlib import Path

import yaml
from packaging.requirements import Requirement

from aca_ray import __version__

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
DOCKERFILE = (DEPLOY / "image" / "Dockerfile").read_text(encoding="utf-8")
INSTRUCTIONS = [
    line.split(maxsplit=1)
    for line in re.sub(r"\\\n", " ", re.sub(r"(?m)^#.*\n", "", DOCKERFILE)).splitlines()
    if line.strip()
]


def arguments(instruction: str) -> list[str]:
    return [rest for name, rest in INSTRUCTIONS if name == instruction]


def constraints() -> dict[str, str]:
    lines = (DEPLOY / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if not line.startswith("#"))


def test_only_known_instructions() -> None:
    assert {name for name, _ in INSTRUCTIONS} == {"ARG", "FROM", "ENV", "RUN", "COPY", "USER", "WORKDIR", "CMD"}


def test_the_base_is_pinned() -> None:
    assert arguments("FROM") == ["${PYTHON_IMAGE}"]
    assert re.fullmatch(r"PYTHON_IMAGE=python:3\.\d+\.\d+-slim-\w+", arguments("ARG")[0])


def test_nothing_runs_as_root() -> None:
    assert "UID=1000" in arguments("ARG")
    after = INSTRUCTIONS[INSTRUCTIONS.index(["USER", "${UID}"]) + 1 :]
    assert {name for name, _ in after} == {"WORKDIR", "CMD"}


def test_copied_files_exist_and_are_not_ignored() -> None:
    ignored = (DEPLOY / "image" / "Dockerfile.dockerignore").read_text(encoding="utf-8").split()
    assert ignored[0] == "*"
    let_through = [line[1:] for line in ignored if line.startswith("!")]
    sources = [
        source
        for copy in arguments("COPY")
        for source in [word for word in copy.split() if not word.startswith("--")][:-1]
    ]
    assert sources
    for source in sources:
        assert (ROOT / source).exists(), source
        assert any(fnmatch.fnmatch(source, f"{path}*") for path in let_through), source


def test_versions_are_pinned_and_accepted_by_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    required = {(parsed := Requirement(line)).name: parsed.specifier for line in project["dependencies"]}
    pinned = constraints()
    assert set(pinned) == {"mlflow", "ray", "torch", "torchvision"}
    for name, version in pinned.items():
        assert version in required[name], name
    installs = [line for line in arguments("RUN") if "pip install" in line]
    assert all("--constraint /etc/aca-ray/constraints.txt" in line for line in installs)


def test_kuberay_expects_the_version_in_the_image() -> None:
    cluster = yaml.safe_load((DEPLOY / "kuberay" / "raycluster.yaml").read_text(encoding="utf-8"))
    assert cluster["spec"]["rayVersion"] == constraints()["ray"]


def test_all_files_name_this_version_of_the_image_and_no_registry() -> None:
    named = {}
    for path in DEPLOY.rglob("*.yaml"):
        for image in re.findall(r"(?m)^\s*(?:- )?image: (\S+)", path.read_text(encoding="utf-8")):
            named.setdefault(image, []).append(path.name)
    ours = {image for image in named if image.startswith("aca-ray")}
    assert ours == {f"aca-ray:{__version__}"}
    assert f"aca-ray:{__version__}" in DOCKERFILE
    for image in named:
        assert "/" not in image, f"{image}: names a registry or a repository"
        assert re.fullmatch(r"[\w-]+:\d+\.\d+[\w.-]*", image), f"{image} is not pinned"
