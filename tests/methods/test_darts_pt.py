"""DARTS-PT: decisions by accuracy, and their epochs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, cast

import pytest
import torch
from torch import Tensor

from aca_ray.methods.darts_pt import after
from aca_ray.methods.moment import Moment, moment_at
from aca_ray.methods.parts.decisions import decide_inputs, decide_operation
from aca_ray.methods.registry import find_method
from aca_ray.methods.views import Batch, StageView
from aca_ray.nn import CellMixing, Mixing
from aca_ray.search.search import Search
from aca_ray.space import SPACES, Space, Topology, without_skip

BuildSearch = Callable[..., Search]
DARTS_PT = find_method("darts_pt")
NUM_IMAGES = 100


class Toy:
    """A network with an accuracy, in percent, given by a function of the mixing weights."""

    def __init__(self, accuracy: Callable[[Mixing], int]) -> None:
        self.accuracy = accuracy
        self.seen: list[Mixing] = []

    def __call__(self, images: Tensor, mixing: Mixing) -> Tensor:
        self.seen.append(mixing)
        right = images.flatten() < self.accuracy(mixing)
        return torch.stack((right.float(), 1.0 - right.float()), dim=1)  # class 0 is right


def view(space: Space, mixing: Mixing, network: Any, seed: int = 0) -> StageView:
    def images() -> Iterator[Batch]:
        for part in torch.arange(NUM_IMAGES).view(-1, 1, 1, 1).split(64):  # the last batch is smaller
            yield part, torch.zeros(len(part), dtype=torch.long)

    def unread() -> Iterator[Batch]:
        raise AssertionError("decisions read augmented images of search_valid only")

    return StageView(
        network=cast(Any, network),
        space=space,
        parameters={},
        mixing=mixing,
        moment=Moment(0, 1),
        generator=torch.Generator().manual_seed(seed),
        build=lambda space: network,
        train_batches=unread,
        augmented_train_batches=unread,
        augmented_valid_batches=images,
    )


def tiny(*edges: tuple[str, ...], num_nodes: int = 1) -> Space:
    return Space("tiny", Topology(num_inputs=2, num_nodes=num_nodes), normal=edges, reduce=edges)


ONE_OPEN = tiny(("skip_connect", "sep_conv_3x3", "noise"), ("noise",))
TABLE = Mixing(*(CellMixing(torch.tensor([[0.5, 0.3, 0.2], [1.0, 0.0, 0.0]])) for _ in range(2)))


@pytest.mark.parametrize(
    ("accuracies", "winner"),
    [
        ((50, 40, 60), "sep_conv_3x3"),
        ((40, 50, 60), "skip_connect"),
        ((60, 50, 40), "noise"),
        ((50, 40, 40), "sep_conv_3x3"),
    ],
)
def test_the_candidate_without_which_accuracy_is_lowest_stays(accuracies: tuple[int, ...], winner: str) -> None:
    def accuracy(mixing: Mixing) -> int:
        row = mixing.normal.operations[0]
        (missing,) = (row == 0).nonzero().flatten().tolist()
        kept = [column for column in range(3) if column != missing]
        assert torch.equal(row[kept], TABLE.normal.operations[0][kept])  # not renormalized
        assert torch.equal(mixing.reduce.operations, TABLE.reduce.operations)
        return accuracies[missing]

    toy = Toy(accuracy)
    assert decide_operation(view(ONE_OPEN, TABLE, toy), TABLE, "normal") == {0: (winner,)}
    assert len(toy.seen) == 3 * 2  # every candidate, both batches


def test_the_second_cell_is_decided_with_the_first_cells_decision_in_place() -> None:
    toy = Toy(lambda mixing: 50)
    start = after(decide_operation, keep_momentum=True)(view(ONE_OPEN, TABLE, toy))
    assert start.space.normal == start.space.reduce == (("skip_connect",), ("noise",))  # ties: the first one
    for mixing in toy.seen[:6]:
        assert torch.equal(mixing.reduce.operations, TABLE.reduce.operations)
    for mixing in toy.seen[6:]:
        assert torch.equal(mixing.normal.operations, torch.tensor([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]]))
    assert torch.equal(TABLE.normal.operations[0], torch.tensor([0.5, 0.3, 0.2]))


def test_edges_are_drawn_among_the_undecided() -> None:
    names = ("skip_connect", "sep_conv_3x3")
    space = tiny(names, ("noise",), names, names, ("none", "noise"), num_nodes=2)
    mixing = Mixing(*(CellMixing(torch.full((5, 2), 0.5)) for _ in range(2)))
    drawn = set()
    for seed in range(40):
        drawn |= set(decide_operation(view(space, mixing, Toy(lambda mixing: 50), seed), mixing, "normal").items())
    assert drawn == {(0, ("skip_connect",)), (2, ("skip_connect",)), (3, ("skip_connect",)), (4, ("noise",))}


def test_none_is_selected_only_if_edges_may_be_missing() -> None:
    edges = (("none", "skip_connect"),)
    two = tiny(*edges * 2)
    one = Space("one", Topology(num_inputs=1, num_nodes=1), normal=edges, reduce=())
    tables = Mixing(CellMixing(torch.full((2, 2), 0.5)), CellMixing(torch.full((2, 2), 0.5)))

    def none_is_missed(mixing: Mixing) -> int:
        return 10 if bool((mixing.normal.operations[:, 0] == 0).any()) else 90

    assert set(decide_operation(view(two, tables, Toy(none_is_missed)), tables, "normal").values()) == {
        ("skip_connect",)
    }
    assert decide_operation(view(one, tables, Toy(none_is_missed)), tables, "normal") == {0: ("none",)}


def test_decided_spaces_do_not_change() -> None:
    space = tiny(("noise",), ("noise",))
    mixing = Mixing(*(CellMixing(torch.ones(2, 1)) for _ in range(2)))
    for decide in (decide_operation, decide_inputs):
        assert after(decide, keep_momentum=True)(view(space, mixing, None)).space == space


@pytest.mark.parametrize(
    ("accuracies", "deleted"),
    [((10, 20, 30, 40), {2, 3}), ((40, 20, 30, 10), {0, 2}), ((50, 50, 50, 50), {2, 3}), ((50, 60, 50, 50), {1, 3})],
)
def test_the_edges_without_which_accuracy_is_highest_go(accuracies: tuple[int, ...], deleted: set[int]) -> None:
    """Ties remove the last edge, as in a loop that deletes the best one so far until two are left."""
    names = [("noise",)] * 9
    space = tiny(*names, num_nodes=3)  # edges 5 to 8 enter the last node
    mixing = Mixing(*(CellMixing(torch.ones(9, 1)) for _ in range(2)))

    def accuracy(mixing: Mixing) -> int:
        (missing,) = (mixing.normal.operations[:, 0] == 0).nonzero().flatten().tolist()  # one at a time
        return accuracies[missing - 5] if missing >= 5 else 0

    seen = set()
    for seed in range(20):
        decided = decide_inputs(view(space, mixing, Toy(accuracy), seed), mixing, "normal")
        assert set(decided.values()) == {("none",)}
        seen.add(frozenset(decided))
    assert seen == {frozenset({4}), frozenset(5 + edge for edge in deleted)}  # either of the nodes with three and four


def test_deleted_edges_do_not_count_as_inputs() -> None:
    space = tiny(*[("noise",)] * 4, ("none",), num_nodes=2)
    mixing = Mixing(*(CellMixing(torch.ones(5, 1)) for _ in range(2)))
    assert decide_inputs(view(space, mixing, None), mixing, "normal") == {}


@pytest.mark.parametrize(
    ("space", "num_epochs", "begins"),
    [
        ("darts_without_none", 131, [0, *range(50, 131, 5)]),
        ("nasbench201", 125, [0, 100, 105, 110, 115, 120, 124]),
    ],
)
def test_decisions_every_five_epochs(space: str, num_epochs: int, begins: list[int]) -> None:
    lengths = [stage.epochs for stage in DARTS_PT.stages(SPACES[space])]
    moments = [moment_at(epoch, num_epochs, lengths) for epoch in range(num_epochs)]
    assert sum(lengths) == num_epochs
    assert sorted({moment.stage_start for moment in moments}) == begins
    rates = [DARTS_PT.learning_rate(DARTS_PT.recipe, moment) for moment in moments]
    assert rates[0] == 0.025
    assert rates[begins[1] // 2] == pytest.approx(0.013)  # the cosine half way
    assert set(rates[begins[1] :]) == {0.0025}


def decided_search(build_search: BuildSearch, space: Space) -> Search:
    search = build_search(DARTS_PT, space, num_epochs=30, num_cells=3)
    search.clock = 29
    search.step(29, 0)
    return search


def test_at_the_end_the_space_is_the_genotype(build_search: BuildSearch) -> None:
    search = decided_search(build_search, tiny(*SPACES["s3"].normal[:9], num_nodes=3))
    genotype = search.genotype()
    for kind in ("normal", "reduce"):
        left = dict(zip(search.space.topology.edges, search.space.candidates(kind), strict=True))
        kept = {edge.edge: (edge.operation,) for edge in genotype.cell(kind).edges}
        assert kept == {edge: names for edge, names in left.items() if names != ("none",)}
        assert [edge.target for edge in genotype.cell(kind).edges] == [2, 2, 3, 3, 4, 4]


def test_spaces_decided_from_the_start_still_choose_their_inputs(build_search: BuildSearch) -> None:
    search = decided_search(build_search, without_skip(SPACES["s2"]))
    assert search.space.normal.count(("none",)) == 6
    assert {edge.operation for edge in search.genotype().normal.edges} == {"sep_conv_3x3"}


def test_weights_are_kept_and_momentum_is_reset_only_at_the_first_decision(build_search: BuildSearch) -> None:
    search = build_search(DARTS_PT, SPACES["s3"], num_epochs=131, num_cells=3)
    search._stages_begun = 1
    for epoch, kept in ((50, False), (55, True), (60, True)):
        search.clock = epoch - 1
        search.step(epoch - 1, 0)
        search.step(epoch - 1, 1)
        weights = {name: weight.detach().clone() for name, weight in search.network.named_parameters()}
        buffers = {
            name: search.weight_optimizer.state[weight]["momentum_buffer"].clone()
            for name, weight in search.network.named_parameters()
        }
        steps = search.arch_optimizer.state[search.parameters["alpha_normal"]]["step"].item()
        assert search.clock == epoch
        search._enter_epoch()
        assert search.weight_optimizer.param_groups[0]["lr"] == 0.0025
        for name, weight in search.network.named_parameters():
            assert torch.equal(weight, weights[name])
            if kept:
                assert torch.equal(search.weight_optimizer.state[weight]["momentum_buffer"], buffers[name])
        assert bool(search.weight_optimizer.state) == kept
        assert search.arch_optimizer.state[search.parameters["alpha_normal"]]["step"].item() == steps
        assert sum(len(names) == 1 for names in search.space.normal) == (epoch - 45) // 5


def test_a_cell_without_remaining_edges_is_still_trained(build_search: BuildSearch) -> None:
    space = replace(SPACES["nasbench201"], normal=(("none",),) * 6)
    search = build_search(DARTS_PT, space, num_epochs=2)
    search.clock = 1
    search.step(1, 0)
    assert not search.parameters["alpha_normal"].grad.any()
    assert search.genotype().normal.edges == ()


def test_accuracy_is_measured_in_training_mode(build_search: BuildSearch) -> None:
    search = build_search(DARTS_PT, SPACES["s3"], num_epochs=131, num_cells=3)
    search.step(0, 0)
    passes = search.network.get_buffer("stem.1.num_batches_tracked").item()
    search.clock = 50
    search._enter_epoch()
    # Two candidates that are not `none`, two batches, two cells: running statistics move as in the official code.
    assert search.network.get_buffer("stem.1.num_batches_tracked").item() == passes + 8
