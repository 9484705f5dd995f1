"""Which arms are compared with which, and which tests form one family.

Three kinds of baselines, each a family of tests of its own for Holm's correction: the searched networks, the controls
(other rules of the same method), and random architectures.

Source: ours; random search as the baseline of architecture search is from Li & Talwalkar 2019 and Yang et al. 2020.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from aca_ray.comparison.arms import ALLOCATED, SEARCHED, Arm, Group, Rule, arm_of, difference
from aca_ray.comparison.rows import EvaluationRow
from aca_ray.comparison.statistics import PairedDifference, holm

RANDOM_SEARCH = "random_search"


@dataclass(frozen=True)
class ControlComparison:
    """The main rule against another one.

    Attributes:
        rule: the control.
        arm: its networks.
        difference: main - control in test accuracy, paired by seed; None when they share no seed.
        holm_pvalue: the difference's t-test p-value, adjusted for the number of controls in the comparison.
    """

    rule: Rule
    arm: Arm
    difference: PairedDifference | None
    holm_pvalue: float | None


@dataclass(frozen=True)
class BaselineComparison:
    """A method's networks against random architectures of the same space, retrained alike.

    Attributes:
        skip: which networks of the method: `searched`, or `allocated` by the main rule.
        baseline: the searched networks of `random_search` with equal data, setting, protocol and epochs.
        difference: method - random in test accuracy, paired by seed; None when they share no seed.
        holm_pvalue: the difference's t-test p-value, adjusted for the number of random baselines in the comparison.
        parameters: of the method's networks, fewest and most over seeds.
        baseline_parameters: of the random ones, likewise.
        bands_overlap: whether the two ranges have a number in common; otherwise size alone may explain the difference.
    """

    skip: str
    baseline: Arm
    difference: PairedDifference | None
    holm_pvalue: float | None
    parameters: tuple[float, float]
    baseline_parameters: tuple[float, float]
    bands_overlap: bool


@dataclass(frozen=True)
class GroupComparison:
    """Everything about one group.

    Attributes:
        searched: networks of the plain method; None when there are none.
        allocated: networks of the main rule; None when there are none.
        difference: allocated - searched in test accuracy, paired by seed; None when they share no seed.
        holm_pvalue: the difference's t-test p-value, adjusted for the number of groups in the comparison.
        controls: every other rule.
        random_baselines: the searched and the allocated networks against random ones; empty where there are none.
    """

    group: Group
    searched: Arm | None
    allocated: Arm | None
    difference: PairedDifference | None
    holm_pvalue: float | None
    controls: tuple[ControlComparison, ...]
    random_baselines: tuple[BaselineComparison, ...]

    @property
    def differences(self) -> tuple[PairedDifference, ...]:
        """The differences from all baselines, as far as there are any."""
        controls = (control.difference for control in self.controls)
        random = (baseline.difference for baseline in self.random_baselines)
        return tuple(each for each in (self.difference, *controls, *random) if each is not None)

    @property
    def arms(self) -> tuple[tuple[str, Arm], ...]:
        """The searched and the allocated networks, as far as there are any, with their skip policy."""
        return tuple((skip, arm) for skip in (SEARCHED, ALLOCATED) if (arm := self.arm(skip)) is not None)

    def arm(self, skip: str) -> Arm | None:
        """Return the networks of one skip policy."""
        return self.searched if skip == SEARCHED else self.allocated


def compare_groups(
    by_group: Mapping[Group, Mapping[Rule | None, Sequence[EvaluationRow]]], main_rule: Rule | None
) -> tuple[GroupComparison, ...]:
    """Return the comparison of every group, sorted, with p-values adjusted within each kind of baseline."""
    groups = [_compare_group(group, by_group[group], main_rule) for group in sorted(by_group)]
    random = {
        comparison.group: comparison.searched for comparison in groups if comparison.group.method == RANDOM_SEARCH
    }
    groups = [
        replace(comparison, random_baselines=_random_baselines(comparison, random.get(_random_group(comparison.group))))
        for comparison in groups
    ]
    main = iter(_adjusted(groups))
    controls = iter(_adjusted(control for comparison in groups for control in comparison.controls))
    baselines = iter(_adjusted(baseline for comparison in groups for baseline in comparison.random_baselines))
    return tuple(
        replace(
            next(main),
            controls=tuple(next(controls) for _ in comparison.controls),
            random_baselines=tuple(next(baselines) for _ in comparison.random_baselines),
        )
        for comparison in groups
    )


def _compare_group(
    group: Group, rows: Mapping[Rule | None, Sequence[EvaluationRow]], main_rule: Rule | None
) -> GroupComparison:
    arms = {rule: arm_of(arm_rows) for rule, arm_rows in rows.items()}
    searched = arms.get(None)
    allocated = arms.get(main_rule) if main_rule is not None else None
    controls = tuple(
        ControlComparison(rule, arms[rule], difference(allocated, arms[rule]), None)
        for rule in sorted(rule for rule in arms if rule is not None and rule != main_rule)
    )
    return GroupComparison(group, searched, allocated, difference(allocated, searched), None, controls, ())


def _random_group(group: Group) -> Group:
    return group._replace(method=RANDOM_SEARCH)


def _random_baselines(comparison: GroupComparison, baseline: Arm | None) -> tuple[BaselineComparison, ...]:
    if baseline is None or comparison.group.method == RANDOM_SEARCH:
        return ()
    return tuple(_random_baseline(skip, arm, baseline) for skip, arm in comparison.arms)


def _random_baseline(skip: str, arm: Arm, baseline: Arm) -> BaselineComparison:
    (fewest, most), (random_fewest, random_most) = arm.parameter_range, baseline.parameter_range
    return BaselineComparison(
        skip=skip,
        baseline=baseline,
        difference=difference(arm, baseline),
        holm_pvalue=None,
        parameters=arm.parameter_range,
        baseline_parameters=baseline.parameter_range,
        bands_overlap=fewest <= random_most and random_fewest <= most,
    )


Tested = TypeVar("Tested", GroupComparison, ControlComparison, BaselineComparison)


def _adjusted(family: Iterable[Tested]) -> list[Tested]:
    """Return the comparisons with the p-values of their differences adjusted as one family."""
    members = list(family)
    pvalues = {
        index: member.difference.t_pvalue
        for index, member in enumerate(members)
        if member.difference is not None and member.difference.t_pvalue is not None
    }
    adjusted = dict(zip(pvalues, holm(list(pvalues.values())), strict=True))
    return [replace(member, holm_pvalue=adjusted.get(index)) for index, member in enumerate(members)]
