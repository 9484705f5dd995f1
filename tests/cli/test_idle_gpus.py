"""A sweep whose trials compute on CPUs says so on a machine with GPUs."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from aca_ray import api
from aca_ray.cli import main
from aca_ray.cli.idle_gpus import idle_gpus
from aca_ray.config import RuntimeSpec
from aca_ray.driver.run import SweepOutcome

LINE = "runtime.gpus_per_trial is 0: trials compute on CPUs; this machine has 2 GPUs"
SPEC = """name: tiny
experiment:
  methods: darts
  skip: searched
  spaces: nasbench201
  data: {name: digits, max_train_images: 64, max_test_images: 32}
  seeds: 0
  epochs: 1
  network: {channels: 1, cells: 3}
  table: nasbench201
runtime: {gpus_per_trial: SHARE}
"""


@pytest.fixture(autouse=True)
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


def test_where_gpus_of_this_machine_are_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    assert idle_gpus(RuntimeSpec(), None, local=False) == LINE
    assert idle_gpus(RuntimeSpec(gpus_per_trial=0.5), None, local=False) is None
    assert idle_gpus(RuntimeSpec(), "head:6379", local=False) is None
    assert idle_gpus(RuntimeSpec(address="head:6379"), None, local=False) is None
    assert idle_gpus(RuntimeSpec(address="head:6379"), None, local=True) == LINE
    monkeypatch.setenv("RAY_ADDRESS", "head:6379")
    assert idle_gpus(RuntimeSpec(), None, local=False) is None
    monkeypatch.delenv("RAY_ADDRESS")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert idle_gpus(RuntimeSpec(), None, local=False) == LINE.replace("2 GPUs", "1 GPU")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert idle_gpus(RuntimeSpec(), None, local=False) is None


@pytest.mark.parametrize("share", [0, 0.5])
@pytest.mark.parametrize("verb", ["check", "run"])
def test_check_and_run_say_so(
    verb: str, share: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("tiny.yaml").write_text(SPEC.replace("SHARE", str(share)), encoding="utf-8")
    nothing_done = SweepOutcome(comparison=None, interrupted=False, failures=(), tracked=True)
    monkeypatch.setattr(api, "drive", lambda *arguments, **options: nothing_done)
    assert main([verb, "tiny.yaml"]) == 0
    assert (LINE in capsys.readouterr().out.splitlines()) == (share == 0)
