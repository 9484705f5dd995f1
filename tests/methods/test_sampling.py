"""The images of a method's steps, and of its passes before a stage."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from aca_ray.data import SearchData, Split
from aca_ray.methods import darts
from aca_ray.methods.core import Stage
from aca_ray.methods.parts.sampling import fresh_batch, independent_images
from aca_ray.methods.registry import find_method, methods
from aca_ray.methods.views import Batch, EpochView, StageStart, StageView
from aca_ray.nn.transfer import same_names
from aca_ray.search.search import Search
from aca_ray.space import Space, Topology

BuildSearch = Callable[..., Search]
NAMES = ("skip_connect", "sep_conv_3x3")
SPACE = Space("tiny", Topology(num_inputs=2, num_nodes=1), normal=(NAMES,) * 2, reduce=(NAMES,) * 2)
NUM_DRAWS = 3000


def generators() -> Iterable[torch.Generator]:
    return (torch.Generator().manual_seed(seed) for seed in range(NUM_DRAWS))


def test_a_fresh_batch_is_a_uniform_draw_without_replacement() -> None:
    counts = torch.zeros(10)
    for generator in generators():
        rows = fresh_batch(10, 4, generator)
        assert len(set(rows.tolist())) == 4
        counts[rows] += 1
    assert torch.allclose(counts / NUM_DRAWS, torch.full((10,), 0.4), atol=0.04)
    assert sorted(fresh_batch(3, 64, torch.Generator()).tolist()) == [0, 1, 2]


def test_independent_images_repeat_as_often_as_independent_draws_do() -> None:
    distinct = [len(set(independent_images(10, 4, generator).tolist())) for generator in generators()]
    assert sum(distinct) / NUM_DRAWS == pytest.approx(10 * (1 - 0.9**4), abs=0.05)  # 3.439
    assert len(independent_images(3, 64, torch.Generator())) == 3


def test_an_epoch_of_fresh_batches_shows_as_many_images_as_the_official_codes() -> None:
    """25,000 images, 391 steps of 64: 25,000 (1 - (1 - 64 / 25,000)^391) = 15,822 distinct ones on average."""
    seen = torch.zeros(25_000, dtype=torch.bool)
    for step in range(391):
        seen[fresh_batch(25_000, 64, torch.Generator().manual_seed(step))] = True
    assert int(seen.sum()) == pytest.approx(15_822, rel=0.01)


PASSES_OVER_VALID = {"p_darts", "darts_minus"}
INDEPENDENT = {"gdas", "pr_darts"}


@pytest.mark.parametrize("name", methods())
def test_the_draws_of_every_method(name: str) -> None:
    method = find_method(name)
    expected = None if name in PASSES_OVER_VALID else independent_images if name in INDEPENDENT else fresh_batch
    assert method.draw_valid is expected
    assert method.draw_train is (fresh_batch if name == "darts_pt" else None)


def rows_of(search: Search, split: Split, num_steps: int) -> list[Tensor]:
    return [search.batches[split].rows(step) for step in range(num_steps)]


def test_batches_of_search_valid_are_always_full(build_search: BuildSearch, search_data: SearchData) -> None:
    """16 images of search_train, 13 of search_valid, batches of 5: a pass would end with smaller ones."""
    search = Search(
        darts.METHOD,
        SPACE,
        SearchData(search_data.info, search_data.train, search_data.valid.select(torch.arange(13))),
        channels=4,
        num_cells=3,
        num_epochs=2,
        seed=0,
        device=torch.device("cpu"),
        batch_size=5,
    )
    assert search.steps_per_epoch == 4
    rows = rows_of(search, "search_valid", 8)
    assert all(len(set(batch.tolist())) == 5 for batch in rows)
    assert len({tuple(batch.tolist()) for batch in rows}) == 8
    assert [len(batch) for batch in rows_of(search, "search_train", 4)] == [5, 5, 5, 1]


def test_curvature_is_measured_on_a_full_batch(build_search: BuildSearch, search_data: SearchData) -> None:
    losses = []

    class Watch:
        def after_epoch(self, view: EpochView) -> None:
            losses.append(float(view.valid_loss().detach()))

        def state_dict(self) -> dict[str, int]:
            return {}

    search = Search(
        replace(darts.METHOD, monitor=Watch),
        SPACE,
        search_data,
        channels=4,
        num_cells=3,
        num_epochs=1,
        seed=0,
        device=torch.device("cpu"),
        batch_size=6,
    )
    sizes = []
    forward = search.network.forward
    search.network.forward = lambda images, *rest: sizes.append(len(images)) or forward(images, *rest)
    for index in range(3):  # 6, 6, 4 images of search_train
        search.step(0, index)
    assert len(losses) == 1
    assert sizes == [6, 6, 6, 6, 6, 4, 6]  # architecture and weights in turn; then the curvature's


def test_every_pass_before_a_stage_is_augmented_and_newly_shuffled(
    build_search: BuildSearch, search_data: SearchData
) -> None:
    seen: list[list[Batch]] = []

    def begin(view: StageView) -> StageStart:
        valid, train = view.augmented_valid_batches, view.augmented_train_batches
        seen.extend([list(valid()), list(valid()), list(train())])
        return StageStart(view.space, same_names, keep_architecture=True)

    method = replace(darts.METHOD, stages=lambda space: (Stage(1), Stage(1, begin=begin)))
    search = build_search(method, SPACE, num_epochs=2, num_cells=3)
    search.clock = 1
    search._enter_epoch()
    for batches, split in zip(seen, (search_data.valid, search_data.valid, search_data.train), strict=True):
        labels = torch.cat([labels for _, labels in batches])
        assert labels.sort().values.tolist() == split.labels.sort().values.tolist()
    first, second = (torch.cat([images for images, _ in batches]) for batches in seen[:2])
    assert not torch.equal(first, second)
    exact = {tuple(image.flatten().tolist()) for image in first} & {tuple(image.flatten().tolist()) for image in second}
    assert len(exact) < len(first)  # shifts and mirrors differ too, not only the order
    again = build_search(method, SPACE, num_epochs=2, num_cells=3)
    again.clock = 1
    again._enter_epoch()
    assert all(torch.equal(one[0], other[0]) for one, other in zip(seen[0], seen[3], strict=True))
