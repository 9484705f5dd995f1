"""Searches of several stages, stopped and resumed around every change of a stage."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from aca_ray.methods.core import SearchMethod
from aca_ray.methods.registry import methods
from aca_ray.search.search import Search
from aca_ray.space import SPACES, Space, Topology
from aca_ray.training import EpochLoop

BuildSearch = Callable[..., Search]
STAGED = [method for method in methods().values() if len(method.stages(SPACES["darts"])) > 1]
NAMES = ("none", "max_pool_3x3", "skip_connect", "sep_conv_3x3", "dil_conv_3x3")
SPACE = Space("tiny", Topology(num_inputs=2, num_nodes=2), normal=(NAMES,) * 5, reduce=(NAMES,) * 5)


@pytest.mark.slow
@pytest.mark.parametrize("method", STAGED, ids=lambda method: method.name)
def test_every_step_resumes_from_a_file_bit_for_bit(
    build_search: BuildSearch,
    through_a_file: Callable[[Any], Any],
    differences: Callable[[Any, Any], list[str]],
    method: SearchMethod,
) -> None:
    """Each state leads to the next one, so each leads to the end; in this short search, stages begin together."""
    num_epochs = 5
    straight = EpochLoop(build_search(method, SPACE, num_epochs=num_epochs, num_cells=3), num_epochs)
    states, stages = [through_a_file(straight.state_dict())], []
    while not straight.finished:
        straight.advance(0.0)
        states.append(through_a_file(straight.state_dict()))
        stages.append(states[-1]["work"]["clock"]["stages"])
    assert stages[-1] == len(method.stages(SPACE))
    assert len(stages) == 2 * num_epochs
    for before, after in pairwise(states):
        loop = EpochLoop(build_search(method, SPACE, num_epochs=num_epochs, num_cells=3), num_epochs)
        loop.load_state_dict(before)
        loop.advance(0.0)
        assert not differences({**loop.state_dict(), "seconds": 0.0}, {**after, "seconds": 0.0})
