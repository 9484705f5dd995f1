"""The comparison of one or several sweeps: searched, skip-free and allocated networks, baselines, costs, collapse.

Rows that differ in space, data, setting, protocol, method or epochs are never pooled.

Source: Lindauer & Hutter 2020 for what is reported.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

from aca_ray.comparison.collapse import collapse_rows
from aca_ray.comparison.compatibility import check_comparable
from aca_ray.comparison.correlations import CorrelationRow, correlation_rows
from aca_ray.comparison.costs import Cost, costs_of
from aca_ray.comparison.grouping import grouped
from aca_ray.comparison.groups import GroupComparison, compare_groups
from aca_ray.comparison.kept_shares import KeptShareRow, kept_share_rows
from aca_ray.comparison.kinds import Group, Pair, group_of, kind_of
from aca_ray.comparison.pairs import PairComparison, compare_pairs
from aca_ray.comparison.ranker_agreement import RankerAgreementRow, ranker_agreement_rows
from aca_ray.comparison.refill import RefillRow, refill_rows
from aca_ray.comparison.rows import CurveRow, NetworkRow, SweepRows
from aca_ray.comparison.stability import StabilityRow, stability_rows
from aca_ray.errors import ConfigError


@dataclass(frozen=True)
class Comparison:
    """The results of one or several sweeps; further statistics are computed when they are first asked for.

    Attributes:
        sweeps: the rows of each sweep.
        pairs: pairs of rankers and rules, the main one first, which `allocated` means; see `GroupComparison.pair` for
            its meaning where the table of a benchmark has no networks of the main pair.
        groups: sorted by space, data, setting, protocol, method, epochs.
        pair_comparisons: pairs against each other, and each against its controls.
    """

    sweeps: tuple[SweepRows, ...]
    pairs: tuple[Pair, ...]
    groups: tuple[GroupComparison, ...]
    pair_comparisons: tuple[PairComparison, ...] = ()

    @property
    def main_pair(self) -> Pair | None:
        """The pair that `allocated` means; None where no channels are allocated."""
        return self.pairs[0] if self.pairs else None

    @property
    def main_pairs(self) -> dict[Group, Pair | None]:
        """The main pair of every group."""
        return {group.group: group.pair for group in self.groups}

    @cached_property
    def rows(self) -> SweepRows:
        """The rows of all sweeps together."""
        names = (field.name for field in fields(SweepRows) if field.name not in {"sweep", "unfinished"})
        rows: dict[str, Any] = {
            name: tuple(row for sweep in self.sweeps for row in getattr(sweep, name)) for name in names
        }
        return SweepRows(**rows, unfinished=sum(sweep.unfinished for sweep in self.sweeps))

    @property
    def networks(self) -> tuple[NetworkRow, ...]:
        """Every retrained or looked-up network once."""
        return tuple({row.fingerprint: row for row in self.rows.networks}.values())

    @cached_property
    def kept_shares(self) -> tuple[KeptShareRow, ...]:
        """Share of the channels that operations keep, per pair and milestone."""
        return kept_share_rows(self.rows.allocations, self.pairs)

    @cached_property
    def collapse(self) -> tuple[CurveRow, ...]:
        """Every epoch of every search."""
        return collapse_rows(self.rows.curves)

    @cached_property
    def correlations(self) -> tuple[CorrelationRow, ...]:
        """Correlations of supernet accuracy with retrained accuracy, per method."""
        return correlation_rows(self.networks, self.main_pairs)

    @cached_property
    def stability(self) -> tuple[StabilityRow, ...]:
        """Stability of channel ranks from milestone to milestone."""
        return stability_rows(self.rows.allocations)

    @cached_property
    def refill(self) -> tuple[RefillRow, ...]:
        """Share of the channels that skip connections refill, per stage and edge."""
        return refill_rows(self.rows.edges)

    @cached_property
    def ranker_agreement(self) -> tuple[RankerAgreementRow, ...]:
        """Agreement between rankers of the same search; empty if no search was ranked by two."""
        return ranker_agreement_rows(self.rows.scores)

    @cached_property
    def costs(self) -> tuple[Cost, ...]:
        """Cost of every arm."""
        return costs_of(self.groups)


def compare(rows: SweepRows | Sequence[SweepRows], pairs: Sequence[Pair] = (), by: str | None = None) -> Comparison:
    """Return the comparison of the networks of one or several sweeps.

    Args:
        rows: the rows of each sweep; a trial that two sweeps share (same fingerprint) counts once.
        pairs: requested pairs of rankers and rules, the main one first; other pairs with networks follow them.
        by: column of a place (space, data, setting, protocol) in which the sweeps may differ, or None.

    Raises:
        ConfigError: sweeps have different networks for the same seeds, have nothing to compare, or used different
            images under the same data name and options.
    """
    sweeps = (rows,) if isinstance(rows, SweepRows) else tuple(rows)
    check_comparable(sweeps, by)
    networks = {row.fingerprint: row for sweep in sweeps for row in sweep.networks}.values()
    _check_distinct(networks)
    found = {pair for row in networks if (pair := kind_of(row).pair) is not None}
    all_pairs = tuple(dict.fromkeys([*pairs, *sorted(found)]))
    by_group = {group: grouped(own, kind_of) for group, own in grouped(networks, group_of).items()}
    groups = compare_groups(by_group, all_pairs)
    return Comparison(sweeps, all_pairs, groups, compare_pairs(by_group, all_pairs))


def _check_distinct(networks: Iterable[NetworkRow]) -> None:
    """Raise ConfigError if two rows have the same group, kind and seeds."""
    by_place = grouped(networks, lambda row: (group_of(row), kind_of(row), row.seed, row.retrain_seed))
    problems = [
        f"{group_of(row).label}: seed {row.seed}, retraining seed {row.retrain_seed} must be one network, "
        f"found {first.fingerprint[:12]} in sweep {first.sweep} and {row.fingerprint[:12]} in sweep {row.sweep}; "
        "their settings differ: compare the sweeps one by one"
        for first, *others in by_place.values()
        for row in others
    ]
    if problems:
        raise ConfigError(problems)
