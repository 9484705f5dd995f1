"""A search trial, from its spec to its milestones."""

from __future__ import annotations

import time
from dataclasses import replace

import torch

from aca_ray.config import SearchTrial
from aca_ray.data import DATA_PRUNERS, SearchData
from aca_ray.methods.registry import find_method
from aca_ray.nn.fused import fuse
from aca_ray.packing import Member
from aca_ray.records import MixingWeights, Packed, Row, SearchRecord, SearchResult, SearchRow
from aca_ray.search.search import Accelerator, Search
from aca_ray.space import Space, find_space, without_skip
from aca_ray.storage import StoragePath
from aca_ray.trials.datasets import DataRef, describe_data
from aca_ray.trials.history import epoch_architecture
from aca_ray.trials.new_record import new_search
from aca_ray.trials.resumable import ResumableTrial


def search_space(trial: SearchTrial) -> Space:
    """Return the space that a trial searches: the named one, without skips if these are allocated afterwards."""
    space = find_space(trial.space)
    return without_skip(space) if trial.skip == "allocated" else space


def build_search(trial: SearchTrial, data: SearchData, device: torch.device, accelerate: Accelerator = fuse) -> Search:
    """Return the search of a trial at its first step."""
    return Search(
        find_method(trial.method),
        search_space(trial),
        data,
        channels=trial.network["channels"],
        num_cells=trial.network["cells"],
        num_epochs=trial.epochs,
        seed=trial.seed,
        device=device,
        batch_size=trial.batch_size,
        precision=getattr(torch, trial.precision),
        pruner=None if trial.data_pruning is None else DATA_PRUNERS[trial.data_pruning](data),
        accelerate=accelerate,
    )


def open_search(
    trial: SearchTrial, folder: StoragePath, data: DataRef, device: torch.device, member: Member | None = None
) -> ResumableTrial[SearchRecord]:
    """Return the search of a trial, resumed from the newest checkpoint in its folder, if any.

    Args:
        trial: the search.
        folder: folder of the trial.
        data: the images to search with.
        device: device to compute on.
        member: member of the pack that the search is computed in, or None.
    """
    images = data.for_search()
    search = build_search(trial, images, device, fuse if member is None else member.accelerate)

    def extend(record: SearchRecord, row: Row) -> SearchRecord:
        genotype, own, cell_types = search.genotype(), search.mixing(), search.space.cell_types
        weights = {kind: tuple(map(tuple, own.cell(kind).operations.tolist())) for kind in cell_types}
        candidates = {kind: tuple(map(tuple, search.space.candidates(kind))) for kind in cell_types}
        mixing = MixingWeights(**weights, candidates=candidates)
        architecture = epoch_architecture(genotype, mixing, record.rows)
        return replace(
            record,
            rows=(*record.rows, SearchRow(row.epoch, row.time_ms, row.metrics, architecture)),
            genotype=genotype,
            mixing=mixing,
            packed=None if member is None else Packed(**member.pack.counts()),
        )

    def result(record: SearchRecord) -> SearchResult:
        genotype = search.genotype()
        return SearchResult(genotype.num_skips, genotype.num_parametric)

    data_info = describe_data(images.info, len(images.train) + len(images.valid))
    return ResumableTrial(
        folder,
        replace(new_search(trial), data_info=data_info),
        search,
        milestones=trial.milestones,
        extend=extend,
        result=result,
        clock=time.perf_counter if member is None else member.seconds,
        num_sharing=1 if member is None else member.pack.num_searches,
    )
