"""The graph of one sweep: searches, the rankings of their milestones, and the retrainings of what they find.

The products are files: a search makes its milestones and its record, a ranking makes its summary, a retraining or
look-up makes its record.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from aca_ray.config import LookUpTrial
from aca_ray.records import TrialFolder
from aca_ray.retraining import find_protocol
from aca_ray.storage import StoragePath
from aca_ray.sweep.graph import Graph, Job
from aca_ray.sweep.manifest import Sweep
from aca_ray.sweep.orders import (
    NetworkOrder,
    Order,
    SearchOrder,
    needs_ranking,
    network_orders,
    plans_of,
    rankings_of,
    search_orders,
)
from aca_ray.sweep.ranking_orders import RankingOrder, milestone_orders
from aca_ray.trials.searching import search_space

SweepJob = Job[tuple[Order, ...] | RankingOrder]


def sweep_graph(sweep: Sweep, packs: Iterable[Sequence[SearchOrder]]) -> Graph[tuple[Order, ...] | RankingOrder]:
    """Return the graph of a sweep.

    Args:
        sweep: the sweep.
        packs: its searches that have to run, in groups, each for one process. Other searches have finished.
    """
    searches = search_orders(sweep)
    jobs = [_search_job(pack) for pack in packs]
    for search in searches:
        jobs += [_ranking_job(order) for order in _rankings(sweep, search)]
        jobs += [_retraining_job(order) for order in network_orders(sweep, search)]
    return Graph(jobs)


def record_of(order: Order) -> StoragePath:
    """Return the file that a finished trial makes last."""
    return TrialFolder(order.folder).record


def milestone_files(search: SearchOrder, epochs: Iterable[int]) -> list[StoragePath]:
    """Return the checkpoints of milestones."""
    return [TrialFolder(search.folder).milestone(epoch) for epoch in epochs]


def relative_length(order: Order) -> float:
    """Return an estimate of the time of a trial, in a unit that all trials of a sweep share.

    It is proportional to the multiply-accumulate operations of the cells for one image, times the epochs. A look-up
    takes no time.
    """
    if isinstance(order, SearchOrder):
        trial, space = order.trial, search_space(order.trial)
        num_candidates = max(len(space.candidates(kind)) for kind in space.cell_types)
        return trial.epochs * trial.network["cells"] * trial.network["channels"] ** 2 * num_candidates
    if isinstance(order.trial, LookUpTrial):
        return 0.0
    protocol = find_protocol(order.trial.protocol)
    return protocol.epochs * protocol.num_cells * protocol.channels**2


def _rankings(sweep: Sweep, search: SearchOrder) -> list[RankingOrder]:
    if search.trial.skip != "allocated" or not needs_ranking(sweep):
        return []
    return list(milestone_orders(sweep, search, search.trial.milestones, rankings_of(sweep), plans_of(sweep)))


def _search_job(pack: Sequence[SearchOrder]) -> SweepJob:
    milestones = [file for order in pack for file in milestone_files(order, order.trial.milestones)]
    records = [record_of(order) for order in pack]
    return Job(tuple(pack), frozenset(), (*milestones, *records), max(map(relative_length, pack)))


def _ranking_job(order: RankingOrder) -> SweepJob:
    needs = {order.checkpoint} | ({order.previous.summary} if order.previous is not None else set())
    return Job(order, frozenset(needs), (order.folder.summary,))


def _retraining_job(order: NetworkOrder) -> SweepJob:
    needs = {TrialFolder(order.search_folder).record}
    if order.trial.ranking is not None:
        needs.add(TrialFolder(order.search_folder).allocation(order.search.epochs, order.trial.ranking).summary)
    return Job((order,), frozenset(needs), (record_of(order),), relative_length(order))
