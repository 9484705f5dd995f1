"""The supernet is a pure function of images and mixing weights."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from aca_ray.nn import CellMixing, Mixing, Supernet, candidate_mask
from aca_ray.nn.edges import EdgeObservation
from aca_ray.nn.fused import fuse
from aca_ray.space import SPACES, Space, Topology

RAGGED = Space(
    "ragged",
    Topology(num_inputs=2, num_nodes=2),
    normal=(
        ("sep_conv_3x3", "none", "max_pool_3x3"),
        ("skip_connect",),
        ("noise", "dil_conv_3x3"),
        *[("none", "avg_pool_3x3")] * 2,
    ),
    reduce=(("max_pool_3x3", "skip_connect"), ("skip_connect",), *[("dil_conv_5x5", "none")] * 3),
)
QUIET = replace(RAGGED, normal=(*RAGGED.normal[:2], ("dil_conv_3x3",), *RAGGED.normal[3:]))


def uniform(space: Space) -> Mixing:
    masks = [candidate_mask(space, cell_type).float() for cell_type in ("normal", "reduce")]
    return Mixing(*(CellMixing(mask / mask.sum(dim=1, keepdim=True)) for mask in masks))


def build(space: Space, num_cells: int = 5, size: int = 8) -> tuple[Supernet, Tensor]:
    torch.manual_seed(0)
    network = fuse(Supernet(space, channels=4, num_cells=num_cells, num_classes=3))
    return network, torch.randn(4, 3, size, size)


@pytest.mark.parametrize("size", [8, 32])  # fused, small and large maps are computed in different ways
@pytest.mark.parametrize("space", [SPACES["s1"], QUIET], ids=["s1", "ragged"])
def test_evaluation_depends_only_on_images_and_mixing(space: Space, size: int) -> None:
    network, images = build(space, num_cells=3, size=size)
    network.eval()
    state = {name: value.clone() for name, value in network.state_dict().items()}
    mixing = uniform(space)
    before = mixing.normal.operations.clone()
    with torch.no_grad():
        first = network(images, mixing)
        other = network(images, replace(mixing, normal=CellMixing(mixing.normal.operations.flip(1) * 2)))
        assert torch.equal(network(images, mixing), first)
    assert not torch.allclose(first, other)
    assert torch.equal(mixing.normal.operations, before)
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())


def test_both_cell_types_use_their_own_weights() -> None:
    network, images = build(SPACES["s2"], num_cells=3)
    mixing = uniform(SPACES["s2"])
    mixing = Mixing(
        *(CellMixing(cell.operations.requires_grad_()) for cell in (mixing.normal.detach(), mixing.reduce.detach()))
    )
    loss = network(images, mixing).square().mean()
    gradients = torch.autograd.grad(loss, (mixing.normal.operations, mixing.reduce.operations))
    assert all(bool((gradient != 0).all()) for gradient in gradients)


@pytest.mark.parametrize("size", [8, 32])
def test_entries_without_a_candidate_are_not_read(size: int) -> None:
    network, images = build(QUIET, num_cells=3, size=size)
    mixing = uniform(QUIET)
    spoiled = Mixing(
        *(
            CellMixing(cell.operations.masked_fill(~candidate_mask(QUIET, cell_type), torch.nan).requires_grad_())
            for cell, cell_type in ((mixing.normal, "normal"), (mixing.reduce, "reduce"))
        )
    )
    network.eval()
    output = network(images, spoiled)
    assert torch.equal(output, network(images, mixing))
    output.sum().backward()
    for cell, cell_type in ((spoiled.normal, "normal"), (spoiled.reduce, "reduce")):
        gradient = cell.operations.grad
        assert gradient is not None
        assert bool(gradient.isfinite().all())
        assert not gradient[~candidate_mask(QUIET, cell_type)].any()


def test_edge_weights_scale_edges() -> None:
    space = QUIET
    network, images = build(space)
    network.eval()
    plain = uniform(space)
    ones = Mixing(*(CellMixing(cell.operations, torch.ones(5)) for cell in (plain.normal, plain.reduce)))
    assert torch.equal(network(images, ones), network(images, plain))
    weights = torch.tensor([0.5, 2.0, 0.25, 3.0, 1.5])
    # An edge that is a weighted sum can be scaled as a whole or term by term.
    by_edge = Mixing(*(CellMixing(cell.operations, weights) for cell in (plain.normal, plain.reduce)))
    by_term = Mixing(*(CellMixing(cell.operations * weights[:, None]) for cell in (plain.normal, plain.reduce)))
    assert torch.allclose(network(images, by_edge), network(images, by_term), atol=1e-5)
    assert not torch.allclose(network(images, by_edge), network(images, plain), atol=1e-3)


def test_every_edge_of_every_cell_is_observed_once() -> None:
    network, images = build(RAGGED)
    seen: dict[tuple[int, int], EdgeObservation] = {}

    def observe(cell: int, edge: int, observation: EdgeObservation) -> None:
        assert (cell, edge) not in seen
        seen[cell, edge] = observation

    network(images, uniform(RAGGED), observe)
    assert set(seen) == {(cell, edge) for cell in range(5) for edge in range(5)}
    # Reductions are cells 1 and 3: channels double and, on edges from inputs, resolution halves.
    for (cell, edge), observation in seen.items():
        channels, size = (4, 8, 8, 16, 16)[cell], (8, 4, 4, 2, 2)[cell]
        assert observation.mixed.shape == (4, channels, size, size)
        strided = cell in (1, 3) and RAGGED.topology.edges[edge].source < 2
        assert observation.input.shape == (4, channels, size * (1 + strided), size * (1 + strided))
        names = RAGGED.candidates("reduce" if cell in (1, 3) else "normal")[edge]
        assert set(observation.outputs) == set(names) - {"none"}


def test_only_noise_is_random() -> None:
    network, images = build(SPACES["s4"], num_cells=3)
    network.eval()
    only_noise = Mixing(*(CellMixing(torch.tensor([[1.0, 0.0]] * 14)) for _ in range(2)))
    no_noise = Mixing(*(CellMixing(torch.tensor([[0.0, 1.0]] * 14)) for _ in range(2)))
    assert not torch.equal(network(images, only_noise), network(images, only_noise))
    assert torch.equal(network(images, no_noise), network(images, no_noise))


def test_batch_norms_inside_cells_have_no_weights() -> None:
    network, _ = build(SPACES["darts"], num_cells=3)
    affine = [name for name, m in network.named_modules() if isinstance(m, nn.BatchNorm2d) and m.affine]
    assert affine == ["stem.1"]


def test_candidate_mask_of_ragged_edges() -> None:
    assert candidate_mask(RAGGED, "normal").tolist() == [
        [True, True, True],
        [True, False, False],
        [True, True, False],
        [True, True, False],
        [True, True, False],
    ]


def test_detached_mixing_has_the_same_values() -> None:
    operations, edges = torch.rand(2, 3, requires_grad=True), torch.rand(2, requires_grad=True)
    mixing = Mixing(CellMixing(operations, edges), CellMixing(operations)).detach()
    assert torch.equal(mixing.normal.operations, operations)
    assert not mixing.normal.operations.requires_grad
    assert mixing.normal.edges is not None
    assert torch.equal(mixing.normal.edges, edges)
    assert not mixing.normal.edges.requires_grad
    assert mixing.reduce.edges is None
    assert mixing.cell("reduce") is mixing.reduce
