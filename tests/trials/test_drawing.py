"""Pictures of searches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from aca_ray.records import MixingWeights, TrialFolder, TrialRecord
from aca_ray.space import find_space
from aca_ray.space.trials import SearchTrial
from aca_ray.trials.drawing import draw_search


def test_edges_with_fewer_candidates_are_drawn(tmp_path: Path, finished_record: Callable[..., TrialRecord]) -> None:
    """Records pad the weights of such edges."""
    space = find_space("darts(skip_connect,sep_conv_5x5;normal 0->2=noise)")
    rows = tuple((0.25, 0.75) for _ in space.normal)
    candidates = {kind: space.candidates(kind) for kind in space.cell_types}
    mixing = MixingWeights(normal=rows, reduce=rows, candidates=candidates)
    network = {"channels": 4, "cells": 3}
    trial = SearchTrial("darts", "searched", space.name, 0, 1, {"name": "digits"}, network, batch_size=None)
    record = replace(finished_record(trial), mixing=mixing)
    draw_search(record, TrialFolder(tmp_path))
    assert TrialFolder(tmp_path).mixing_picture.read_text().startswith("<")
