from __future__ import annotations

import json
from typing import Any

from aca_ray.pipeline.history import epoch_architecture

GENOTYPE = {"normal": "any"}


def alphas(*names: str) -> dict[str, Any]:
    """Mixing weights of a cell with two edges, with candidates as a search gives them."""
    return {"normal": [[1 / 3] * len(names)] * 2, "candidates": {"normal": (names, names)}}


def test_candidates_are_told_where_they_change() -> None:
    rows: list[dict[str, Any]] = [{"metrics": {}}]  # of a version that kept no architecture
    told = []
    for names in (("a", "b", "c"), ("a", "b", "c"), ("a", "c"), ("a", "c")):
        architecture = epoch_architecture(GENOTYPE, alphas(*names), rows)
        told.append(architecture.get("candidates"))
        # As after a kill: the rows come back from a checkpoint.
        rows = json.loads(json.dumps([*rows, {"architecture": architecture}]))
    assert told == [{"normal": [["a", "b", "c"]] * 2}, None, {"normal": [["a", "c"]] * 2}, None]
    assert rows[-1]["architecture"] == {"genotype": GENOTYPE, "mixing": {"normal": [[0.3333, 0.3333]] * 2}}
