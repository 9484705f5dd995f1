"""A sweep on a cluster with every fault once ends exactly as the undisturbed one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from faults import SPEC, Scene
from hostile import hostile_checkpoints
from ray_nodes import CAN_UNSHARE

if TYPE_CHECKING:
    from conftest import SweepProcess

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(1500),
    pytest.mark.skipif(not CAN_UNSHARE, reason="needs the right to make namespaces"),
]


def test_every_fault_in_one_sweep(
    process: SweepProcess, servers: SweepProcess, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    spec = {"seeds": [0, 1], "epochs": 14}
    scene = Scene(process, servers)
    (process.folder / "spec.yaml").write_text(SPEC.format(**spec, max_failures=1, tracking=scene.mlflow.uri))
    marker = tmp_path / "code_of_a_pickle_was_run"
    with hostile_checkpoints(process.folder / "results", marker):
        effects = scene.every_fault()
        code = scene.running.wait(timeout=600)
    assert code == 0, process.output()
    assert not marker.exists()
    assert not list(process.sweep.rglob("*.pkl"))
    assert effects[1].lost == 0
    process.check_tracked_once()
    undisturbed = type(process)(tmp_path_factory.mktemp("alone"))
    (undisturbed.folder / "spec.yaml").write_text(SPEC.format(**spec, max_failures=1, tracking="null"))
    code, output = undisturbed.run("run", "spec.yaml", "--local")
    assert code == 0, output
    assert process.outcome() == undisturbed.outcome()
    assert len(process.records()) == 8
