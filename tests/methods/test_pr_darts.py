"""Gates and penalties of PR-DARTS."""

from __future__ import annotations

import math
from statistics import fmean

import pytest
import torch
from torch import Tensor

from aca_ray.methods.moment import Moment
from aca_ray.methods.parts.hard_concrete import draw_gates, open_probability
from aca_ray.methods.pr_darts import group_penalty, path_penalty, temperature, two_gates
from aca_ray.methods.views import ArchState
from aca_ray.nn import CellMixing, Mixing, candidate_mask
from aca_ray.space import SPACES, Space, without_skip

MASK = torch.tensor([[True] * 4, [True, True, False, False], [True, False, False, False]])
GROUPS = {
    "skip": {"skip_connect"},
    "conv": {
        "none",
        "sep_conv_3x3",
        "sep_conv_5x5",
        "dil_conv_3x3",
        "dil_conv_5x5",
        "nor_conv_1x1",
        "nor_conv_3x3",
    },
    "pool": {"avg_pool_3x3", "max_pool_3x3", "plain_avg_pool_3x3"},
}


def test_temperature() -> None:
    values = [temperature(Moment(epoch, 200)) for epoch in range(200)]
    assert (values[0], values[-1]) == (1.0, 0.1)
    assert values[100] == pytest.approx(1.0 - 0.9 * 100 / 199)


@pytest.mark.parametrize("temperature", [1.0, 0.3])
def test_the_probability_that_a_gate_is_open(temperature: float) -> None:
    logits = torch.tensor([-2.0, 0.0, 1.0])
    gates = draw_gates(logits.expand(20_000, 3), temperature)
    assert torch.allclose((gates > 0).double().mean(dim=0), open_probability(logits, temperature).double(), atol=0.015)
    assert bool(((gates >= 0) & (gates <= 1)).all())
    assert bool((gates == 1).any())


@pytest.mark.parametrize("epoch", [0, 4])
def test_gates_are_zero_or_one_with_the_gradient_of_the_hard_concrete_draw(epoch: int) -> None:
    tau = 1.0 if epoch == 0 else 0.1
    for seed in range(20):
        alpha = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
        scale = torch.randn(3, 4, dtype=torch.float64)
        torch.manual_seed(seed)
        gates = two_gates(alpha, MASK, Moment(epoch, 5))
        assert gates.sum(dim=1).tolist() == [2.0, 2.0, 1.0]
        assert bool(((gates == 0) | (gates == 1)).all())
        assert bool((gates[~MASK] == 0).all())
        (found,) = torch.autograd.grad((gates * scale).sum(), alpha)

        torch.manual_seed(seed)
        u = torch.rand(3, 4, dtype=torch.float64)
        s = 1 / (1 + (-(alpha.detach() + u.log() - (1 - u).log()) / tau).exp())
        stretched = 1.2 * s - 0.1
        slope = torch.where((stretched > 0) & (stretched < 1), 1.2 * s * (1 - s) / tau, 0.0)
        assert torch.allclose(found, torch.where(MASK, scale * slope, 0.0), atol=1e-12)


def test_random_drop_and_ties_in_a_drawn_order() -> None:
    # Gates of 1, 1, 0, 0: the frequency with which the first opens follows from the dropped entries and the ties.
    alpha = torch.tensor([50.0, 50.0, -50.0, -50.0]).expand(200, 4)
    mask = torch.ones(200, 4, dtype=torch.bool)
    opened = torch.stack([two_gates(alpha, mask, Moment(4, 5)) for _ in range(500)]).mean(dim=(0, 1))
    kept_others = {m: math.comb(2, m) * 0.6**m * 0.4 ** (2 - m) for m in range(3)}
    against_one = sum(p / (1 + m) for m, p in kept_others.items())
    against_two = sum(p * 2 / (2 + m) for m, p in kept_others.items())
    first = 0.6 + 0.4 * (0.6 * against_one + 0.4 * against_two)
    assert opened.tolist() == pytest.approx([first, first, 1 - first, 1 - first], abs=0.02)


def drawn_state(space: Space, epoch: int, *, scale: float = 2.0) -> ArchState:
    parameters, cells = {}, {}
    for kind in ("normal", "reduce"):
        if kind not in space.cell_types:
            cells[kind] = CellMixing(torch.zeros(0, 0))
            continue
        mask = candidate_mask(space, kind)
        alpha = (scale * torch.randn(mask.shape, dtype=torch.float64)).requires_grad_()
        parameters[f"alpha_{kind}"] = alpha
        cells[kind] = CellMixing(two_gates(alpha, mask, Moment(epoch, 5)))
    return ArchState(parameters, Mixing(**cells), space, Moment(epoch, 5))


def expected_penalties(state: ArchState) -> tuple[float, float]:
    """The penalties by their formulas, gate by gate."""
    tau = 1.0 - 0.9 * state.moment.epoch / 4
    shares: dict[str, list[float]] = {group: [] for group in GROUPS}
    paths = []
    for kind in state.space.cell_types:
        gates = state.mixing.cell(kind).operations.tolist()
        alpha = state.parameters[f"alpha_{kind}"].tolist()
        found: dict[str, list[float]] = {group: [] for group in GROUPS}
        chain = []
        for edge, names in enumerate(state.space.candidates(kind)):
            convolutions = []
            for column, name in enumerate(names):
                if gates[edge][column] == 1.0:
                    probability = 1 / (1 + math.exp(-(alpha[edge][column] - tau * math.log(0.1 / 1.1))))
                    for group, members in GROUPS.items():
                        if name in members:
                            found[group].append(probability)
                    if name in GROUPS["conv"] and name != "none":  # official code: columns 2 to 5
                        convolutions.append(probability)
            source, target = state.space.topology.edges[edge]
            if target - source == 1 and convolutions:
                chain.append(fmean(convolutions))
        for group, values in found.items():
            shares[group].append(fmean(values) if values else 0.0)
        paths.append(math.prod(chain) if chain else 0.0)
    hinge = {group: max(0.0, fmean(values) - 0.2) for group, values in shares.items()}
    return 0.01 * hinge["skip"] + 0.005 * (hinge["conv"] + hinge["pool"]), -0.005 * fmean(paths)


@pytest.mark.parametrize("space", [*SPACES.values(), *(without_skip(SPACES[name]) for name in ("s1", "s2", "s3"))])
@pytest.mark.parametrize("epoch", [0, 3])
def test_penalties_of_the_gates_that_opened(space: Space, epoch: int) -> None:
    for _ in range(5):
        state = drawn_state(space, epoch)
        found = group_penalty(state).item(), path_penalty(state).item()
        assert found == pytest.approx(expected_penalties(state), rel=1e-9)


def test_penalties_of_closed_and_weak_gates() -> None:
    space = SPACES["s4"]
    state = drawn_state(space, 0)
    only_noise = torch.tensor([[1.0, 0.0]]).expand(14, 2)
    state = ArchState(state.parameters, Mixing(*[CellMixing(only_noise)] * 2), space, state.moment)
    assert (group_penalty(state).item(), path_penalty(state).item()) == (0.0, 0.0)
    weak = drawn_state(SPACES["darts"], 0, scale=0.0)
    for alpha in weak.parameters.values():
        alpha.data.fill_(-5.0)  # P(gate > 0) = sigmoid(-5 + 2.4) < .2
    assert group_penalty(weak).item() == 0.0
    assert path_penalty(weak).item() < 0.0


def test_gradients_of_the_penalties_against_finite_differences() -> None:
    state = drawn_state(SPACES["darts"], 1, scale=0.5)
    for penalty in (group_penalty, path_penalty):

        def value(normal: Tensor, reduce: Tensor, penalty=penalty) -> Tensor:
            return penalty(
                ArchState({"alpha_normal": normal, "alpha_reduce": reduce}, state.mixing, state.space, state.moment)
            )

        assert torch.autograd.gradcheck(value, tuple(state.parameters.values()))
        gradients = torch.autograd.grad(value(*state.parameters.values()), tuple(state.parameters.values()))
        for kind, gradient in zip(("normal", "reduce"), gradients, strict=True):
            closed = state.mixing.cell(kind).operations == 0
            assert bool((gradient[closed] == 0).all())
            assert bool((gradient != 0).any())
