"""Rules for all files in deploy/: their aca-ray commands parse, and they contain no secret."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from aca_ray.cli import build_parser

DEPLOY = Path(__file__).parents[2] / "deploy"
FILES = sorted(path for path in DEPLOY.rglob("*") if path.is_file() and "secrets" not in path.parts)
TEXTS = {str(path.relative_to(DEPLOY)): path.read_text(encoding="utf-8") for path in FILES}

COMMAND = re.compile(r"(?<![\w./-])aca-ray +((?!#)[^\n`&|;()]+)")
COMMANDS = [(name, command.strip()) for name, text in TEXTS.items() for command in COMMAND.findall(text)]

SECRET = re.compile(
    r"""(?ix) -----BEGIN\ [A-Z ]*PRIVATE\ KEY | \bAKIA[0-9A-Z]{16}\b | \b[0-9a-f]{32,}\b | ://[^/\s:@]+:[^/\s@]+@
    | (?:password|passwd|secret|secret_key|access_key|token) ["']? [ ]* [:=] [ ]* ["']?
      (?![\s{$%&*\[] | ~/ | /run/ | secrets/) \S+"""
)


def test_commands_are_found() -> None:
    assert {name for name, _ in COMMANDS} == {"README.md", "kuberay/rayjob.yaml", "slurm/sweep.sbatch"}


@pytest.mark.parametrize(("name", "command"), COMMANDS)
def test_aca_ray_understands_its_commands(name: str, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        build_parser().parse_args(shlex.split(command, comments=True))
    except SystemExit:
        pytest.fail(f"{name}: aca-ray {command}\n{capsys.readouterr().err}")


@pytest.mark.parametrize("name", TEXTS)
def test_no_file_holds_a_secret(name: str) -> None:
    assert SECRET.findall(TEXTS[name]) == []


@pytest.mark.parametrize(
    "text",
    [
        "POSTGRES_PASSWORD: mlflow",
        "admin_password = hunter2",
        "RAY_AUTH_TOKEN=abc",
        'aws_secret_access_key: "x/y"',
        "-----BEGIN OPENSSH PRIVATE KEY-----",
        "postgresql://mlflow:mlflow@postgres/mlflow",
        "AKIA" + 16 * "A",
        32 * "0f",
    ],
)
def test_a_secret_would_be_found(text: str) -> None:
    assert SECRET.search(text)


def test_the_readme_links_to_every_folder_and_only_to_existing_files() -> None:
    named = set(re.findall(r"\]\(((?!http)[\w./-]+)\)", TEXTS["README.md"]))
    assert {name for name in named if not (DEPLOY / name).exists()} == set()
    folders = {path.parent.name for path in FILES if path.parent != DEPLOY}
    assert {folder for folder in folders if not any(name.startswith(folder) for name in named)} == set()
