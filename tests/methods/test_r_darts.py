"""R-DARTS: stronger weight decay; drop path on the edges, and cutout."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from aca_ray.methods import darts_second_order, r_darts_dp, r_darts_l2
from aca_ray.methods.core import SearchMethod
from aca_ray.methods.moment import Moment
from aca_ray.methods.parts.arch_gradient import unrolled
from aca_ray.nn.edges import DropPathEdge, FullEdge, Scheduled
from aca_ray.search.search import Search
from aca_ray.space import Space, Topology

BuildSearch = Callable[..., Search]
NAMES = ("none", "skip_connect", "sep_conv_3x3")
SPACE = Space("tiny", Topology(num_inputs=2, num_nodes=1), normal=(NAMES,) * 2, reduce=(NAMES,) * 2)


def after_epochs(search: Search, num_epochs: int, start: int = 0) -> list[Tensor]:
    search.clock = start
    for epoch in range(start, start + num_epochs):
        for index in range(search.steps_per_epoch):
            search.step(epoch, index)
    return [tensor.detach().clone() for tensor in (*search.parameters.values(), *search.network.parameters())]


def same(one: list[Tensor], other: list[Tensor]) -> bool:
    return all(torch.equal(*pair) for pair in zip(one, other, strict=True))


@pytest.mark.parametrize("method", [r_darts_l2.METHOD, r_darts_dp.METHOD])
def test_the_gradient_is_of_second_order(method: SearchMethod) -> None:
    assert method.arch_gradient is unrolled


@pytest.mark.parametrize("weight_decay", [None, 3e-4, 81e-4])
def test_the_weight_decay_reaches_sgd(build_search: BuildSearch, weight_decay: float | None) -> None:
    method = r_darts_l2.METHOD if weight_decay is None else r_darts_l2.build(weight_decay=weight_decay)
    search = build_search(method, SPACE, num_cells=3)
    assert search.weight_optimizer.param_groups[0]["weight_decay"] == (weight_decay or 27e-4)
    plain = build_search(darts_second_order.METHOD, SPACE, num_cells=3)
    torch.manual_seed(1)
    found = after_epochs(search, 1)
    torch.manual_seed(1)
    assert same(found, after_epochs(plain, 1)) == (weight_decay == 3e-4)


@pytest.mark.parametrize("drop_path", [0.4, 0.6, 0.0])
@pytest.mark.parametrize("growing", [0, 1])
def test_drop_path_grows_and_cutout_grows_if_requested(drop_path: float, growing: int) -> None:
    method = r_darts_dp.build(drop_path=drop_path, growing_cutout=growing)
    for epoch in (0, 7, 24, 49):
        assert method.edge_strength(Moment(epoch, 50)) == pytest.approx(drop_path * epoch / 49)
        cutout = epoch / 49 if growing else 1.0
        assert method.cutout(Moment(epoch, 50)) == pytest.approx(cutout if drop_path else 0.0)
    assert r_darts_dp.METHOD.edge_strength(Moment(49, 50)) == 0.4


def test_every_image_of_both_splits_is_cut_out_from_the_first_epoch(build_search: BuildSearch) -> None:
    """As in the official code, which never reads the growing probability: 400 of 400 images at 0."""
    for growing, share in ((0, 1.0), (1, 0.0)):
        search = build_search(r_darts_dp.build(growing_cutout=growing), SPACE, num_epochs=50, num_cells=3)
        for split in ("search_train", "search_valid"):
            images, _ = search._batch(split, 0, search.moment)
            plain, _ = search.batches[split].batch(0)
            changed = (images != plain).flatten(1).any(dim=1)
            assert float(changed.float().mean()) == share
            assert bool((images[images != plain] == 0).all())


def test_a_search_sets_the_strength_of_every_edge(build_search: BuildSearch) -> None:
    search = build_search(r_darts_dp.METHOD, SPACE, num_epochs=5, num_cells=3)
    search.clock = 3
    search.step(3, 0)
    edges = [module for module in search.network.modules() if isinstance(module, Scheduled)]
    assert len(edges) == 6
    assert [edge.strength for edge in edges] == pytest.approx([0.4 * 3 / 4] * 6)


def test_without_drop_path_it_is_second_order_darts(build_search: BuildSearch) -> None:
    def outcome(method: SearchMethod, start: int) -> list[Tensor]:
        return after_epochs(build_search(method, SPACE, num_epochs=3, num_cells=3), 1, start)

    for start in (0, 1):
        plain = outcome(darts_second_order.METHOD, start)
        assert same(outcome(r_darts_dp.build(drop_path=0.0), start), plain)
        assert not same(outcome(r_darts_dp.METHOD, start), plain)
        # With growing cutout, nothing is dropped or cut out in the first epoch.
        assert same(outcome(r_darts_dp.build(growing_cutout=1), start), plain) == (start == 0)


def pair_of_edges(strength: float) -> tuple[FullEdge, DropPathEdge]:
    full, dropping = FullEdge(NAMES, 4, 1), DropPathEdge(NAMES, 4, 1)
    dropping.load_state_dict(full.state_dict())
    dropping.strength = strength
    return full, dropping


def test_whole_samples_of_the_mixed_output_are_dropped_and_the_mean_stays() -> None:
    full, dropping = pair_of_edges(0.4)
    images, weights = torch.randn(2000, 4, 4, 4), torch.tensor([0.2, 0.5, 0.3])
    expected, found = full(images, weights), dropping(images, weights)
    dropped = (found == 0).flatten(1).all(dim=1)
    assert float(dropped.float().mean()) == pytest.approx(0.4, abs=0.05)
    assert torch.allclose(found[~dropped], expected[~dropped] / 0.6, atol=1e-5)
    assert not torch.equal(dropped, (dropping(images, weights) == 0).flatten(1).all(dim=1))  # drawn in every pass


def test_nothing_is_dropped_in_evaluation_or_without_strength() -> None:
    images, weights = torch.randn(64, 4, 4, 4), torch.tensor([0.2, 0.5, 0.3])
    for strength, training in ((0.9, False), (0.0, True)):
        full, dropping = pair_of_edges(strength)
        full.train(training)
        dropping.train(training)
        assert torch.equal(dropping(images, weights), full(images, weights))


def test_observed_outputs_are_not_dropped() -> None:
    full, dropping = pair_of_edges(0.9)
    images, weights = torch.randn(8, 4, 4, 4), torch.tensor([0.2, 0.5, 0.3])
    seen: list[Tensor] = []
    dropping(images, weights, lambda observation: seen.append(observation.mixed))
    assert torch.equal(seen[0], full(images, weights))
