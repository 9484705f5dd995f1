"""OPP-DARTS: the order in which candidates join, and the state that growth keeps and resets."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from aca_ray.methods.moment import Moment, moment_at
from aca_ray.methods.opp_darts import extended_mixing, hardest, stage_epochs, uniform
from aca_ray.methods.registry import find_method
from aca_ray.methods.views import Batch, StageView
from aca_ray.nn import CellMixing, Mixing
from aca_ray.nn.supernet import Supernet
from aca_ray.search.search import Search
from aca_ray.space import SPACES, Space, Topology, find_space, without_skip

BuildSearch = Callable[..., Search]
OPP_DARTS = find_method("opp_darts")
STAGE_EPOCHS = stage_epochs(8)
CONVOLUTIONS = ("sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5")


def growth(search: Search) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Yield every epoch of the search with its candidates, which are the same on all edges."""
    for epoch in range(search.num_epochs):
        search.clock = epoch
        search._enter_epoch()
        (names,) = {*search.space.normal, *search.space.reduce}
        yield epoch, names


@pytest.mark.parametrize(
    ("space", "num_candidates"),
    [
        (SPACES["darts"], [1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8]),
        (SPACES["darts_without_none"], [1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 7, 7]),
        (without_skip(SPACES["darts"]), [1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 7, 7]),
    ],
    ids=lambda value: value.name if isinstance(value, Space) else "",
)
def test_candidates_join_every_other_epoch_and_the_skip_last(
    build_search: BuildSearch, space: Space, num_candidates: list[int]
) -> None:
    small = Space("small", Topology(num_inputs=2, num_nodes=1), normal=space.normal[:2], reduce=space.reduce[:2])
    search = build_search(OPP_DARTS, small, num_epochs=50, num_cells=3)
    counts, before = [], ()
    for epoch, names in growth(search):
        assert names[: len(before)] == before
        counts.append(len(names))
        before = names
        if epoch == len(num_candidates) - 1:
            break
    assert counts == num_candidates
    assert before[0] in CONVOLUTIONS
    assert sorted(before) == sorted(space.normal[0])
    assert before[-1] == "skip_connect" or "skip_connect" not in space.normal[0]


@pytest.mark.parametrize(
    ("num_candidates", "epochs"),
    [(2, [2] * 7 + [36]), (8, [2] * 7 + [36]), (10, [2] * 9 + [32]), (12, [2] * 11 + [28])],
)
def test_spaces_with_more_candidates_have_more_stages(num_candidates: int, epochs: list[int]) -> None:
    assert list(stage_epochs(num_candidates)) == epochs


@pytest.mark.slow
def test_all_of_many_candidates_join_on_edges_that_are_not_deleted(build_search: BuildSearch) -> None:
    names = (*SPACES["darts"].normal[0], "nor_conv_1x1", "nor_conv_3x3")
    edges = (names, names, ("none",), names, names)
    space = Space("small", Topology(num_inputs=2, num_nodes=2), normal=edges, reduce=(names,) * 5)
    search = build_search(OPP_DARTS, space, num_epochs=50, num_cells=3)
    search.clock = 49
    search._enter_epoch()
    (joined,) = {*search.space.reduce}
    assert sorted(joined) == sorted(names)
    assert joined[-1] == "skip_connect"
    assert search.space.normal == (joined, joined, ("none",), joined, joined)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("darts", None),
        ("s2", None),
        ("s4", None),
        ("darts(none,skip_connect,nor_conv_3x3)", None),
        ("darts(none,skip_connect,nor_conv_3x3;normal 0->3=none)", None),
        ("s1", "different operations"),
        ("darts(skip_connect,nor_conv_3x3;normal 0->3=nor_conv_3x3)", "different operations"),
        ("darts(normal=sep_conv_3x3;reduce=sep_conv_5x5)", "different operations"),
        ("darts(skip_connect,max_pool_3x3)", "no operation with weights"),
        ("nasbench201", "one input"),
    ],
)
def test_spaces_that_it_refuses(text: str, reason: str | None) -> None:
    found = OPP_DARTS.refuses(find_space(text))
    assert found is None if reason is None else reason in str(found)


SPACE = Space(
    "tiny",
    Topology(num_inputs=2, num_nodes=1),
    normal=(("max_pool_3x3", "sep_conv_3x3"),) * 2,
    reduce=(("max_pool_3x3", "sep_conv_3x3"),) * 2,
)
JOINING = [(*SPACE.normal[0], name) for name in ("none", "dil_conv_3x3", "avg_pool_3x3")]


def view_of(search: Search, nets: list[Supernet]) -> StageView:
    """Return a view of the search that appends its fresh networks to a list."""

    def build(space: Space) -> Supernet:
        nets.append(search._build(space).train())
        return nets[-1]

    def batches() -> Iterator[Batch]:
        return search._all_images("search_train")

    return StageView(
        network=search.network,
        space=search.space,
        parameters=search.parameters,
        mixing=search.mixing(),
        moment=search.moment,
        generator=torch.Generator(),
        build=build,
        train_batches=unread,
        augmented_train_batches=batches,
        augmented_valid_batches=unread,
    )


def unread() -> Iterator[Batch]:
    raise AssertionError("candidates are compared on augmented images of search_train only")


class Scripted(torch.nn.Module):
    """Classifies a batch with the loss that a table gives for its size."""

    def __init__(self, losses: dict[int, float]) -> None:
        super().__init__()
        self.losses = losses

    def forward(self, images: Tensor, mixing: Mixing) -> Tensor:
        right = math.exp(-self.losses[len(images)])
        return torch.tensor([[right, 1.0 - right]]).log().expand(len(images), 2)


def test_losses_are_averaged_over_batches_and_not_over_images(build_search: BuildSearch) -> None:
    """Batches of 3 and 1 images: the first choice is worse over images (.75 to .55), the second over batches."""
    tables = iter([{3: 1.0, 1: 0.0}, {3: 0.4, 1: 1.0}])
    view = replace(
        view_of(build_search(OPP_DARTS, SPACE, num_cells=3), []),
        build=lambda space: Scripted(next(tables)),
        augmented_train_batches=lambda: [(torch.zeros(n, 3, 8, 8), torch.zeros(n, dtype=torch.long)) for n in (3, 1)],
    )
    names, _ = hardest(view, JOINING[:2], {})
    assert names == JOINING[1]


def test_the_choice_with_the_largest_training_loss_wins_and_keeps_its_measured_state(build_search: BuildSearch) -> None:
    search = build_search(OPP_DARTS, SPACE, num_cells=3)
    state = copy.deepcopy(search.network.state_dict())
    nets: list[Supernet] = []
    names, winner = hardest(view_of(search, nets), JOINING, state)
    assert len(nets) == len(JOINING)

    losses = []
    batches = list(search._all_images("search_train"))
    assert len(batches) == 2
    for choice, net in zip(JOINING, nets, strict=True):
        for name, tensor in state.items():
            if "running" not in name and "num_batches" not in name:
                assert torch.equal(net.state_dict()[name], tensor)
        alphas = [search.parameters[f"alpha_{kind}"].detach() for kind in ("normal", "reduce")]
        tables = [torch.cat((alpha.exp(), torch.ones(2, 1)), dim=1) for alpha in alphas]  # exp(0) for the new one
        mixing = Mixing(*(CellMixing(table / table.sum(dim=1, keepdim=True)) for table in tables))
        net.train()
        with torch.no_grad():
            logits = torch.cat([net(images, mixing) for images, _ in batches])
        labels = torch.cat([labels for _, labels in batches])
        probabilities = logits.exp() / logits.exp().sum(dim=1, keepdim=True)
        losses.append(float(-probabilities[torch.arange(len(labels)), labels].log().mean()))
        assert choice[:2] == SPACE.normal[0]
    assert len(set(losses)) == len(JOINING)
    best = losses.index(max(losses))
    assert names == JOINING[best]
    for name, tensor in nets[best].named_parameters():
        assert torch.equal(winner[name], tensor)
    for name, tensor in search.network.state_dict().items():
        assert torch.equal(tensor, state[name])  # batch norms included


def test_logits_of_present_candidates_are_kept(build_search: BuildSearch) -> None:
    search = build_search(OPP_DARTS, SPACE, num_cells=3)
    with torch.no_grad():
        search.parameters["alpha_normal"][0] = torch.tensor([math.log(2.0), math.log(5.0)])
    mixing = extended_mixing(view_of(search, []), uniform(SPACE, ("sep_conv_3x3", "none", "max_pool_3x3")))
    assert torch.allclose(mixing.normal.operations[0], torch.tensor([5 / 8, 1 / 8, 2 / 8]))


def test_growth_keeps_trained_weights_and_restarts_both_optimizers(build_search: BuildSearch) -> None:
    search = build_search(OPP_DARTS, SPACES["darts"], num_epochs=50, num_cells=3)
    search.step(0, 0)
    search.step(0, 1)
    search.clock = 2
    weights = {name: weight.detach().clone() for name, weight in search.network.named_parameters()}
    alphas = {name: alpha.detach().clone() for name, alpha in search.parameters.items()}
    assert search.weight_optimizer.state
    assert search.arch_optimizer.state
    search._enter_epoch()
    for name, weight in weights.items():
        assert torch.equal(search.network.get_parameter(name), weight)
    assert len(list(search.network.parameters())) >= len(weights)
    for name, alpha in alphas.items():
        assert search.parameters[name].shape == (14, 2)
        assert torch.equal(search.parameters[name][:, :1], alpha)
        assert 0 < float(search.parameters[name][:, 1].detach().abs().max()) < 0.01
    assert not search.weight_optimizer.state
    assert not search.arch_optimizer.state


def lr(moment: Moment) -> float:
    return OPP_DARTS.learning_rate(OPP_DARTS.recipe, moment)


def test_the_learning_rate_restarts_at_its_current_value() -> None:
    """lr(e) = .001 + .5 (lr_now - .001) (1 + cos(pi (e - e0) / (50 - e0))), as a loop over the epochs."""
    start, lr_now = 0, 0.025
    for epoch in range(50):
        value = 0.001 + 0.5 * (lr_now - 0.001) * (1 + math.cos(math.pi * (epoch - start) / (50 - start)))
        if epoch in (2, 4, 6, 8, 10, 12, 14):
            start, lr_now = epoch, value
        assert lr(moment_at(epoch, 50, STAGE_EPOCHS)) == pytest.approx(value)
    # Printed by the official main.
    for epoch, official in ((15, 0.024093), (20, 0.022587), (30, 0.014577)):
        assert lr(moment_at(epoch, 50, STAGE_EPOCHS)) == pytest.approx(official, abs=5e-7)
    plain = [0.001 + 0.012 * (1 + math.cos(math.pi * epoch / 50)) for epoch in range(50)]
    assert lr(moment_at(2, 50, STAGE_EPOCHS)) == pytest.approx(plain[2])
    assert lr(moment_at(30, 50, STAGE_EPOCHS)) > 1.05 * plain[30]


@pytest.mark.parametrize("num_epochs", [1, 3, 25, 100])
def test_the_learning_rate_falls_in_searches_of_any_length(num_epochs: int) -> None:
    rates = [lr(moment_at(epoch, num_epochs, STAGE_EPOCHS)) for epoch in range(num_epochs)]
    assert rates[0] == pytest.approx(0.025)
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] > 0.001


def test_first_candidates_start_from_scratch(build_search: BuildSearch) -> None:
    search = build_search(OPP_DARTS, SPACE, num_epochs=50, num_cells=3)
    stem: Tensor = search.network.get_parameter("stem.0.weight").detach().clone()
    search._enter_epoch()
    assert not torch.equal(search.network.get_parameter("stem.0.weight"), stem)
