"""The package's supernets and the reference with equal weights, and everything that a pass computes."""

from __future__ import annotations

import pytest
import torch
from reference_supernet import ReferenceSupernet
from torch import Tensor, nn

from aca_ray.nn import CellMixing, Mixing, Supernet
from aca_ray.nn.edges import FullEdge, partial_channels
from aca_ray.space import Space

CASES = pytest.mark.parametrize(
    ("space", "share", "size", "channels", "num_cells"),
    [
        ("darts", 1, 8, 4, 3),
        ("darts", 2, 8, 4, 3),
        ("darts", 1, 16, 1, 3),
        ("darts", 2, 16, 2, 3),
        ("darts", 1, 32, 1, 3),
        ("s1", 1, 16, 2, 3),
        ("darts", 4, 16, 8, 3),
        ("s1", 1, 8, 4, 5),
        ("s4", 2, 8, 4, 5),
        ("s3", 1, 8, 2, 5),
    ],
)


def pair(
    space: Space, share: int, dtype: torch.dtype, channels: int, num_cells: int
) -> tuple[Supernet, ReferenceSupernet]:
    """Return a plain supernet of the package and the reference, with equal weights."""
    sizes = {"channels": channels, "num_cells": num_cells, "num_classes": 5}
    product = Supernet(space, **sizes, build_edge=FullEdge if share == 1 else partial_channels(share)).to(dtype)
    reference = ReferenceSupernet(space, **sizes, share=share).to(dtype)
    assert list(product.state_dict()) == list(reference.state_dict())
    reference.load_state_dict(product.state_dict())
    return product, reference


def random_mixing(space: Space, dtype: torch.dtype, edges: bool) -> list[Tensor]:
    columns = max(len(names) for names in space.normal + space.reduce)
    operations = [torch.rand(len(space.normal), columns, dtype=dtype, requires_grad=True) for _ in range(2)]
    scales = [torch.rand(len(space.normal), dtype=dtype, requires_grad=True) for _ in range(2)]
    return operations + (scales if edges else [])


def everything(network: nn.Module, images: Tensor, weights: list[Tensor]) -> dict[str, Tensor]:
    """Return logits in training and evaluation, gradients of weights and mixing, and the state after one pass."""
    torch.manual_seed(1)  # for noise
    scales = weights[2:] or (None, None)
    mixing = Mixing(*(CellMixing(own.softmax(dim=1), edge) for own, edge in zip(weights[:2], scales, strict=True)))
    logits = network.train()(images, mixing)
    names, parameters = zip(*network.named_parameters(), strict=True)
    loss = (logits * torch.linspace(-1, 1, logits.numel(), dtype=logits.dtype).view_as(logits)).sum()
    gradients = torch.autograd.grad(loss, (*parameters, *weights))
    found = {"logits": logits.detach()}
    found |= dict(zip([f"gradient of {n}" for n in (*names, *range(len(weights)))], gradients, strict=True))
    found |= {name: value.clone() for name, value in network.named_buffers()}
    with torch.no_grad():
        found["evaluated"] = network.eval()(images, mixing)
    return found


def worst(found: dict[str, Tensor], expected: dict[str, Tensor]) -> float:
    """Return the largest deviation of any tensor, relative to its largest entry or to 1e-3 if that is larger."""
    assert found.keys() == expected.keys()
    return max(
        float((found[name] - value).abs().max() / value.abs().max().clamp(min=1e-3))
        for name, value in expected.items()
        if value.numel()
    )
