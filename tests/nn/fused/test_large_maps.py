"""Fused layers on maps of any size, against the same layers called one by one."""

from __future__ import annotations

import copy

import pytest
import torch
from compact_spaces import compact
from torch import Tensor, nn

from aca_ray.nn import CellMixing, Mixing, Supernet, candidate_mask
from aca_ray.nn.edges import (
    AuxiliarySkipEdge,
    DropPathEdge,
    EdgeBuilder,
    EdgeObservation,
    FullEdge,
    SampledEdge,
    SampledEdgeWithScalars,
    attended_channels,
    partial_channels,
    ranked_partial_channels,
    skip_dropout,
)
from aca_ray.nn.fused import fuse
from aca_ray.nn.fused.maps import (
    as_maps,
    as_states,
    channels_last,
    concatenate_channels,
    laid_out,
    part,
    shuffle_channels,
    unstacked,
)
from aca_ray.space import SPACES, Space

DARTS = compact(SPACES["darts"])
BUILDERS: dict[str, EdgeBuilder] = {
    "full": FullEdge,
    "partial": partial_channels(4),
    "ranked": ranked_partial_channels(4),
    "attended": attended_channels(4),
    "auxiliary": AuxiliarySkipEdge,
    "drop_path": DropPathEdge,
    "skip_dropout": skip_dropout,
    "sampled": SampledEdge,
    "scalars": SampledEdgeWithScalars,
}
DRAWS_BY_LAYOUT = {"skip_dropout"}  # drops elements in the order of memory, so it is compared in evaluation mode


def supernet(space: Space, edge: str = "full", channels: int = 4) -> Supernet:
    """Return a plain supernet."""
    network = Supernet(space, channels=channels, num_cells=3, num_classes=3, build_edge=BUILDERS[edge]).double()
    network.set_strength(0.3)
    return network


def random_weights(space: Space) -> list[Tensor]:
    return [torch.rand(candidate_mask(space, kind).shape, dtype=torch.float64) for kind in ("normal", "reduce")]


def passed(network: nn.Module, images: Tensor, weights: list[Tensor]) -> dict[str, Tensor]:
    """Return logits, gradients of weights and mixing, and buffers after a pass."""
    torch.manual_seed(1)
    weights = [own.clone().requires_grad_() for own in weights]
    logits = network(images, Mixing(*map(CellMixing, weights)))
    names, parameters = zip(*network.named_parameters(), strict=True)
    inputs = (*parameters, *weights)
    gradients = torch.autograd.grad(logits.square().sum(), inputs, materialize_grads=True)
    names = (*names, "normal", "reduce")
    return {"logits": logits.detach(), **dict(zip(names, gradients, strict=True)), **dict(network.named_buffers())}


def assert_equal(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    for name, value in expected.items():
        scale = max(1e-3, float(value.abs().max())) if value.numel() else 1.0
        torch.testing.assert_close(
            found[name], value, rtol=0, atol=1e-10 * scale, msg=lambda text, n=name: f"{n}: {text}"
        )


@pytest.mark.usefixtures("where")
@pytest.mark.parametrize(
    ("edge", "training"),
    [*((edge, edge not in DRAWS_BY_LAYOUT) for edge in BUILDERS), ("full", False), ("partial", False)],
)
def test_every_edge_matches_its_layers(edge: str, training: bool) -> None:
    network = supernet(DARTS, edge).train(training)
    plain, network = network, fuse(copy.deepcopy(network))
    images, weights = torch.randn(2, 3, 12, 12, dtype=torch.float64), random_weights(DARTS)
    if edge in {"sampled", "scalars"}:
        weights = [torch.where(own > 0.7, own, 0.0) for own in weights]
    assert_equal(passed(network, images, weights), passed(plain, images, weights))


@pytest.mark.usefixtures("where")
@pytest.mark.parametrize("space", ["s1", "s2", "s3", "s4", "nasbench201"])
def test_every_space_matches_its_layers(space: str) -> None:
    network = supernet(SPACES[space])
    plain, network = network, fuse(copy.deepcopy(network))
    images, weights = torch.randn(2, 3, 12, 12, dtype=torch.float64), random_weights(SPACES[space])
    assert_equal(passed(network, images, weights), passed(plain, images, weights))


@pytest.mark.usefixtures("where")
@pytest.mark.parametrize("channels", [8, 16, 48])  # 2, 4 and 12 pass: fused or one by one
def test_any_number_of_passing_channels(channels: int) -> None:
    network = supernet(DARTS, "partial", channels)
    plain, network = network, fuse(copy.deepcopy(network))
    images, weights = torch.randn(2, 3, 12, 12, dtype=torch.float64), random_weights(DARTS)
    assert_equal(passed(network, images, weights), passed(plain, images, weights))


@pytest.mark.usefixtures("where")
def test_observing_changes_nothing() -> None:
    plain = supernet(DARTS, "partial").eval()
    network = fuse(copy.deepcopy(plain))
    images = torch.randn(2, 3, 12, 12, dtype=torch.float64)
    mixing = Mixing(*map(CellMixing, random_weights(DARTS)))
    seen: list[EdgeObservation] = []
    logits = network(images, mixing, lambda cell, edge, observation: seen.append(observation))
    torch.testing.assert_close(logits, network(images, mixing))
    others: list[EdgeObservation] = []
    plain(images, mixing, lambda cell, edge, observation: others.append(observation))
    assert len(seen) == len(others) == 3 * len(DARTS.normal)
    for found, expected in zip(seen, others, strict=True):
        assert found.outputs.keys() == expected.outputs.keys()
        for name, output in expected.outputs.items():
            torch.testing.assert_close(found.outputs[name], output)
        torch.testing.assert_close(found.mixed, expected.mixed)


@pytest.mark.usefixtures("where")
def test_curvature_in_the_mixing_weights() -> None:
    network = supernet(SPACES["s3"], channels=2)
    images, weights = torch.randn(2, 3, 12, 12, dtype=torch.float64), random_weights(SPACES["s3"])
    directions = [torch.randn_like(own) for own in weights]

    def times_hessian(network: Supernet) -> list[Tensor]:
        at = [own.clone().requires_grad_() for own in weights]
        loss = network(images, Mixing(*map(CellMixing, at))).square().sum()
        gradient = torch.autograd.grad(loss, at, create_graph=True)
        along = sum((own * direction).sum() for own, direction in zip(gradient, directions, strict=True))
        torch.autograd.grad(along, at, retain_graph=True)
        return list(torch.autograd.grad(along, at))

    plain, fused = times_hessian(network), times_hessian(fuse(copy.deepcopy(network)))
    for found, expected in zip(fused, plain, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-7, atol=1e-8)


def test_results_do_not_depend_on_the_layout_of_images_and_weights() -> None:
    network = fuse(supernet(DARTS).float())
    other = fuse(supernet(DARTS).float())
    state = {
        name: value.contiguous(memory_format=torch.channels_last) if value.dim() == 4 else value
        for name, value in network.state_dict().items()
    }
    other.load_state_dict(state)
    images, weights = torch.randn(4, 3, 20, 20), [own.float() for own in random_weights(DARTS)]
    found, expected = passed(other, channels_last(images), weights), passed(network, images, weights)
    assert all(torch.equal(found[name], value) for name, value in expected.items())


def test_it_runs_without_gradients_and_under_autocast() -> None:
    network = fuse(supernet(DARTS, "partial").float())
    images, weights = torch.randn(4, 3, 20, 20), [own.float() for own in random_weights(DARTS)]
    mixing = Mixing(*map(CellMixing, weights))
    network.eval()
    expected = network(images, mixing)
    with torch.inference_mode():
        torch.testing.assert_close(network(images, mixing), expected)
    with torch.autocast("cpu", torch.bfloat16):
        logits = network.train()(images, mixing)
        logits.float().square().sum().backward()
    assert all(parameter.grad is not None for parameter in network.cells.parameters())


def test_layouts() -> None:
    large, small = channels_last(torch.randn(2, 6, 10, 10)), torch.randn(2, 6, 4, 4)
    assert laid_out(large).data_ptr() == large.data_ptr()
    assert as_maps(laid_out(small)).is_contiguous()
    assert torch.equal(laid_out(small), small)
    for state in (large, laid_out(small)):
        first, second = as_states(unstacked(state, 2))
        assert torch.equal(first, state[:, :3])
        assert torch.equal(second, state[:, 3:])
        assert torch.equal(concatenate_channels([first, second]), state)
        assert torch.equal(shuffle_channels(state, 2), state[:, [0, 3, 1, 4, 2, 5]])
    assert shuffle_channels(large, 2).is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("side", [10, 4])
def test_gradients_of_parts_have_the_layout_of_the_state(side: int) -> None:
    state = laid_out(torch.randn(2, 6, side, side)).requires_grad_()
    inner = state * 2
    seen: list[Tensor] = []
    inner.register_hook(seen.append)
    first, shifted = part(inner, channels=slice(2)), part(inner, positions=slice(1, None))
    assert torch.equal(first, inner[:, :2])
    assert torch.equal(shifted, inner[:, :, 1:, 1:])
    first.square().sum().backward()
    assert seen[0].stride() == state.stride()
    assert torch.equal(seen[0][:, :2], 2 * inner[:, :2])
    assert not seen[0][:, 2:].any()


def test_parts_of_a_concatenation_get_dense_gradients() -> None:
    parts = [channels_last(torch.randn(2, 4, 10, 10)).requires_grad_() for _ in range(2)]
    inner = [own * 2 for own in parts]
    seen: list[Tensor] = []
    for own in inner:
        own.register_hook(seen.append)
    concatenate_channels(inner).square().sum().backward()
    assert all(gradient.is_contiguous(memory_format=torch.channels_last) for gradient in seen)
    torch.testing.assert_close(parts[0].grad, 8 * parts[0].detach())


def test_shuffle_order() -> None:
    channels = torch.arange(8.0).view(1, 8, 1, 1)
    assert shuffle_channels(channels, 4).flatten().tolist() == [0, 2, 4, 6, 1, 3, 5, 7]
    assert shuffle_channels(channels, 2).flatten().tolist() == [0, 4, 1, 5, 2, 6, 3, 7]
