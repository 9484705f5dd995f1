"""The Taylor scores against the measured loss of a perturbed supernet."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from aca_ray.nn.edges import FullEdge, partial_channels

STEP = 1e-5


class Blend(nn.Module):
    """An operation with one channel moved by `step` towards zero or towards a skip connection."""

    def __init__(self, operation: nn.Module, channel: int, step: float, towards: str) -> None:
        super().__init__()
        self.operation, self.channel, self.step, self.towards = operation, channel, step, towards

    def forward(self, x: Tensor) -> Tensor:
        output = self.operation(x).clone()
        c = self.channel
        goal = torch.zeros_like(output[:, c])
        if self.towards == "skip":
            goal = x[:, c]
            if goal.shape != output[:, c].shape:
                batch, height, width = goal.shape
                goal = goal.reshape(batch, height // 2, 2, width // 2, 2).mean(dim=(2, 4))
        output[:, c] = (1 - self.step) * output[:, c] + self.step * goal
        return output


def measured_change(search, edge, channel: int, towards: str) -> Tensor:
    """Return the (N,) derivative of every image's loss by central differences."""
    topology = search.space.topology
    operations = (
        search.supernet.cells[edge.cell].edges[topology.edges.index((edge.source, edge.target))].candidates.operations
    )
    original = operations[edge.operation]
    losses = []
    try:
        for step in (STEP, -STEP):
            operations[edge.operation] = Blend(original, channel, step, towards)
            with torch.no_grad():
                logits = search.supernet.eval()(search.images, search.mixing)
            losses.append(functional.cross_entropy(logits, search.labels, reduction="none"))
    finally:
        operations[edge.operation] = original
        search.supernet.train()
    return (losses[0] - losses[1]) / (2 * STEP)


OF_IMAGES = {
    "skip": {"taylor_identity": lambda change: change.mean()},
    "zero": {"taylor": lambda change: change.abs().mean(), "fisher": lambda change: change.square().mean() / 2},
}


@pytest.mark.parametrize("towards", OF_IMAGES)
@pytest.mark.parametrize(
    "layout",
    [
        {"build_edge": FullEdge, "channels": 2},
        {"build_edge": partial_channels(2), "channels": 4, "edge_weights": True},
    ],
    ids=["full", "partial_with_edge_weights"],
)
def test_equals_measured_loss_change(build, layout, towards) -> None:
    search = build(**layout)
    scores = {ranker: search.rank(ranker).edges for ranker in OF_IMAGES[towards]}
    for edges in zip(*scores.values(), strict=True):
        assert len(edges[0].scores) == (2, 4, 4, 8, 8)[edges[0].stage]
        for channel in {0, len(edges[0].scores) - 1}:
            measured = measured_change(search, edges[0], channel, towards)
            for ranker, edge in zip(scores, edges, strict=True):
                largest = max(map(abs, edge.scores))
                assert largest > 0
                expected = OF_IMAGES[towards][ranker](measured).item()
                assert edge.scores[channel] == pytest.approx(expected, rel=1e-6, abs=1e-7 * largest), edge.place


def test_replacing_a_skip_by_itself_changes_nothing(skipping_search) -> None:
    for edge in skipping_search.rank("taylor_identity").edges:
        reads_input = edge.stage % 2 == 1 and edge.source < 2
        if edge.operation == "skip_connect" and not reads_input:
            assert set(edge.scores) == {0.0}
            assert set(edge.standard_errors) == {0.0}
        else:  # also the factorized reduction, which is not the average pool that stands for a skip
            assert all(score != 0.0 for score in edge.scores)


def test_one_supernet_edge_kept_twice_is_scored_twice(search) -> None:
    from dataclasses import replace

    from aca_ray.space import CellGenotype, Genotype, KeptEdge

    both = CellGenotype((KeptEdge("sep_conv_3x3", 0, 2), KeptEdge("max_pool_3x3", 0, 2)), (2,))
    twice = replace(search, genotype=Genotype(both, both)).rank("taylor")
    alone = {(e.cell, e.operation): e.scores for e in search.rank("taylor").edges if (e.source, e.target) == (0, 2)}
    found = {(e.cell, e.operation): e.scores for e in twice.edges}
    assert len(found) == 10
    for key, scores in alone.items():
        assert found[key] == pytest.approx(scores, rel=1e-12)
