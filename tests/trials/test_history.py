"""The history of a search's architecture: candidates only where they change, and rows that can be read back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from aca_ray.comparison.architectures import mixing
from aca_ray.methods.registry import find_method
from aca_ray.records import MixingWeights, SearchRow
from aca_ray.search.search import Search
from aca_ray.space import PUBLISHED, SPACES
from aca_ray.trials.history import epoch_architecture

GENOTYPE = PUBLISHED["DARTS_V2"]


def alphas(*names: str) -> MixingWeights:
    """Return mixing weights of a cell with two edges."""
    return MixingWeights(normal=((1 / 3,) * len(names),) * 2, candidates={"normal": (names, names)})


def test_candidates_are_recorded_only_where_they_change() -> None:
    rows = [SearchRow(1, 0, {})]  # a row without architecture
    for names in (("a", "b", "c"), ("a", "b", "c"), ("a", "c"), ("a", "c")):
        rows.append(SearchRow(1, 0, {}, epoch_architecture(GENOTYPE, alphas(*names), rows)))
    found = [row.architecture for row in rows[1:] if row.architecture is not None]
    assert [architecture.candidates for architecture in found] == [
        {"normal": (("a", "b", "c"),) * 2},
        None,
        {"normal": (("a", "c"),) * 2},
        None,
    ]
    assert (found[-1].genotype, found[-1].mixing) == (GENOTYPE, {"normal": ((0.3333, 0.3333),) * 2})


def test_edges_with_different_numbers_of_candidates_can_be_read_back(build_search: Callable[..., Search]) -> None:
    """Mixing weights of a search are padded to the longest edge, as after DARTS-PT has decided some edges."""
    names = SPACES["darts"].normal[0]
    normal = (names, names[:1], *[names[1:4]] * 12)
    search = build_search(find_method("darts"), replace(SPACES["darts"], normal=normal), num_cells=3)
    weights = {kind: search.mixing().cell(kind).operations.tolist() for kind in search.space.cell_types}
    candidates = {kind: tuple(map(tuple, search.space.candidates(kind))) for kind in search.space.cell_types}
    found = MixingWeights(**{kind: tuple(map(tuple, rows)) for kind, rows in weights.items()}, candidates=candidates)
    row = SearchRow(1, 0, {}, epoch_architecture(GENOTYPE, found, []))
    for kind, read in mixing([row]).items():
        for edge, names in enumerate(search.space.candidates(kind)):
            by_name = dict(zip(read.candidates, read.weights[0, edge].tolist(), strict=True))
            assert {name for name, weight in by_name.items() if weight == weight} == set(names)
            assert [by_name[name] for name in names] == pytest.approx(weights[kind][edge][: len(names)], abs=1e-4)
