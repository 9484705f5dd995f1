"""Rankings on a GPU use no tensor that was left on the CPU, up to where scores are read from the GPU."""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest
import torch
from fake_gpu import GPU, WITH_BACKWARD, fake, moved, on_gpu
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode

from aca_ray.channels import RANKERS
from aca_ray.channels.accumulators import Estimate
from aca_ray.channels.rankers import Ranker
from aca_ray.channels.ranking import EdgeRanking, pass_images
from aca_ray.nn import CellMixing, Mixing, Supernet
from aca_ray.nn.fused import fuse

__all__ = ["fake"]

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def small(build: Callable[..., Any]) -> Any:
    return build(num_cells=3)


@pytest.fixture
def network(small: Any) -> Supernet:
    return copy.deepcopy(small.supernet)


@pytest.fixture
def rank(
    small: Any, network: Supernet, fake: FakeTensorMode, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Ranker, torch.device], list[EdgeRanking]]:
    """Return a function that ranks the channels of a search on a GPU, as far as no value is read."""
    monkeypatch.setattr(torch.random, "fork_rng", lambda devices: nullcontext())  # the state of a real GPU

    def ranked(ranker: Ranker, device: torch.device) -> list[EdgeRanking]:
        normal, reduction = (
            CellMixing(moved(cell.operations, device), None) for cell in (small.mixing.normal, small.mixing.reduce)
        )
        return pass_images(
            fuse(on_gpu(network, device)),
            Mixing(normal, reduction),
            small.space,
            small.genotype,
            [(moved(images, CPU), moved(labels, CPU)) for images, labels in small.batches],
            ranker.name,
            seed=0,
        )

    return ranked


def estimate(edge: EdgeRanking) -> Estimate | None:
    """Return the estimate; None if the ranker reads values for it, which fake tensors do not have."""
    try:
        return edge.accumulator.estimate()
    except DataDependentOutputException:
        return None


@pytest.mark.parametrize("ranker", RANKERS.values(), ids=RANKERS)
def test_rankings(ranker: Ranker, rank: Callable[[Ranker, torch.device], list[EdgeRanking]]) -> None:
    device = WITH_BACKWARD if ranker.needs_gradient else GPU
    edges = rank(ranker, device)
    assert len(edges) == 3 * 4
    for edge in edges:
        assert edge.weights.device.type == device.type
        found = estimate(edge)
        if found is not None and edge.accumulator.needs_data:
            assert found.scores.device.type == device.type
            assert found.standard_errors is not None
            assert found.standard_errors.device.type == device.type
