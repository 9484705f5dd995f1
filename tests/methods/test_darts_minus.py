"""DARTS-: the auxiliary skip and how it fades."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from aca_ray.methods.darts_minus import METHOD, build
from aca_ray.methods.moment import Moment
from aca_ray.nn.edges import Scheduled
from aca_ray.search.search import Search
from aca_ray.space import SPACES


@pytest.mark.parametrize(("epoch", "expected"), [(0, 1.0), (10, 0.8), (25, 0.5), (49, 0.02)])
def test_strength_at_the_papers_budget(epoch: int, expected: float) -> None:
    assert METHOD.edge_strength(Moment(epoch, 50)) == pytest.approx(expected)
    assert build(strength=0.5).edge_strength(Moment(epoch, 50)) == pytest.approx(expected / 2)


def test_the_decay_scales_with_the_budget_and_never_ends_at_zero() -> None:
    assert METHOD.edge_strength(Moment(20, 100)) == METHOD.edge_strength(Moment(10, 50))
    assert METHOD.edge_strength(Moment(0, 1)) == 1.0
    assert METHOD.edge_strength(Moment(6, 7)) == pytest.approx(1 / 7)


def test_every_edge_of_a_search_has_the_epochs_strength(build_search: Callable[..., Search]) -> None:
    search = build_search(METHOD, SPACES["s2"], num_epochs=4, num_cells=3)
    for epoch, expected in ((0, 1.0), (3, 0.25)):
        search.clock = epoch
        search.step(epoch, 0)
        strengths = [module.strength for module in search.network.modules() if isinstance(module, Scheduled)]
        assert strengths == [expected] * (3 * 14)
        search.step(epoch, 1)
