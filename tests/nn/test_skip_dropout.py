"""Dropout after identities."""

from __future__ import annotations

import torch

from aca_ray.nn import Supernet
from aca_ray.nn.edges import FullEdge, IdentityDropout, skip_dropout
from aca_ray.space import SPACES

NAMES = ("none", "skip_connect", "avg_pool_3x3")


def test_elements_of_the_identity_are_dropped_and_the_mean_is_kept() -> None:
    torch.manual_seed(0)
    edge = skip_dropout(NAMES, 8, 1)
    dropout = edge.candidates.operations["skip_connect"]
    assert isinstance(dropout, IdentityDropout)
    images, weights = torch.ones(16, 8, 16, 16), torch.tensor([0.0, 0.5, 0.0])
    assert torch.equal(edge(images, weights), 0.5 * images)  # strength 0
    dropout.strength = 0.4
    output = edge(images, weights)
    assert set(output.unique().tolist()) <= {0.0, 0.5 / 0.6, float(torch.tensor(1 / 0.6) * 0.5)}
    assert abs(float((output == 0).float().mean()) - 0.4) < 0.02
    assert abs(float(output.mean()) - 0.5) < 0.02
    assert torch.equal(edge.eval()(images, weights), 0.5 * images)


def test_a_reducing_skip_and_other_candidates_are_unchanged() -> None:
    for names, stride in ((NAMES, 2), (NAMES[::2], 1)):
        edge = skip_dropout(names, 4, stride)
        full = FullEdge(names, 4, stride)
        full.load_state_dict(edge.state_dict())
        assert not any(isinstance(module, IdentityDropout) for module in edge.modules())
        images, weights = torch.randn(2, 4, 16, 16), torch.rand(len(names))
        assert torch.equal(edge(images, weights), full(images, weights))


def test_the_supernet_sets_the_rate() -> None:
    network = Supernet(SPACES["s2"], channels=4, num_cells=3, num_classes=3, build_edge=skip_dropout)
    network.set_strength(0.3)
    rates = [module.strength for module in network.modules() if isinstance(module, IdentityDropout)]
    assert rates == [0.3] * (14 + 6 + 6)  # reduction cells have identities between their own nodes only
