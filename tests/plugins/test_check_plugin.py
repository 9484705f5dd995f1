"""aca-ray check-plugin: exit codes, and that every check can fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from aca_ray.cli import main

HEAD = "import torch\nfrom dataclasses import replace\n"
RANKER = (
    HEAD + "from aca_ray.channels.rankers import FixedScores, Ranker\n"
    "r = Ranker('r', 's', 'ours', needs_data=False, needs_gradient=False, start=lambda edge: {start})\n"
)
METHOD = HEAD + "from aca_ray.methods import darts\nMETHOD = replace(darts.METHOD, name='m', {change})\n"
PROTOCOL = HEAD + "from aca_ray.retraining.protocols import CIFAR\np = replace(CIFAR, name='p', {change})\n"


def failures(capsys: pytest.CaptureFixture[str], tmp_path: Path, source: str) -> list[str]:
    """Return the lines of failed checks; the exit code agrees with them."""
    (tmp_path / "own.py").write_text(source)
    code = main(["check-plugin", str(tmp_path / "own.py")])
    *lines, _ = capsys.readouterr().out.splitlines()
    assert all(line.startswith(("ok ", "failed ")) for line in lines)
    failed = [line for line in lines if line.startswith("failed")]
    assert code == bool(failed)
    return failed


def test_good_ones_pass(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    good = RANKER.format(start="FixedScores(1.5 - torch.arange(edge.channels, dtype=torch.float64))")
    assert failures(capsys, tmp_path, good + PROTOCOL.format(change="epochs=10")) == []


@pytest.mark.parametrize(
    ("source", "number", "reason"),
    [
        (RANKER.format(start="FixedScores(torch.rand(edge.channels, dtype=torch.float64))"), 2, "other scores"),
        (RANKER.format(start="FixedScores(torch.full((edge.channels,), torch.inf, dtype=torch.float64))"), 2, "finite"),
        (RANKER.format(start="FixedScores(torch.zeros(1, dtype=torch.float64))"), 2, "one score per channel"),
        (RANKER.format(start="edge.operation.weights"), 2, "AttributeError"),
        (PROTOCOL.format(change="num_cells=2"), 1, "num_cells"),
        (PROTOCOL.format(change="schedule=lambda lr, epoch, epochs: -lr"), 1, "schedule"),
        (
            HEAD + "from aca_ray.channels import RULES\n"
            "r = replace(RULES['sign'], name='r', stages=lambda scores, genotype: ((),) * 5)\n",
            2,
            "r",
        ),
    ],
)
def test_bad_ones_fail(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, source: str, number: int, reason: str
) -> None:
    failed = failures(capsys, tmp_path, source)
    assert len(failed) == number
    assert all(reason in line for line in failed)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "checks", "reason"),
    [
        ("refuses=lambda space: 'is not mine'", ["has a space"], "s2"),
        ("relax_operations=lambda alpha, mask, moment: alpha * torch.nan", ["an epoch on"], "m"),
        ("relax_operations=lambda alpha, mask, moment: alpha.softmax(1) * COUNT.pop()", ["resumes on"], "metrics"),
    ],
)
def test_bad_methods_fail(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, change: str, checks: list[str], reason: str
) -> None:
    failed = failures(capsys, tmp_path, "COUNT = [x / 1000 for x in range(1000)]\n" + METHOD.format(change=change))
    assert all(any(check in line for line in failed) for check in checks)


def test_what_cannot_be_loaded_is_bad_input(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["check-plugin", str(tmp_path / "absent.py")]) == 2
    (tmp_path / "empty.py").write_text("")
    assert main(["check-plugin", str(tmp_path / "empty.py")]) == 2
    assert "empty.py" in capsys.readouterr().err
