"""Comparisons between arms, and families of tests.

Searched, skip-free and allocated networks are compared with each other, the main pair with its controls, and methods
with random architectures. Each kind of difference is a separate family of tests for Holm's correction.

Source: random search as the baseline of architecture search is from Li & Talwalkar 2019 and Yang et al. 2020.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter

from aca_ray.comparison.arms import Arm, arm_of, difference
from aca_ray.comparison.families import Tested, adjusted
from aca_ray.comparison.grouping import grouped
from aca_ray.comparison.kinds import ALLOCATED, NETWORKS, SEARCHED, SKIP_FREE, Group, Kind, Pair
from aca_ray.comparison.rows import NetworkRow

RANDOM_SEARCH, CONTROL = "random_search", "control"
# Does leaving skips out help? Does refilling help the plain method? Does refilling help the same cells?
DIFFERENCES = ((SKIP_FREE, SEARCHED), (ALLOCATED, SEARCHED), (ALLOCATED, SKIP_FREE))


@dataclass(frozen=True)
class ArmComparison(Tested):
    """Networks of one kind against a baseline, within a group.

    Attributes:
        main: kind of networks: `searched`, `skip-free`, or `allocated` by the main pair.
        baseline: `searched` or `skip-free` networks of the group; `control`, a changed plan of the main pair; or
            `random_search`, searched networks of random search with equal data, setting, protocol and epochs.
        control: name of the control; None for other baselines.
        pair: main pair; None unless main is `allocated`.
        main_arm: None if there are no such networks.
        baseline_arm: None if there are no such networks.
        difference: main - baseline, paired by seed. All groups with the same kinds of networks are a family of tests,
            as are all controls and all random baselines.
    """

    group: Group
    main: str
    baseline: str
    control: str | None
    pair: Pair | None
    main_arm: Arm | None
    baseline_arm: Arm | None

    @property
    def label(self) -> str:
        """The difference in words."""
        return f"{self.main} - {self.control or ('random' if self.baseline == RANDOM_SEARCH else self.baseline)}"

    @property
    def family(self) -> str:
        """The family of tests, in words."""
        if self.baseline == CONTROL:
            return "allocated against a control"
        if self.baseline == RANDOM_SEARCH:
            return "a method against random architectures"
        return f"{self.main} against {self.baseline}"

    @property
    def bands_overlap(self) -> bool:
        """Whether the ranges of parameters overlap; otherwise size alone may explain the difference."""
        if self.main_arm is None or self.baseline_arm is None:
            return False
        (fewest, most), (other_fewest, other_most) = self.main_arm.parameter_range, self.baseline_arm.parameter_range
        return fewest <= other_most and other_fewest <= most


@dataclass(frozen=True)
class GroupComparison:
    """The arms of one group and all comparisons between them.

    Attributes:
        pair: main pair, which `allocated` means; None if the protocol has no networks of any pair.
        arms: the existing arms among searched, skip-free and allocated, by kind of networks.
        comparisons: differences, controls and random baselines.
    """

    group: Group
    pair: Pair | None
    arms: Mapping[str, Arm]
    comparisons: tuple[ArmComparison, ...]

    @property
    def differences(self) -> tuple[ArmComparison, ...]:
        """Differences between the arms, in the order of DIFFERENCES, including those with a missing arm."""
        return tuple(one for one in self.comparisons if one.baseline in NETWORKS)

    @property
    def controls(self) -> tuple[ArmComparison, ...]:
        """The main pair against each of its controls."""
        return tuple(one for one in self.comparisons if one.baseline == CONTROL)

    @property
    def random_baselines(self) -> tuple[ArmComparison, ...]:
        """Every kind of networks against random architectures; empty if there are none."""
        return tuple(one for one in self.comparisons if one.baseline == RANDOM_SEARCH)

    def difference(self, main: str, baseline: str) -> ArmComparison:
        """Return the difference between two kinds of networks."""
        return next(one for one in self.differences if (one.main, one.baseline) == (main, baseline))


def compare_groups(
    by_group: Mapping[Group, Mapping[Kind, Sequence[NetworkRow]]], pairs: Sequence[Pair]
) -> tuple[GroupComparison, ...]:
    """Return the comparison of every group, sorted, with p-values adjusted within each kind of difference.

    Args:
        by_group: the rows of every group by kind.
        pairs: pairs of rankers and rules, the main one first. If a protocol has no networks of the main pair, as with
            a table without refilled channels, the first pair with networks takes its place.
    """
    main_pairs = _main_pairs(by_group, pairs)
    arms = {group: {kind: arm_of(kind, rows) for kind, rows in by_group[group].items()} for group in sorted(by_group)}
    compared: list[ArmComparison] = []
    for group, own in arms.items():
        random = arms.get(group._replace(method=RANDOM_SEARCH), {}).get(Kind(SEARCHED))
        compared += _compared(own, group, main_pairs.get(group.protocol), random)
    comparisons = grouped(adjusted(compared, attrgetter("family")), attrgetter("group"))
    return tuple(
        GroupComparison(group, pair, _main_arms(own, pair), tuple(comparisons[group]))
        for group, own in arms.items()
        for pair in (main_pairs.get(group.protocol),)
    )


def _main_arms(arms: Mapping[Kind, Arm], pair: Pair | None) -> dict[str, Arm]:
    kinds = (Kind(SEARCHED), Kind(SKIP_FREE), Kind(ALLOCATED, pair))
    return {kind.networks: arms[kind] for kind in kinds if kind in arms}


def _compared(arms: Mapping[Kind, Arm], group: Group, pair: Pair | None, random: Arm | None) -> Iterator[ArmComparison]:
    """Yield the comparisons of one group, without adjusted p-values."""
    main = _main_arms(arms, pair)
    controls = {kind.control: arm for kind, arm in arms.items() if kind.pair == pair and kind.control}
    sides: list[tuple[str, str, str | None, Arm | None]] = [
        *((networks, baseline, None, main.get(baseline)) for networks, baseline in DIFFERENCES),
        *((ALLOCATED, CONTROL, control, arm) for control, arm in sorted(controls.items())),
    ]
    if random is not None and group.method != RANDOM_SEARCH:
        sides += [(networks, RANDOM_SEARCH, None, random) for networks in main]
    for networks, baseline, control, arm in sides:
        own, means = main.get(networks), pair if networks == ALLOCATED else None
        yield ArmComparison(group, networks, baseline, control, means, own, arm, difference=difference(own, arm))


def _main_pairs(by_group: Mapping[Group, Mapping[Kind, object]], pairs: Sequence[Pair]) -> dict[str, Pair]:
    """Return, per protocol, the first pair with networks."""
    found: dict[str, set[Pair]] = {}
    for group, kinds in by_group.items():
        pairs_found = {kind.pair for kind in kinds if kind.pair is not None and kind.control is None}
        found.setdefault(group.protocol, set()).update(pairs_found)
    return {protocol: min(those, key=pairs.index) for protocol, those in found.items() if those}
