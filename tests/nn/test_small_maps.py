"""The supernet against a plain one, and operations on small maps against their layers."""

from __future__ import annotations

import pytest
import torch
from compact_spaces import compact
from reference_supernet import ReferenceSupernet
from torch import Tensor, nn

from aca_ray.nn import CellMixing, DerivedNetwork, Mixing, Supernet
from aca_ray.nn.cost import count_macs
from aca_ray.nn.edges import FullEdge, partial_channels
from aca_ray.nn.joint import JointOperation
from aca_ray.nn.maps import is_small
from aca_ray.nn.operations import build_candidate, build_operation
from aca_ray.space import PUBLISHED, SPACES, Space

NAMES = ("max_pool_3x3", "avg_pool_3x3", "skip_connect", "sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5")


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


def pair(space: Space, share: int, dtype: torch.dtype, channels: int, num_cells: int) -> tuple[Supernet, nn.Module]:
    sizes = {"channels": channels, "num_cells": num_cells, "num_classes": 5}
    product = Supernet(space, **sizes, build_edge=FullEdge if share == 1 else partial_channels(share)).to(dtype)
    plain = ReferenceSupernet(space, **sizes, share=share).to(dtype)
    assert list(product.state_dict()) == list(plain.state_dict())
    plain.load_state_dict(product.state_dict())
    return product, plain


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


@pytest.mark.usefixtures("where")
@pytest.mark.parametrize(
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
def test_supernet_matches_the_plain_one(space: str, share: int, size: int, channels: int, num_cells: int) -> None:
    smaller = compact(SPACES[space])
    product, plain = pair(smaller, share, torch.float64, channels, num_cells)
    images = torch.randn(8, 3, size, size, dtype=torch.float64)
    weights = random_mixing(smaller, torch.float64, edges=share > 1)
    assert worst(everything(product, images, weights), everything(plain, images, weights)) < 1e-10


@pytest.mark.parametrize("share", [1, 2])
def test_in_float32_the_supernet_is_as_exact_as_the_plain_one(share: int) -> None:
    # Depth amplifies rounding, also in the plain network, so its error is the measure.
    product, plain = pair(SPACES["darts"], share, torch.float32, 4, 3)
    images, weights = torch.randn(32, 3, 8, 8), random_mixing(SPACES["darts"], torch.float32, edges=False)
    state = {name: value.clone() for name, value in product.state_dict().items()}
    found, beside = everything(product, images, weights), everything(plain, images, weights)
    plain.double().load_state_dict(state)
    exact = everything(plain, images.double(), [weight.detach().double().requires_grad_() for weight in weights])
    assert worst(found, exact) < 10 * worst(beside, exact) + 1e-5


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [2, 4, 8])
@pytest.mark.parametrize("build", [build_candidate, build_operation])
def test_operations_on_small_maps_match_their_layers(build, size, stride, dtype, tolerance) -> None:
    for name in (*NAMES, "nor_conv_1x1", "nor_conv_3x3", "plain_avg_pool_3x3"):
        operation = build(name, 3, stride).to(dtype)
        if not isinstance(operation, JointOperation):
            continue
        results = []
        state = {key: value.clone() for key, value in operation.state_dict().items()}
        x = torch.randn(16, 3, size, size, dtype=dtype, requires_grad=True)
        assert is_small(x)
        for call in (operation, operation.run_alone):
            operation.load_state_dict(state)
            output = call(x)
            assert output.shape == (16, 3, size // stride, size // stride)
            # A constant direction would make the two parts of a batch norm's gradient cancel.
            gradients = torch.autograd.grad((output * torch.arange(16).view(-1, 1, 1, 1)).sum(), x)
            results.append({"output": output, "gradient": gradients[0], **dict(operation.named_buffers())})
            results[-1] = {key: value.detach().clone() for key, value in results[-1].items()}
        assert worst(*results) < tolerance * (10 if dtype == torch.float32 else 1), name


def test_a_watched_layer_is_called() -> None:
    network = DerivedNetwork(PUBLISHED["DARTS_V2"], None, channels=4, num_cells=3, num_classes=2).eval()
    images = torch.randn(1, 3, 8, 8)
    macs = count_macs(network, lambda: network(images))
    with torch.device("meta"):
        meta = DerivedNetwork(PUBLISHED["DARTS_V2"], None, channels=4, num_cells=3, num_classes=2).eval()
        nothing = torch.empty(1, 3, 8, 8)
    assert macs == count_macs(meta, lambda: meta(nothing)) > 0


def test_observation_contains_every_candidate_and_their_sum() -> None:
    product, plain = pair(SPACES["darts"], 1, torch.float64, 4, 3)
    images = torch.randn(16, 3, 8, 8, dtype=torch.float64)
    mixing = Mixing(*(CellMixing(w.detach()) for w in random_mixing(SPACES["darts"], torch.float64, edges=False)))
    seen = {}
    product.eval()(images, mixing, lambda cell, edge, observed: seen.__setitem__((cell, edge), observed))
    assert len(seen) == 3 * 14
    for (cell, edge), observed in seen.items():
        weights = mixing.cell(product.cells[cell].cell_type).operations[edge]
        assert set(observed.outputs) == set(NAMES)
        operations = plain.eval().cells[cell].edges[edge].candidates.operations
        total = 0.0
        for name, operation in operations.items():
            expected = operation(observed.input)
            torch.testing.assert_close(observed.outputs[name], expected, rtol=1e-9, atol=1e-9)
            total = total + weights[SPACES["darts"].normal[edge].index(name)] * expected
        torch.testing.assert_close(observed.mixed, total, rtol=1e-9, atol=1e-9)
