"""Fused supernets against the reference, and fused operations on small maps against plain ones."""

from __future__ import annotations

import copy

import pytest
import torch
from against_reference import CASES, everything, pair, random_mixing, worst
from compact_spaces import compact

from aca_ray.nn import CellMixing, Mixing
from aca_ray.nn.fused import fuse
from aca_ray.nn.fused.maps import is_small
from aca_ray.nn.fused.operations import FusedOperation
from aca_ray.nn.operations import build_candidate, build_operation
from aca_ray.space import SPACES

NAMES = ("max_pool_3x3", "avg_pool_3x3", "skip_connect", "sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5")


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


@pytest.mark.usefixtures("where")
@CASES
def test_fused_supernets_match_the_reference(space: str, share: int, size: int, channels: int, num_cells: int) -> None:
    smaller = compact(SPACES[space])
    product, reference = pair(smaller, share, torch.float64, channels, num_cells)
    images = torch.randn(8, 3, size, size, dtype=torch.float64)
    weights = random_mixing(smaller, torch.float64, edges=share > 1)
    assert worst(everything(fuse(product), images, weights), everything(reference, images, weights)) < 1e-10


@pytest.mark.parametrize("share", [1, 2])
def test_in_float32_fused_supernets_are_as_exact_as_the_reference(share: int) -> None:
    # Depth amplifies rounding, also in the plain network, so its error is the measure.
    product, plain = pair(SPACES["darts"], share, torch.float32, 4, 3)
    images, weights = torch.randn(32, 3, 8, 8), random_mixing(SPACES["darts"], torch.float32, edges=False)
    state = {name: value.clone() for name, value in product.state_dict().items()}
    found, beside = everything(fuse(product), images, weights), everything(plain, images, weights)
    plain.double().load_state_dict(state)
    exact = everything(plain, images.double(), [weight.detach().double().requires_grad_() for weight in weights])
    assert worst(found, exact) < 10 * worst(beside, exact) + 1e-5


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [2, 4, 8])
@pytest.mark.parametrize("build", [build_candidate, build_operation])
def test_operations_on_small_maps_match_their_layers(build, size, stride, dtype, tolerance) -> None:
    for name in (*NAMES, "nor_conv_1x1", "nor_conv_3x3", "plain_avg_pool_3x3"):
        plain = build(name, 3, stride).to(dtype)
        operation = fuse(copy.deepcopy(plain))
        if not isinstance(operation, FusedOperation):
            continue
        results = []
        state = {key: value.clone() for key, value in operation.state_dict().items()}
        x = torch.randn(16, 3, size, size, dtype=dtype, requires_grad=True)
        assert is_small(x)
        for call in (operation, plain):
            call.load_state_dict(state)
            output = call(x)
            assert output.shape == (16, 3, size // stride, size // stride)
            # A constant direction would make the two parts of a batch norm's gradient cancel.
            gradients = torch.autograd.grad((output * torch.arange(16).view(-1, 1, 1, 1)).sum(), x)
            results.append({"output": output, "gradient": gradients[0], **dict(call.named_buffers())})
            results[-1] = {key: value.detach().clone() for key, value in results[-1].items()}
        assert worst(*results) < tolerance * (10 if dtype == torch.float32 else 1), name


def test_observation_contains_every_candidate_and_their_sum() -> None:
    product, plain = pair(SPACES["darts"], 1, torch.float64, 4, 3)
    images = torch.randn(16, 3, 8, 8, dtype=torch.float64)
    mixing = Mixing(*(CellMixing(w.detach()) for w in random_mixing(SPACES["darts"], torch.float64, edges=False)))
    seen = {}
    fuse(product).eval()(images, mixing, lambda cell, edge, observed: seen.__setitem__((cell, edge), observed))
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
