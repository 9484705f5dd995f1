"""Perturbed mixing weights in the neighborhood of the architecture's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from aca_ray.methods.core import SearchMethod
from aca_ray.methods.loss import batch_loss
from aca_ray.methods.moment import Moment
from aca_ray.methods.parts.perturbation import growing_radius, onto_simplex, random_neighbor, worst_neighbor
from aca_ray.methods.registry import find_method
from aca_ray.methods.views import WeightStep
from aca_ray.nn import CellMixing, Mixing, Supernet, candidate_mask
from aca_ray.search.search import Search
from aca_ray.space import SPACES, Space, Topology

RAGGED = Space(
    "ragged",
    Topology(num_inputs=2, num_nodes=2),
    normal=(("skip_connect", "none", "sep_conv_3x3"), ("sep_conv_3x3",), ("none",), *[("noise", "sep_conv_3x3")] * 2),
    reduce=(("max_pool_3x3", "avg_pool_3x3"), *[("skip_connect", "dil_conv_3x3")] * 4),
)


@pytest.mark.parametrize(("epoch", "expected"), [(0, 0.03), (25, 0.165), (49, 0.2946)])
def test_radius_at_the_papers_budget(epoch: int, expected: float) -> None:
    radius = growing_radius(0.3)
    assert radius(Moment(epoch, 50)) == pytest.approx(expected)
    assert radius(Moment(2 * epoch, 100)) == radius(Moment(epoch, 50))
    assert growing_radius(0.03)(Moment(epoch, 50)) == pytest.approx(0.03)


def test_onto_the_simplex_by_hand() -> None:
    rows = torch.tensor(
        [
            [0.2, 0.3, 0.3],  # divided by its sum
            [-0.1, 0.5, 1.5],  # clamped, then divided
            [-0.3, -0.1, -0.2],  # no positive entry: 1 at the largest
            [-0.3, -0.1, 0.0],  # the same, and the 0 is not a candidate
            [0.4, 0.1, 0.5],  # only the first is a candidate
        ]
    )
    allowed = torch.tensor([[True] * 3] * 3 + [[True, True, False], [True, False, False]])
    expected = [[0.25, 0.375, 0.375], [0.0, 1 / 3, 2 / 3], [0.0, 1.0, 0.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]
    assert torch.allclose(onto_simplex(rows, allowed), torch.tensor(expected))


def step_of(space: Space, method: SearchMethod | None = None) -> tuple[WeightStep, Mixing]:
    """A weight step of a tiny supernet, and the mixing weights of its architecture."""
    network = Supernet(space, channels=4, num_cells=3, num_classes=3).train()
    own = method or find_method("darts")
    parameters = own.initial_parameters(space, torch.Generator().manual_seed(1))
    moment = Moment(30, 50)
    batch = torch.randn(8, 3, 8, 8), torch.randint(3, (8,))
    network(batch[0], own.mixing(space, parameters, moment))  # initializes the running statistics
    return WeightStep(network, lambda: own.mixing(space, parameters, moment), batch, moment), own.mixing(
        space, parameters, moment
    ).detach()


def loss_at(step: WeightStep, mixing: Mixing) -> float:
    step.network.eval()
    with torch.no_grad():
        loss = batch_loss(step.network(step.train[0], mixing), step.train[1])
    step.network.train()
    return float(loss)


@pytest.fixture
def exact() -> Iterator[None]:
    """Double precision."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("neighbor", [random_neighbor, worst_neighbor])
@pytest.mark.parametrize("radius", [0.02, 0.3, 1.0])
def test_neighbors_are_distributions_over_real_candidates(
    neighbor: Callable[..., Callable[[WeightStep], Mixing]], radius: float
) -> None:
    step, center = step_of(RAGGED)
    found = neighbor(lambda moment: radius)(step)
    for cell_type in RAGGED.cell_types:
        rows, mask = found.cell(cell_type).operations, candidate_mask(RAGGED, cell_type)
        assert not rows.requires_grad
        assert bool((rows >= 0).all())
        assert torch.allclose(rows.sum(dim=1), torch.ones(5))
        assert not rows[~mask].any()
        alone = mask.sum(dim=1) == 1
        assert torch.equal(rows[alone], center.cell(cell_type).operations[alone])
        assert not torch.equal(rows, center.cell(cell_type).operations)


def test_noise_is_uniform_within_the_radius() -> None:
    """Rows of two are (p + a, q + b) divided by 1 + a + b, so their ratio depends only on the noise."""
    step, _ = step_of(SPACES["s2"])
    weight_mixing = random_neighbor(lambda moment: 0.1)
    drawn = torch.stack([weight_mixing(step).normal.operations[:, 0] for _ in range(300)])
    # .5 + a over 1 + a + b: between .4 / 1.0 and .6 / 1.0, and symmetric about one half.
    assert float(drawn.min()) > 0.4 - 1e-3
    assert float(drawn.max()) < 0.6 + 1e-3
    assert float(drawn.min()) < 0.41
    assert float(drawn.max()) > 0.59
    assert abs(float(drawn.mean()) - 0.5) < 3e-3
    # (a - b) / (2 (1 + a + b)): the variance is about (2 * .1^2 / 3) / 4.
    assert float(drawn.var()) == pytest.approx(0.01 / 6, rel=0.1)


@pytest.mark.usefixtures("exact")
def test_the_worst_neighbor_is_worse_than_the_center_and_than_random_ones() -> None:
    step, center = step_of(SPACES["s1"])
    worst = loss_at(step, worst_neighbor(lambda moment: 0.2)(step))
    random = [loss_at(step, random_neighbor(lambda moment: 0.2)(step)) for _ in range(10)]
    assert worst > loss_at(step, center)
    assert worst > max(random)


@pytest.mark.usefixtures("exact")
def test_the_ascent_against_a_plain_implementation() -> None:
    """Gradients by finite differences, edge by edge; the start is the draw that the same seed gives."""
    names = ("skip_connect", "sep_conv_3x3", "avg_pool_3x3")
    space = Space("small", Topology(2, 1), normal=(names, names), reduce=(names[:2], names[1:]))
    step, center = step_of(space)
    radius, distance = 0.1, 1e-6
    torch.manual_seed(4)
    found = worst_neighbor(lambda moment: radius)(step)
    torch.manual_seed(4)
    tables = [center.normal.operations, center.reduce.operations]

    def projected(table: Tensor) -> Tensor:
        inside = table.clamp(0.0, 1.0)
        return inside / inside.sum(dim=1, keepdim=True)

    def loss(rows: list[Tensor]) -> float:
        return loss_at(step, Mixing(*(CellMixing(table) for table in rows)))

    rows = [projected(table + torch.empty_like(table).uniform_(-radius, radius)) for table in tables]
    for _ in range(7):
        signs = []
        for which, table in enumerate(rows):
            sign = torch.zeros_like(table)
            for place in range(table.numel()):
                shift = torch.zeros(table.numel()).index_fill(0, torch.tensor(place), distance).view_as(table)
                sides = [loss([*rows[:which], table + side * shift, *rows[which + 1 :]]) for side in (1, -1)]
                sign.view(-1)[place] = torch.tensor(sides[0] - sides[1]).sign()
            signs.append(sign)
        moved = [table + 2 * radius / 7 * sign for table, sign in zip(rows, signs, strict=True)]
        rows = [
            projected(torch.maximum(torch.minimum(table, start + radius), start - radius))
            for table, start in zip(moved, tables, strict=True)
        ]
    assert loss(rows) > loss(tables)
    for cell, table in zip((found.normal, found.reduce), rows, strict=True):
        assert torch.allclose(cell.operations, table)


class Peak(nn.Module):
    """A network whose loss is largest at given mixing weights."""

    def __init__(self, top: Mixing, labels: Tensor) -> None:
        super().__init__()
        self.top, self.right = top, functional.one_hot(labels)

    def forward(self, images: Tensor, mixing: Mixing) -> Tensor:
        cells = ((mixing.normal, self.top.normal), (mixing.reduce, self.top.reduce))
        return self.right * sum((own.operations - best.operations).square().sum() for own, best in cells)


def test_the_center_is_kept_if_the_ascent_ends_at_a_lower_loss() -> None:
    step, center = step_of(RAGGED)
    found = worst_neighbor(lambda moment: 0.2)(replace(step, network=Peak(center, step.train[1])))
    assert torch.equal(found.normal.operations, center.normal.operations)
    assert torch.equal(found.reduce.operations, center.reduce.operations)


def test_the_ascent_restores_the_network() -> None:
    step, _ = step_of(SPACES["s1"])
    state = {name: value.clone() for name, value in step.network.state_dict().items()}
    worst_neighbor(lambda moment: 0.2)(step)
    assert all(torch.equal(value, state[name]) for name, value in step.network.state_dict().items())
    assert all(module.training for module in step.network.modules())
    assert all(parameter.grad is None for parameter in step.network.parameters())


@pytest.mark.parametrize("neighbor", [random_neighbor, worst_neighbor])
def test_a_space_of_one_cell_type(neighbor: Callable[..., Callable[[WeightStep], Mixing]]) -> None:
    step, center = step_of(SPACES["nasbench201"])
    found = neighbor(lambda moment: 0.2)(step)
    assert found.reduce.operations.shape == (0, 0)
    assert torch.allclose(found.normal.operations.sum(dim=1), torch.ones(6))
    assert not torch.equal(found.normal.operations, center.normal.operations)


@pytest.mark.parametrize("name", ["sdarts_rs", "sdarts_adv"])
def test_only_the_weight_step_is_perturbed(build_search: Callable[..., Search], name: str) -> None:
    """The first architecture step, on equal weights, is that of DARTS; the weight step after it is not."""
    found = []
    for method in (find_method("darts"), find_method(name), find_method(f"{name}(noise_max=0.1)")):
        search = build_search(method, SPACES["s1"], num_epochs=10, num_cells=3)
        search.clock = 5
        search.step(5, 0)
        found.append(
            (
                torch.cat([parameter.detach().flatten() for parameter in search.parameters.values()]),
                torch.cat([parameter.detach().flatten() for parameter in search.network.parameters()]),
            )
        )
    plain, perturbed, less = found
    assert torch.equal(plain[0], perturbed[0])
    assert not torch.equal(plain[1], perturbed[1])
    assert not torch.equal(less[1], perturbed[1])
