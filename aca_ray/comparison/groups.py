"""Comparisons between arms, and families of tests.

Searched, skip-free and allocated networks are compared with each other, the main pair with its controls, and methods
with random architectures. Each kind of difference is a separate family of tests for Holm's correction.

Source: ours; random search as the baseline of architecture search is from Li & Talwalkar 2019 and Yang et al. 2020.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from aca_ray.comparison.arms import Arm, Group, arm_of, difference
from aca_ray.comparison.families import Tested, adjusted
from aca_ray.comparison.kinds import ALLOCATED, SEARCHED, SKIP_FREE, Kind, Pair
from aca_ray.comparison.rows import EvaluationRow
from aca_ray.comparison.statistics import PairedDifference

RANDOM_SEARCH = "random_search"
# Does leaving skips out help? Does refilling help the plain method? Does refilling help the same cells?
DIFFERENCES = ((SKIP_FREE, SEARCHED), (ALLOCATED, SEARCHED), (ALLOCATED, SKIP_FREE))


@dataclass(frozen=True)
class ArmDifference(Tested):
    """One kind of networks against another.

    Attributes:
        main: first kind of networks: `skip-free` or `allocated`.
        baseline: second kind of networks: `searched` or `skip-free`.
        difference: main - baseline, paired by seed; all groups with this kind of difference form a family of tests.
    """

    main: str
    baseline: str

    @property
    def label(self) -> str:
        """The difference in words."""
        return f"{self.main} - {self.baseline}"


@dataclass(frozen=True)
class ControlComparison(Tested):
    """The main pair against one of its controls.

    Attributes:
        pair: main pair, whose plan the control changes.
        control: name of the control.
        arm: networks of the control.
        difference: main - control, paired by seed; all controls of the comparison form a family of tests.
    """

    pair: Pair
    control: str
    arm: Arm


@dataclass(frozen=True)
class BaselineComparison(Tested):
    """Networks of a method against random architectures of the same space and protocol.

    Attributes:
        networks: kind of networks of the method: `searched`, `skip-free`, or `allocated` by the main pair.
        baseline: searched networks of `random_search` with equal data, setting, protocol and epochs.
        difference: method - random, paired by seed; all random baselines of the comparison form a family of tests.
        parameters: parameters of the method's networks, fewest and most over seeds.
        baseline_parameters: parameters of the random architectures, fewest and most over seeds.
        bands_overlap: whether the two ranges overlap; otherwise size alone may explain the difference.
    """

    networks: str
    baseline: Arm
    parameters: tuple[float, float]
    baseline_parameters: tuple[float, float]
    bands_overlap: bool


@dataclass(frozen=True)
class GroupComparison:
    """The arms of one group and all comparisons between them.

    Attributes:
        pair: main pair, which `allocated` means; None if the protocol has no networks of any pair.
        searched: networks of the plain method; None if there are none.
        skip_free: networks searched without skips and not refilled; None if there are none.
        allocated: networks of the main pair; None if there are none.
        differences: differences between these three, in the order of DIFFERENCES, including those with a missing arm.
        controls: every control of the main pair.
        random_baselines: every kind of networks against random architectures; empty if there are none.
    """

    group: Group
    pair: Pair | None
    searched: Arm | None
    skip_free: Arm | None
    allocated: Arm | None
    differences: tuple[ArmDifference, ...]
    controls: tuple[ControlComparison, ...]
    random_baselines: tuple[BaselineComparison, ...]

    @property
    def known_differences(self) -> tuple[PairedDifference, ...]:
        """All differences that are not None."""
        compared: tuple[Tested, ...] = (*self.differences, *self.controls, *self.random_baselines)
        return tuple(difference for each in compared if (difference := each.difference) is not None)

    @property
    def arms(self) -> tuple[tuple[str, Arm], ...]:
        """The existing arms among searched, skip-free and allocated, with their names."""
        names = (SEARCHED, SKIP_FREE, ALLOCATED)
        return tuple((name, arm) for name in names if (arm := self.arm(name)) is not None)

    def arm(self, networks: str) -> Arm | None:
        """Return the arm of one kind of networks."""
        return {SEARCHED: self.searched, SKIP_FREE: self.skip_free, ALLOCATED: self.allocated}[networks]

    def difference(self, main: str, baseline: str) -> ArmDifference:
        """Return the difference between two kinds of networks."""
        return next(each for each in self.differences if (each.main, each.baseline) == (main, baseline))


def compare_groups(
    by_group: Mapping[Group, Mapping[Kind, Sequence[EvaluationRow]]], pairs: Sequence[Pair]
) -> tuple[GroupComparison, ...]:
    """Return the comparison of every group, sorted, with p-values adjusted within each kind of difference.

    Args:
        by_group: the rows of every group by kind.
        pairs: pairs of rankers and rules, the main one first. If a protocol has no networks of the main pair, as with
            a table without refilled channels, the first pair with networks takes its place.
    """
    main = _main_pairs(by_group, pairs)
    groups = [_compare_group(group, by_group[group], main.get(group.protocol)) for group in sorted(by_group)]
    random = {
        comparison.group: comparison.searched for comparison in groups if comparison.group.method == RANDOM_SEARCH
    }
    groups = [
        replace(comparison, random_baselines=_random_baselines(comparison, random.get(_random_group(comparison.group))))
        for comparison in groups
    ]
    kinds = [
        iter(adjusted(comparison.differences[index] for comparison in groups)) for index in range(len(DIFFERENCES))
    ]
    controls = iter(adjusted(control for comparison in groups for control in comparison.controls))
    baselines = iter(adjusted(baseline for comparison in groups for baseline in comparison.random_baselines))
    return tuple(
        replace(
            comparison,
            differences=tuple(next(kind) for kind in kinds),
            controls=tuple(next(controls) for _ in comparison.controls),
            random_baselines=tuple(next(baselines) for _ in comparison.random_baselines),
        )
        for comparison in groups
    )


def _main_pairs(by_group: Mapping[Group, Iterable[Kind]], pairs: Sequence[Pair]) -> dict[str, Pair]:
    """Return, per protocol, the first pair with networks."""
    found: dict[str, set[Pair]] = {}
    for group, kinds in by_group.items():
        evaluated = {kind.pair for kind in kinds if kind.pair is not None and kind.control is None}
        found.setdefault(group.protocol, set()).update(evaluated)
    return {protocol: min(those, key=pairs.index) for protocol, those in found.items() if those}


def _compare_group(group: Group, rows: Mapping[Kind, Sequence[EvaluationRow]], pair: Pair | None) -> GroupComparison:
    arms = {kind: arm_of(arm_rows) for kind, arm_rows in rows.items()}
    named = {
        SEARCHED: arms.get(Kind(SEARCHED)),
        SKIP_FREE: arms.get(Kind(SKIP_FREE)),
        ALLOCATED: arms.get(Kind(ALLOCATED, pair)),
    }
    controls = {kind.control: arm for kind, arm in arms.items() if kind.pair == pair and kind.control is not None}
    return GroupComparison(
        group,
        pair,
        searched=named[SEARCHED],
        skip_free=named[SKIP_FREE],
        allocated=named[ALLOCATED],
        differences=tuple(
            ArmDifference(main, baseline, difference=difference(named[main], named[baseline]))
            for main, baseline in DIFFERENCES
        ),
        controls=tuple(
            ControlComparison(pair, name, arm, difference=difference(named[ALLOCATED], arm))
            for name, arm in sorted(controls.items())
            if pair is not None
        ),
        random_baselines=(),
    )


def _random_group(group: Group) -> Group:
    return group._replace(method=RANDOM_SEARCH)


def _random_baselines(comparison: GroupComparison, baseline: Arm | None) -> tuple[BaselineComparison, ...]:
    if baseline is None or comparison.group.method == RANDOM_SEARCH:
        return ()
    return tuple(_random_baseline(networks, arm, baseline) for networks, arm in comparison.arms)


def _random_baseline(networks: str, arm: Arm, baseline: Arm) -> BaselineComparison:
    (fewest, most), (random_fewest, random_most) = arm.parameter_range, baseline.parameter_range
    return BaselineComparison(
        networks=networks,
        baseline=baseline,
        difference=difference(arm, baseline),
        parameters=arm.parameter_range,
        baseline_parameters=baseline.parameter_range,
        bands_overlap=fewest <= random_most and random_fewest <= most,
    )
