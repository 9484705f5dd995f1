"""The history of a search's architecture: candidates only where they change, and rows that can be read back."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from aca_ray.comparison.architectures import mixing
from aca_ray.comparison.fields import Fields
from aca_ray.methods.registry import find_method
from aca_ray.pipeline.history import epoch_architecture
from aca_ray.search.search import Search
from aca_ray.space import SPACES

GENOTYPE = {"normal": "any"}


def alphas(*names: str) -> dict[str, Any]:
    """Return mixing weights of a cell with two edges, with candidates in the form that a search gives them."""
    return {"normal": [[1 / 3] * len(names)] * 2, "candidates": {"normal": (names, names)}}


def test_candidates_are_recorded_only_where_they_change() -> None:
    rows: list[dict[str, Any]] = [{"metrics": {}}]  # a row without architecture
    recorded = []
    for names in (("a", "b", "c"), ("a", "b", "c"), ("a", "c"), ("a", "c")):
        architecture = epoch_architecture(GENOTYPE, alphas(*names), rows)
        recorded.append(architecture.get("candidates"))
        # As after a kill: the rows are read from a checkpoint.
        rows = json.loads(json.dumps([*rows, {"architecture": architecture}]))
    assert recorded == [{"normal": [["a", "b", "c"]] * 2}, None, {"normal": [["a", "c"]] * 2}, None]
    assert rows[-1]["architecture"] == {"genotype": GENOTYPE, "mixing": {"normal": [[0.3333, 0.3333]] * 2}}


def test_edges_with_different_numbers_of_candidates_can_be_read_back(build_search: Callable[..., Search]) -> None:
    """Mixing weights of a search are padded to the longest edge, as after DARTS-PT has decided some edges."""
    names = SPACES["darts"].normal[0]
    normal = (names, names[:1], *[names[1:4]] * 12)
    search = build_search(find_method("darts"), replace(SPACES["darts"], normal=normal), num_cells=3)
    kinds = search.space.cell_types
    found: dict[str, Any] = {kind: search.mixing().cell(kind).operations.tolist() for kind in kinds}
    found["candidates"] = {kind: search.space.candidates(kind) for kind in kinds}
    architecture = json.loads(json.dumps(epoch_architecture(GENOTYPE, found, [])))
    for kind, read in mixing([(1, Fields(architecture, Path("record.json")))]).items():
        for edge, names in enumerate(search.space.candidates(kind)):
            weights = dict(zip(read.candidates, read.weights[0, edge].tolist(), strict=True))
            assert {name for name, weight in weights.items() if weight == weight} == set(names)
            assert [weights[name] for name in names] == pytest.approx(found[kind][edge][: len(names)], abs=1e-4)
