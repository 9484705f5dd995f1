"""Packed passes, against the same passes alone, in float64."""

from __future__ import annotations

import pytest
import torch
from compact_spaces import compact
from torch import Tensor, nn

from aca_ray.nn import CellMixing, Mixing, Supernet
from aca_ray.nn.edges import (
    AuxiliarySkipEdge,
    DropPathEdge,
    EdgeBuilder,
    FullEdge,
    SampledEdge,
    SampledEdgeWithScalars,
    attended_channels,
    partial_channels,
    ranked_partial_channels,
    skip_dropout,
)
from aca_ray.nn.fused import fuse
from aca_ray.packing.contents import Contents
from aca_ray.packing.packed_pass import PackedPass
from aca_ray.packing.passes import Pass
from aca_ray.packing.rows import Rows
from aca_ray.space import SPACES, Space

EDGES = {
    "full": FullEdge,
    "partial": partial_channels(2),
    "auxiliary": AuxiliarySkipEdge,
    "attention": attended_channels(2),
    "ranked": ranked_partial_channels(2),
}


def network(space: Space, build_edge: EdgeBuilder, seed: int) -> Supernet:
    torch.manual_seed(seed)
    found = fuse(Supernet(space, channels=4, num_cells=3, num_classes=3, build_edge=build_edge).double())
    found.set_strength(0.5)
    return found


def a_pass(space: Space, build_edge: EdgeBuilder, seed: int, *, side: int = 8) -> Pass:
    """Return a pass that wants the gradients of all its inputs."""
    supernet = network(space, build_edge, seed)
    weights = []
    for kind in ("normal", "reduce"):
        edges = space.candidates(kind) if kind in space.cell_types else ()  # type: ignore[arg-type]
        shape = (len(edges), max(map(len, edges), default=0))
        weights.append(torch.rand(shape, dtype=torch.float64).requires_grad_())
    mixing = Mixing(CellMixing(weights[0]), CellMixing(weights[1]))
    images = torch.randn(4, 3, side, side, dtype=torch.float64)
    return Pass.through(Contents(supernet), images, mixing)


def gradients(own: Pass, logits: Tensor) -> dict[str, Tensor | None]:
    names = sorted(own.wanted)
    found = torch.autograd.grad(logits, [own.inputs[name] for name in names], 2 * logits.detach(), allow_unused=True)
    return dict(zip(names, found, strict=True))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("kind", EDGES)
def test_edges(kind: str, training: bool) -> None:
    check(compact(SPACES["s1"]), EDGES[kind], training)


@pytest.mark.parametrize("name", ["darts", "s3", "nasbench201"])
def test_spaces(name: str) -> None:
    check(SPACES[name], FullEdge, training=True)


def check(space: Space, build_edge: EdgeBuilder, training: bool) -> None:
    passes = [a_pass(space, build_edge, seed) for seed in range(3)]
    for own in passes:
        own.contents.network.train(training)
    alone = [a_pass(space, build_edge, seed) for seed in range(3)]
    expected = []
    for own in alone:
        own.contents.network.train(training)
        logits = own.compute(own.inputs, own.buffers, own.images)
        expected.append((logits.detach(), gradients(own, logits)))
    packed = PackedPass(passes, Rows())
    found = packed.gradients({number: 2 * packed.logits[number] for number in range(3)})
    for number, (logits, of_inputs) in enumerate(expected):
        torch.testing.assert_close(packed.logits[number], logits, rtol=1e-9, atol=1e-9)
        for name, gradient in of_inputs.items():
            own_gradient = found[number][name]
            assert (own_gradient is None) == (gradient is None), name
            if gradient is not None:
                torch.testing.assert_close(own_gradient, gradient, rtol=1e-7, atol=1e-9)
        for name, buffer in alone[number].buffers.items():
            torch.testing.assert_close(passes[number].buffers[name], buffer, rtol=1e-9, atol=1e-9)


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize("kind", EDGES)
def test_edges_on_other_devices(kind: str) -> None:
    check(compact(SPACES["s1"]), EDGES[kind], training=True)


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize("name", ["darts", "nasbench201"])
def test_spaces_on_other_devices(name: str) -> None:
    check(compact(SPACES[name]), FullEdge, training=True)


def test_gradients_can_be_requested_for_some_passes_first() -> None:
    def packed() -> PackedPass:
        return PackedPass([a_pass(SPACES["s1"], FullEdge, seed) for seed in range(3)], Rows())

    at_once, one_by_one = packed(), packed()
    expected = at_once.gradients({number: at_once.logits[number] for number in range(3)})
    assert not any(at_once.has_graph(number) for number in range(3))
    found = one_by_one.gradients({2: one_by_one.logits[2]})
    assert [one_by_one.has_graph(number) for number in range(3)] == [True, True, False]
    found |= one_by_one.gradients({number: one_by_one.logits[number] for number in range(2)})
    for number, of_inputs in expected.items():
        for name, gradient in of_inputs.items():
            own = found[number][name]
            assert (own is None) == (gradient is None)
            if gradient is not None:
                torch.testing.assert_close(own, gradient, rtol=1e-9, atol=1e-12)


def test_a_single_pass_is_not_changed_by_packing() -> None:
    own, other = (a_pass(SPACES["s4"], FullEdge, 0) for _ in range(2))  # has noise
    torch.manual_seed(1)
    packed = PackedPass([own], Rows())
    torch.manual_seed(1)
    logits = other.compute(other.inputs, other.buffers, other.images)
    assert torch.equal(packed.logits[0], logits)
    (found,) = packed.gradients({0: 2 * packed.logits[0]}).values()
    for name, gradient in gradients(other, logits).items():
        assert gradient is None or torch.equal(found[name], gradient)  # type: ignore[arg-type]
    assert all(torch.equal(buffer, other.buffers[name]) for name, buffer in own.buffers.items())


def test_rows_keep_the_parameters_of_the_networks() -> None:
    networks = [network(SPACES["s1"], FullEdge, seed) for seed in range(3)]
    before = [{name: tensor.clone() for name, tensor in own.state_dict().items()} for own in networks]
    parameters = [list(own.parameters()) for own in networks]
    rows, contents = Rows(), {own: Contents(own) for own in networks}
    for held in (networks, networks[:2], networks):
        rows.hold([contents[own] for own in held])
    for own, state, known in zip(networks, before, parameters, strict=True):
        assert all(torch.equal(tensor, state[name]) for name, tensor in own.state_dict().items())
        assert all(one is other for one, other in zip(own.parameters(), known, strict=True))
    with torch.no_grad():
        networks[1].stem[0].weight.zero_()
    table, shared = rows.table("network.stem.0.weight", [own.stem[0].weight for own in networks])
    assert shared
    assert not table[1].any()
    assert table[0].any()
    _, shared = rows.table("network.stem.0.weight", [own.stem[0].weight + 0 for own in networks])
    assert not shared


def test_kinds_distinguish_different_functions() -> None:
    def kind(space: str = "s1", edge: EdgeBuilder = FullEdge, strength: float = 0.5, **also: int) -> object:
        own = a_pass(SPACES[space], edge, 0, **also)
        own.contents.network.set_strength(strength)
        return own.kind

    assert kind() == kind()
    others = [
        kind("s2"),
        kind("s3"),
        kind(edge=partial_channels(2)),
        kind(edge=AuxiliarySkipEdge),
        kind(strength=0.25),
        kind(side=4),
    ]
    assert len({kind(), *others}) == 1 + len(others)
    own = a_pass(SPACES["s1"], FullEdge, 0)
    own.contents.network.eval()
    assert own.kind != kind()
    with torch.no_grad():
        unwanted = kind()
    assert unwanted != kind()


def test_which_passes_can_be_packed() -> None:
    small, large = torch.zeros(2, 3, 8, 8), torch.zeros(2, 3, 32, 32)

    def can_pack(space: str, build_edge: EdgeBuilder, images: Tensor) -> bool:
        return Contents(network(SPACES[space], build_edge, 0)).can_pack(images)

    assert can_pack("s1", FullEdge, small)
    assert not can_pack("s1", FullEdge, large)  # on a CPU
    assert not can_pack("s4", FullEdge, small)  # has noise
    for build_edge in (SampledEdge, SampledEdgeWithScalars, DropPathEdge, skip_dropout):
        assert not can_pack("s1", build_edge, small)
    watched = Contents(network(SPACES["s1"], FullEdge, 0))
    handle = next(m for m in watched.network.modules() if isinstance(m, nn.Conv2d)).register_forward_hook(
        lambda *_: None
    )
    assert not watched.can_pack(small)
    handle.remove()
    assert watched.can_pack(small)
