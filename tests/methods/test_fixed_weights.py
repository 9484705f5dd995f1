"""Forward passes for gradients of the architecture alone."""

from __future__ import annotations

import copy

import torch
from compact_spaces import compact

from aca_ray.methods.parts.fixed_weights import logits_at_fixed_weights
from aca_ray.nn import CellMixing, Mixing, Supernet, candidate_mask
from aca_ray.space import SPACES

SPACE = compact(SPACES["darts"])


def test_the_mixing_weights_have_their_gradient_and_the_weights_none() -> None:
    torch.manual_seed(0)
    network = Supernet(SPACE, channels=2, num_cells=3, num_classes=2)
    other = copy.deepcopy(network)
    images = torch.randn(2, 3, 12, 12)
    tables = [torch.rand(candidate_mask(SPACE, kind).shape, requires_grad=True) for kind in ("normal", "reduce")]
    mixing = Mixing(*map(CellMixing, tables))
    logits = logits_at_fixed_weights(network, images, mixing)
    found = torch.autograd.grad(logits.sum(), tables)
    expected = torch.autograd.grad(other(images, mixing).sum(), tables)
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))
    logits_at_fixed_weights(network, images, mixing).sum().backward()
    assert all(parameter.grad is None for parameter in network.parameters())
    other(images, mixing)
    assert all(torch.equal(value, other.state_dict()[name]) for name, value in network.state_dict().items())
