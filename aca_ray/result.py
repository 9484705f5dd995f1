"""The result of a sweep: a view of its folder, read when something is asked for."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from aca_ray.errors import ConfigError, unknown_name
from aca_ray.storage import StoragePath

if TYPE_CHECKING:
    import pandas as pd
    from torch import nn

    from aca_ray.comparison import Comparison, NetworkRow
    from aca_ray.config import SweepSpec
    from aca_ray.driver.run import SweepOutcome
    from aca_ray.records import TrialRecord
    from aca_ray.space.trials import Kind, LookUpTrial, RetrainingTrial, SearchTrial
    from aca_ray.sweep.manifest import Sweep


@dataclass(frozen=True)
class Trial:
    """One trial of a sweep: a search, a retraining or a look-up.

    Attributes:
        spec: the settings of the trial: method, skip, space, seed, epochs, ...
        folder: folder of its record and checkpoints.
    """

    spec: SearchTrial | RetrainingTrial | LookUpTrial
    folder: StoragePath

    @property
    def kind(self) -> Kind:
        """`search`, `retraining` or `look-up`."""
        return self.spec.kind

    @property
    def short(self) -> str:
        """The first digits of its fingerprint, the name of its folder."""
        return self.spec.short

    @cached_property
    def record(self) -> TrialRecord | None:
        """Its epochs, genotype and result; None while it waits for its turn.

        Raises:
            StorageError: the record can't be read.
            MalformedFileError: the record is damaged.
        """
        from aca_ray.records import TrialRecord

        return TrialRecord.read(self.folder)

    @property
    def state(self) -> str:
        """`waiting`, `running` (or killed while running), `finished` or `failed`."""
        return "waiting" if self.record is None else self.record.state


@dataclass(frozen=True)
class Result:
    """The result of a sweep, finished or not.

    Everything is read when it is first asked for, and kept. To see what has changed since then, load the sweep again.
    A notebook shows the summary and the first picture of the report.

    Attributes:
        sweep: the sweep.
        outcome: how the run ended that this process made; None for a sweep that was loaded.
    """

    sweep: Sweep = field(repr=False)
    outcome: SweepOutcome | None = field(default=None, repr=False)

    def __repr__(self) -> str:
        return f"<Result of sweep {self.spec.name} in {self.folder}: {len(self.trials)} trials>"

    @property
    def spec(self) -> SweepSpec:
        """The newest version of the sweep's spec."""
        return self.sweep.spec

    @property
    def folder(self) -> StoragePath:
        """The folder of the sweep."""
        return self.sweep.folder.path

    @cached_property
    def trials(self) -> tuple[Trial, ...]:
        """All trials of the sweep: the searches, then the retrainings and look-ups of what they find."""
        from aca_ray.sweep.orders import all_orders

        return tuple(Trial(order.trial, order.folder) for order in all_orders(self.sweep))

    def trial(self, name: str) -> Trial:
        """Return a trial by the first digits of its fingerprint.

        Raises:
            ConfigError: no trial, or more than one, has the name.
        """
        found = [trial for trial in self.trials if trial.spec.fingerprint.startswith(name)]
        if len(found) == 1:
            return found[0]
        known = ", ".join(f"{trial.short} ({trial.kind})" for trial in (found or self.trials)[:12])
        raise ConfigError(
            f"trial: must be the first digits of one trial of sweep {self.spec.name}, found {len(found)} for {name!r}; "
            f"{'give more digits of one of' if found else 'known, among others'}: {known}"
        )

    @cached_property
    def comparison(self) -> Comparison:
        """The comparison of all finished trials: groups, differences, intervals and the rows behind them.

        Raises:
            ConfigError: files of the sweep are malformed; names all of them.
        """
        if self.outcome is not None and self.outcome.comparison is not None:
            return self.outcome.comparison
        from aca_ray.sweep.comparing import comparison_of

        return comparison_of([self.sweep])

    def best(
        self, metric: str = "test_accuracy", *, mode: Literal["max", "min"] = "max", **where: str | int | float | None
    ) -> Trial:
        """Return the retraining or look-up with the highest accuracy at its final epoch, or the best by another metric.

        The accuracy of the best of several seeds overestimates that of the next seed, and it is chosen on the test set.
        It is no result to report: for means with intervals, see `comparison`. Of equals, the first trial is returned.

        Args:
            metric: a column of `retrainings()` with numbers, such as `parameters`.
            mode: whether the largest or the smallest value is the best.
            where: values that columns of `retrainings()` must have, such as `method="darts"`.

        Raises:
            ConfigError: a column is unknown, no network has finished, or the networks are not comparable because they
                differ in data, setting or protocol.
        """
        rows = self._networks(metric, mode, where)
        best = (max if mode == "max" else min)(getattr(row, metric) for row in rows)
        winners = {row.fingerprint for row in rows if getattr(row, metric) == best}
        return next(trial for trial in self.trials if trial.spec.fingerprint in winners)

    def _networks(self, metric: str, mode: str, where: dict[str, Any]) -> list[NetworkRow]:
        """Return the comparable networks that have a metric."""
        from aca_ray.comparison import NetworkRow

        columns = [column.name for column in fields(NetworkRow)]
        problems = [unknown_name("best", "column", name, columns) for name in (metric, *where) if name not in columns]
        if mode not in ("max", "min"):
            problems.append(f"best: mode must be max or min, found {mode!r}")
        if problems:
            raise ConfigError(problems)
        known = [row for row in self.comparison.networks if getattr(row, metric) is not None]
        rows = [row for row in known if all(getattr(row, name) == value for name, value in where.items())]
        if not rows:
            asked = f" with {', '.join(f'{name} {value!r}' for name, value in where.items())}" if where else ""
            raise ConfigError(
                f"best: needs a finished network{asked} that has {metric}, found none among {len(known)}; resume the "
                "sweep, or ask for less"
            )
        if not isinstance(getattr(rows[0], metric), int | float):
            raise ConfigError(f"best: metric must be a column of numbers, found {metric!r}; choose test_accuracy")
        for name in ("data", "setting", "protocol"):
            if len(found := sorted({str(getattr(row, name)) for row in rows})) > 1:
                raise ConfigError(
                    f"best: networks of different {name} are not comparable, found {', '.join(found)}; choose "
                    f"one, such as best({name}={found[0]!r})"
                )
        return rows

    def retrainings(self) -> pd.DataFrame:
        """Return a row per retrained or looked-up network; `NetworkRow` of `aca_ray.comparison` explains the columns.

        Accuracies and shares are fractions in [0, 1].
        """
        from aca_ray.frames import network_frame

        return network_frame(self.comparison.networks)

    def epochs(self) -> pd.DataFrame:
        """Return a row per epoch of every trial, finished or not; each metric is a column, such as `test/accuracy`.

        In a search, `search_valid/accuracy` is that of the supernet, which ranks no architectures.
        """
        from aca_ray.frames import epoch_frame

        return epoch_frame(trial.record for trial in self.trials if trial.record is not None)

    def channels(self) -> pd.DataFrame:
        """Return a row per channel of every ranked milestone: its score, and by plan whether the operation keeps it."""
        from aca_ray.frames import channel_frame

        seeds = {trial.spec.fingerprint: trial.spec.seed for trial in self.trials if trial.kind == "search"}
        return channel_frame(self.comparison.rows.scores, seeds)

    @cached_property
    def _progress(self) -> str:
        """The number of trials in every state, in words."""
        from aca_ray.display import read_progress
        from aca_ray.sweep.orders import all_orders

        return read_progress(all_orders(self.sweep)).summary()

    @property
    def report(self) -> StoragePath:
        """The page of the report, report.html.

        Raises:
            ConfigError: no report was written yet.
        """
        page = self.sweep.folder.report
        if not page.is_file():
            raise ConfigError(
                f"{page}: no report yet: it is written when the first network has finished; resume the sweep, or write "
                f"it now: aca_ray.compare([{str(self.folder)!r}])"
            )
        return page

    def network(self, trial: Trial | str) -> nn.Module:
        """Return the trained network of a retraining, in evaluation mode, on the CPU.

        It takes (N, C, H, W) images, normalized as in the retraining, and returns (N, K) logits.

        Args:
            trial: a finished retraining, or the first digits of its fingerprint.

        Raises:
            ConfigError: the trial is not a retraining, or has not finished.
            CheckpointError: its weights are gone or damaged.
        """
        from aca_ray.records import TrialFolder
        from aca_ray.sweep.exporting import read_named

        trial = self.trial(trial) if isinstance(trial, str) else trial
        if trial.kind != "retraining":
            of_search = [one for one in self.trials if getattr(one.spec, "search", None) == trial.spec.fingerprint]
            known = ", ".join(one.short for one in of_search if one.kind == "retraining") or "none"
            fix = (
                f"name a retraining of what it found: {known}"
                if trial.kind == "search"
                else f"its untrained network is aca_ray.build({str(TrialFolder(trial.folder).network)!r})"
            )
            raise ConfigError(f"network: {trial.short} is a {trial.kind}, which has no trained network; {fix}")
        return read_named(str(trial.folder), self.sweep.storage).exported.build()

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        from aca_ray.report.excerpt import excerpt

        facts = [self._progress, f"Files: {self.folder}"]
        if self.sweep.folder.report.is_file():
            facts.append(f"Report: {self.report}")
        return excerpt(self.comparison, self.spec.name, facts)
