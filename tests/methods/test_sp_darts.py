"""SP-DARTS: temperatures of steps, and a derivation to four decimals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from aca_ray.methods.moment import Moment
from aca_ray.methods.parts.derivation import top_two
from aca_ray.methods.sp_darts import METHOD, build, top_two_rounded
from aca_ray.nn import CellMixing, Mixing
from aca_ray.search.search import Search
from aca_ray.space import SPACES, KeptEdge, Space, Topology

SPACE = SPACES["s1"]
ALPHA = {
    f"alpha_{kind}": 1e-3 * torch.randn(14, 2, generator=torch.Generator().manual_seed(0))
    for kind in ("normal", "reduce")
}


def rows(moment: Moment, *, settled: bool = False) -> Tensor:
    mixing = METHOD.settled_mixing if settled else METHOD.mixing
    return mixing(SPACE, ALPHA, moment).normal.operations


def at(temperature: float) -> Tensor:
    scaled = (ALPHA["alpha_normal"] / temperature).exp()
    return scaled / scaled.sum(dim=1, keepdim=True)


def sparse_share(epoch: int, num_epochs: int = 50, num_steps: int = 400) -> float:
    """Return the share of steps at the lower of the two temperatures; check that there is no third one."""
    low, high = at(1e-3), at(1e-2)
    count = 0
    for seed in range(num_steps):
        found = rows(Moment(epoch, num_epochs, step_seed=seed))
        is_sparse = torch.allclose(found, low)
        assert is_sparse != torch.allclose(found, high)
        count += is_sparse
    return count / num_steps


def test_the_share_of_sparse_steps() -> None:
    assert sparse_share(49) == 1.0
    assert sparse_share(199, num_epochs=200) == 1.0
    assert sparse_share(1) == pytest.approx(1 / 49, abs=0.03)
    assert sparse_share(25) == pytest.approx(25 / 49, abs=0.08)


@pytest.mark.parametrize("num_epochs", [1, 2, 50])
def test_the_first_epoch_is_warm(num_epochs: int) -> None:
    for seed in range(20):
        assert torch.allclose(rows(Moment(0, num_epochs, step_seed=seed)), at(10.0))
    assert torch.allclose(rows(Moment(0, num_epochs), settled=True), at(1.0))


def test_settled_mixing_weights_have_the_temperature_of_the_derivation() -> None:
    for seed in range(20):
        assert torch.allclose(rows(Moment(1, 50, step_seed=seed), settled=True), at(1e-3))


def test_both_updates_of_a_step_share_the_temperature(build_search: Callable[..., Search]) -> None:
    used: list[Tensor] = []

    def record(alpha: Tensor, mask: Tensor, moment: Moment) -> Tensor:
        used.append(METHOD.relax_operations(ALPHA["alpha_normal"], mask, moment))
        return METHOD.relax_operations(alpha, mask, moment)

    search = build_search(replace(METHOD, relax_operations=record), SPACE, num_epochs=21, num_cells=3)
    per_step = []
    for epoch in range(8, 13):
        search.clock = epoch
        for index in range(2):
            used.clear()
            search.step(epoch, index)
            assert len(used) == 4  # two updates, two cell types
            assert all(torch.equal(used[0], other) for other in used)
            per_step.append(bool(torch.allclose(used[0], at(1e-3))))
    assert len(set(per_step)) == 2


def test_masked_entries() -> None:
    ragged = Space(
        "ragged", Topology(2, 1), normal=(("skip_connect", "sep_conv_3x3"), ("noise",)), reduce=(("noise",),) * 2
    )
    alpha = {
        "alpha_normal": torch.tensor([[0.0, 1e-3], [0.3, 9.0]], requires_grad=True),
        "alpha_reduce": torch.tensor([[1.0], [-1.0]]),
    }
    mixing = METHOD.mixing(ragged, alpha, Moment(9, 10))
    assert mixing.normal.operations[1].tolist() == [1.0, 0.0]
    (gradient,) = torch.autograd.grad(mixing.normal.operations[:, 0].sum(), alpha["alpha_normal"])
    weight = float(torch.sigmoid(torch.tensor(-1.0)))
    assert gradient[0, 0] == pytest.approx(weight * (1 - weight) * 1e3, rel=1e-4)
    assert gradient[1].tolist() == [0.0, 0.0]


def test_recipe() -> None:
    for epoch in range(50):
        assert METHOD.learning_rate(METHOD.recipe, Moment(epoch, 50)) == 0.05
    assert (METHOD.recipe.batch_size, METHOD.recipe.arch_weight_decay) == (80, 0.0)


def test_initial_logits_scale_with_the_temperature() -> None:
    def settled(temperature: float) -> Tensor:
        method = build(temperature=temperature)
        parameters = method.initial_parameters(SPACE, torch.Generator().manual_seed(5))
        return method.settled_mixing(SPACE, parameters, Moment(1, 2)).normal.operations.detach()

    assert torch.allclose(settled(1e-3), settled(0.1), atol=1e-5)
    assert float(settled(1e-3).amax(dim=1).mean()) > 0.6  # of standard deviation 1


def test_the_temperature_is_a_setting() -> None:
    colder = build(temperature=1e-4)
    assert torch.allclose(colder.settled_mixing(SPACE, ALPHA, Moment(1, 2)).normal.operations, at(1e-4))


NAMES = ("none", "skip_connect", "sep_conv_3x3")
TINY = Space("tiny", Topology(2, 2), normal=(NAMES,) * 5, reduce=(NAMES,) * 5)


def derive(table: list[list[float]]) -> tuple[KeptEdge, ...]:
    mixing = Mixing(CellMixing(torch.tensor(table)), CellMixing(torch.tensor(table)))
    return top_two_rounded(mixing, TINY).normal.edges


def test_ties_at_four_decimals_go_to_later_sources() -> None:
    table = [
        [0.0, 0.60002, 0.39998],  # from 0 to 2
        [0.0, 0.39999, 0.60001],
        [0.0, 0.70004, 0.29996],  # from 0 to 3; unrounded the strongest
        [0.0, 0.70002, 0.29998],
        [0.0, 0.30000, 0.70000],
    ]
    assert derive(table) == (
        ("sep_conv_3x3", 1, 2),
        ("skip_connect", 0, 2),
        ("sep_conv_3x3", 2, 3),
        ("skip_connect", 1, 3),
    )
    mixing = Mixing(CellMixing(torch.tensor(table)), CellMixing(torch.tensor(table)))
    assert [edge.source for edge in top_two(mixing, TINY).normal.edges] == [0, 1, 0, 1]


def test_differences_in_the_fourth_decimal_count() -> None:
    even = [0.0, 0.5, 0.5]
    table = [even, even, [0.0, 0.5002, 0.4998], even, even]
    assert derive(table) == (
        ("skip_connect", 1, 2),
        ("skip_connect", 0, 2),
        ("skip_connect", 0, 3),
        ("skip_connect", 2, 3),
    )


def test_none_is_never_derived() -> None:
    table = [[1.0, 0.0, 0.0]] * 4 + [[0.9, 0.0, 0.1]]
    assert derive(table)[2:] == (("sep_conv_3x3", 2, 3), ("skip_connect", 1, 3))
