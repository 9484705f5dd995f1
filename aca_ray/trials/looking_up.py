"""Look-up of a search: the test accuracy of the cell of every epoch, from the table of a benchmark."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache, lru_cache
from pathlib import Path

import torch

from aca_ray.benchmark import Benchmark, Standing, load_table, read_table
from aca_ray.channels import PlanKind
from aca_ray.config import LookUpTrial, SearchTrial
from aca_ray.data import ImageFacts
from aca_ray.errors import CheckpointError, DataError
from aca_ray.records import LookUpRecord, LookUpResult, LookUpRow, SearchRecord, TableFacts, TrialFolder
from aca_ray.retraining import find_protocol
from aca_ray.space import Genotype, network_json, whole_edge_genotype
from aca_ray.space.nasbench201 import architecture_string
from aca_ray.storage import StoragePath, write_json
from aca_ray.storage.patience import PATIENCE_SECONDS, patiently
from aca_ray.trials.costs import retrained_cost
from aca_ray.trials.datasets import DataRef, recorded_facts
from aca_ray.trials.network_files import read_genotype, read_plan
from aca_ray.trials.new_record import new_look_up
from aca_ray.trials.provenance import stamp
from aca_ray.trials.retraining import TABLE_PROTOCOL, found_network

# The networks of the table that ships with the program are for CIFAR-10, whatever data the search used.
TABLE_DATA = {"name": "cifar10"}

logger = logging.getLogger(__name__)


class LookUp:
    """Looks up the cells of a search in one step: a row per epoch, the last of which is the result.

    A searched or skip-free (`all`) trial looks up the genotype of every epoch. A rule of whole edges has plans, and so
    rows, only at the milestones; an edge allocated to the skip becomes a skip connection of the genotype. Rows of
    cells that the table lacks have no values, except that the last cell is required.

    Args:
        trial: the look-up.
        folder: folder of the trial.
        base: folder that relative paths are relative to.
        search: the search that found the cells.
        search_folder: folder of the search.

    Raises:
        CheckpointError: the folder contains another trial.
    """

    def __init__(
        self, trial: LookUpTrial, folder: StoragePath, base: Path, search: SearchTrial, search_folder: StoragePath
    ) -> None:
        self.folder = folder
        self._trial, self._base, self._search, self._search_folder = trial, base, search, search_folder
        self.record = new_look_up(trial)
        existing = LookUpRecord.read(folder)
        if existing is not None and existing.fingerprint != trial.fingerprint:
            raise CheckpointError(
                f"{folder}: must contain trial {trial.fingerprint}, found trial {existing.fingerprint}. Move it away "
                "and resume."
            )
        if existing is not None and existing.state == "finished":
            self.record = existing

    @property
    def finished(self) -> bool:
        """Whether the look-up is finished; an earlier result is kept."""
        return self.record.state == "finished"

    def advance(self, slice_seconds: float = math.inf) -> None:
        """Look up all cells and write network.json and the record.

        Args:
            slice_seconds: unused, since a look-up is too short to divide.

        Raises:
            DataError: the table can't be read, or lacks the last cell.
        """
        if self.finished:
            return
        start = time.perf_counter()
        benchmark = read_benchmark(self._trial.table, self._base)
        genotype, plan = found_network(
            self._search, self._search_folder, self._trial.ranking, self._trial.allocation, self._trial.control
        )
        cell = genotype if plan is None else whole_edge_genotype(genotype, plan)
        final = benchmark.find(cell)
        if final is None:
            raise DataError(
                f"{benchmark.name}: must contain the last cell of a search, but lacks {architecture_string(cell)}; "
                "give the benchmark's whole table"
            )
        search_record = SearchRecord.read(self._search_folder)
        assert search_record is not None  # found_network has read it or what follows it
        standings = {
            **{epoch: benchmark.find(found) for epoch, found in self._cells(search_record)},
            self._search.epochs: final,
        }
        self._note_missing(benchmark, standings)
        now = time.time_ns() // 1_000_000
        cost = retrained_cost(cell, None, find_protocol(TABLE_PROTOCOL), self._images(search_record))
        result = LookUpResult(
            test_accuracy=final.accuracy,
            best_test_accuracy=max(standing.accuracy for standing in standings.values() if standing is not None),
            regret=final.regret,
            rank=final.rank,
            **cost._asdict(),
            num_skips=cell.num_skips,
            num_parametric=cell.num_parametric,
            refilled_share=0.0 if plan is None else plan.refilled_share,
            table=TableFacts(len(benchmark.accuracies), benchmark.best, benchmark.all_skips),
        )
        self.record = replace(
            stamp(self.record, torch.device("cpu")),
            rows=tuple(LookUpRow(epoch, now, _metrics(standing)) for epoch, standing in sorted(standings.items())),
            epoch=self._search.epochs,
            genotype=cell,
            data_info=search_record.data_info,
            result=result,
            state="finished",
            error=None,
            seconds=time.perf_counter() - start,
        )

        def write() -> None:
            write_json(TrialFolder(self.folder).network, network_json(cell, None))
            self.record.write(self.folder)

        patiently(write, PATIENCE_SECONDS)

    def save(self) -> None:
        """Do nothing: a look-up has no intermediate state."""

    def fail(self, error: str) -> None:
        """Record that the look-up failed."""
        self.record = replace(self.record, state="failed", error=error)
        patiently(lambda: self.record.write(self.folder), PATIENCE_SECONDS)

    def _cells(self, search_record: SearchRecord) -> Iterator[tuple[int, Genotype]]:
        """Yield (epoch, genotype to look up) of every epoch that has one."""
        if self._trial.ranking is None:
            for row in search_record.rows:
                if row.architecture is not None:
                    yield row.epoch, row.architecture.genotype
            return
        plan_name = PlanKind(str(self._trial.allocation), self._trial.control).name
        for epoch in search_record.milestones:
            allocation = TrialFolder(self._search_folder).allocation(epoch, self._trial.ranking)
            path = allocation.plan(plan_name)
            if path.exists():
                genotype = read_genotype(allocation.genotype)
                yield epoch, whole_edge_genotype(genotype, read_plan(path, genotype))

    def _note_missing(self, benchmark: Benchmark, standings: Mapping[int, Standing | None]) -> None:
        missing = sum(standing is None for standing in standings.values())
        if missing:
            logger.warning(
                "%s: the table %s lacks the cells of %d of %d epochs; the curve has gaps there",
                self.folder,
                benchmark.name,
                missing,
                len(standings),
            )

    def _images(self, search_record: SearchRecord) -> ImageFacts:
        """Return the images that the table's networks are for; for a user's table, those of the search."""
        if "name" in self._trial.table:
            return DataRef(TABLE_DATA, self._base).image_facts()
        assert search_record.data_info is not None  # the search has finished
        return recorded_facts(search_record.data_info)


def read_benchmark(table: Mapping[str, str], base: Path) -> Benchmark:
    """Return the table of a benchmark; a relative path is relative to `base`.

    Args:
        table: {"name"} of a table that ships with the program, or {"path", "architecture", "accuracy"} of a file.
        base: a folder.

    Raises:
        DataError: the file can't be read or is invalid.
    """
    if "name" in table:
        return _load_table(table["name"])
    return _read_table(base / Path(table["path"]).expanduser(), table["architecture"], table["accuracy"])


_load_table = cache(load_table)


@lru_cache(maxsize=2)
def _read_table(path: Path, architecture: str, accuracy: str) -> Benchmark:
    return Benchmark(str(path), read_table(path, architecture, accuracy))


def _metrics(standing: Standing | None) -> dict[str, float | None]:
    accuracy, regret, rank = standing or (None, None, None)
    return {"test/accuracy": accuracy, "table/regret": regret, "table/rank": rank}
