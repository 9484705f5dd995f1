"""The trial actor ignores Tune's checkpoints, so that code in them never runs."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from aca_ray.cluster.actor import TrialActor
from aca_ray.cluster.session import tune

CONFIG = {"orders": "[]", "threads": 1, "gpus": 0.0}


class Hostile:
    """An object that creates a file when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.marker,)


@pytest.mark.parametrize("as_path", [True, False])
def test_code_in_a_checkpoint_is_not_run(tmp_path: Path, as_path: bool) -> None:
    marker, checkpoint = tmp_path / "marker", tmp_path / "checkpoint_000000"
    checkpoint.mkdir()
    file = checkpoint / "_dict_checkpoint.pkl"
    file.write_bytes(pickle.dumps(Hostile(marker)))
    actor = TrialActor(config=dict(CONFIG))
    actor.restore(str(checkpoint) if as_path else tune.Checkpoint.from_directory(str(checkpoint)))
    assert not marker.exists()
    pickle.loads(file.read_bytes())
    assert marker.exists()  # the pickle itself does create it


def test_saving_leaves_tune_nothing_to_restore(tmp_path: Path) -> None:
    saved = TrialActor(config=dict(CONFIG)).save(str(tmp_path))
    assert saved.checkpoint is None
    assert not list(tmp_path.iterdir())
