"""Orders for ranking the milestones of a sweep: their folders, plans and protocol."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aca_ray import api
from aca_ray.channels import PlanKind
from aca_ray.config import parse_spec
from aca_ray.driver.rank import rank_checkpoints
from aca_ray.errors import ConfigError, SweepError
from aca_ray.records import TrialFolder
from aca_ray.storage.lock import exclusive
from aca_ray.sweep.manifest import Sweep, create_sweep
from aca_ray.sweep.orders import SearchOrder, search_orders
from aca_ray.sweep.ranking_orders import ranking_orders, sweep_orders
from aca_ray.sweep.vocabulary import vocabulary
from aca_ray.trials.resumable import ResumableTrial

TEXT = """name: ranked
experiment:
  methods: random_search
  spaces: s2
  data: {{name: digits, max_train_images: 64, max_test_images: 32}}
  seeds: [0, 1]
  epochs: 2
  network: {{channels: 4, cells: 3}}
  batch_size: 16
  ranking: [l1, activation]
  allocation: [otsu, strength]
  controls: [random]
  retraining: {{protocol: nasbench201}}
runtime: {{storage: {storage}}}
"""


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    base = tmp_path_factory.mktemp("base")
    text = TEXT.format(storage=base / "results")
    return create_sweep(parse_spec(text, vocabulary(base)), base, text)


@pytest.fixture(scope="module")
def search(sweep: Sweep, finish: Callable[[ResumableTrial], ResumableTrial]) -> SearchOrder:
    """Return the only finished search with allocated skips."""
    import torch

    order = next(order for order in search_orders(sweep) if order.trial.skip == "allocated")
    finish(order.open(torch.device("cpu")))
    return order


def test_the_milestones_of_a_sweep(sweep: Sweep, search: SearchOrder) -> None:
    own = (PlanKind("otsu"), PlanKind("otsu", "random"), PlanKind("strength"), PlanKind("strength", "random"))
    orders = sweep_orders(sweep, [], [])
    assert [(order.ranking, order.folder) for order in orders] == [
        (ranking, TrialFolder(search.folder).allocation(epoch, ranking))
        for ranking in ("l1", "activation")
        for epoch in (1, 2)
    ]
    for order in orders:
        assert order.plans == own
        assert (order.protocol, order.base) == ("nasbench201", sweep.base)
    assert [order.previous for order in orders] == [None, orders[0].folder, None, orders[2].folder]
    more = sweep_orders(sweep, ["taylor"], ["sign", "otsu", "all"])
    assert [order.ranking for order in more] == ["taylor"] * 2
    assert more[0].plans == (*own, PlanKind("sign"), PlanKind("sign", "random"), PlanKind("all"))


def test_a_checkpoint_in_a_sweep_uses_the_sweeps_protocol(sweep: Sweep, search: SearchOrder) -> None:
    (order,) = ranking_orders([TrialFolder(search.folder).milestone(2)], [], [], None, None, None)
    assert (order.protocol, order.base) == ("nasbench201", sweep.base)
    (order,) = ranking_orders([TrialFolder(search.folder).milestone(2)], [], [], "small", None, None)
    assert order.protocol == "small"


def test_unknown_names_and_missing_milestones(sweep: Sweep, search: SearchOrder, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        sweep_orders(sweep, ["l2"], ["signs"])
    assert [problem.split(":")[0] for problem in caught.value.problems] == ["ranking", "allocation"]
    text = TEXT.format(storage=tmp_path).replace("seeds: [0, 1]", "seeds: 5")
    fresh = create_sweep(parse_spec(text, vocabulary(tmp_path)), tmp_path, text)
    with pytest.raises(ConfigError, match=rf"^{fresh.folder.path}: .*milestone.*run it"):
        sweep_orders(fresh, [], [])


@pytest.mark.parametrize("given", [{"protocol": "small"}, {"out": Path("out")}, {"base": Path()}])
def test_a_sweep_has_its_own_settings(sweep: Sweep, search: SearchOrder, given: dict[str, Any]) -> None:
    (key,) = given
    with pytest.raises(ConfigError, match=f"^{key}: "):
        api.rank(["ranked"], storage=sweep.storage, **given)


def test_a_driven_sweep_is_not_ranked_by_hand(sweep: Sweep, search: SearchOrder) -> None:
    with exclusive(sweep.folder.lock, wait=False), pytest.raises(SweepError, match="another process drives"):
        rank_checkpoints(sweep_orders(sweep, [], []), 1, [sweep.folder], lambda *_: pytest.fail("is not needed"))
