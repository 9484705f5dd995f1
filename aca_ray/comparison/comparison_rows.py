"""The comparison as machine-readable rows: one per comparison of two arms.

Accuracies and shares are fractions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from aca_ray.comparison.arms import Arm
from aca_ray.comparison.comparison import Comparison
from aca_ray.comparison.difference_columns import difference_columns
from aca_ray.comparison.groups import RANDOM_SEARCH, GroupComparison
from aca_ray.comparison.kinds import ALLOCATED
from aca_ray.comparison.statistics import PairedDifference

CONTROL = "control"


@dataclass(frozen=True)
class ComparisonRow:
    """A main arm against one baseline, for one group; undefined values are None.

    Attributes:
        main_networks: `allocated` or `skip-free`; also `searched` if the baseline is `random_search`.
        baseline: `searched`, `skip-free`, `control` or `random_search`.
        baseline_control: name of the control, which changes the plan of the main pair; None for other baselines.
        main_ranking: ranker of the main pair; None unless main_networks is `allocated`, as for main_allocation. If the
            group has no such networks, all main_ numbers are None.
        main_n: number of search seeds.
        main_low: lower end of the 95 % interval of the mean test accuracy.
        main_interval: kind of the interval, `t` or `bootstrap`.
        main_worst: final test accuracy of the worst seed, a mean over its retrainings.
        main_best: final test accuracy of the best seed, a mean over its retrainings; never the result of the arm.
        main_between_sd: deviation between searches without that of retraining; None if no search is retrained twice.
        main_within_sd: deviation between retrainings of the same search; None if no search is retrained twice.
        difference_n: number of seeds of both arms; 0 if there are none.
        difference_mean: main - baseline, in final test accuracy.
        difference_holm_pvalue: p-value of the t test, adjusted over all differences from the same kind of baseline.
    """

    space: str
    data: str
    setting: str
    protocol: str
    method: str
    epochs: int
    main_networks: str
    baseline: str
    baseline_control: str | None
    main_ranking: str | None
    main_allocation: str | None
    main_n: int
    main_num_evaluations: int
    main_mean: float | None
    main_sd: float | None
    main_low: float | None
    main_high: float | None
    main_interval: str | None
    main_worst: float | None
    main_worst_seed: int | None
    main_best: float | None
    main_best_seed: int | None
    main_best_epoch_mean: float | None
    main_between_sd: float | None
    main_within_sd: float | None
    main_parameters: float | None
    main_macs: float | None
    main_num_skips: float | None
    main_refilled_share: float | None
    main_search_seconds: float | None
    main_ranking_seconds: float | None
    main_evaluation_seconds: float | None
    main_peak_bytes: float | None
    baseline_n: int
    baseline_num_evaluations: int
    baseline_mean: float | None
    baseline_sd: float | None
    baseline_low: float | None
    baseline_high: float | None
    baseline_interval: str | None
    baseline_worst: float | None
    baseline_worst_seed: int | None
    baseline_best: float | None
    baseline_best_seed: int | None
    baseline_best_epoch_mean: float | None
    baseline_between_sd: float | None
    baseline_within_sd: float | None
    baseline_parameters: float | None
    baseline_macs: float | None
    baseline_num_skips: float | None
    baseline_refilled_share: float | None
    baseline_search_seconds: float | None
    baseline_ranking_seconds: float | None
    baseline_evaluation_seconds: float | None
    baseline_peak_bytes: float | None
    difference_n: int
    difference_mean: float | None
    difference_sd: float | None
    difference_low: float | None
    difference_high: float | None
    difference_t_pvalue: float | None
    difference_holm_pvalue: float | None
    difference_wilcoxon_pvalue: float | None
    difference_superiority: float | None
    difference_effect_size: float | None
    difference_detectable: float | None


def comparison_rows(comparison: Comparison) -> tuple[ComparisonRow, ...]:
    """Return one row per group and difference: between kinds of networks, from controls, from random architectures."""
    rows = []
    for group in comparison.groups:

        def row(
            networks: str,
            baseline: str,
            control: str | None,
            arm: Arm | None,
            difference: PairedDifference | None,
            holm_pvalue: float | None,
            group: GroupComparison = group,
        ) -> ComparisonRow:
            pair = group.pair if networks == ALLOCATED else None
            return ComparisonRow(
                **group.group._asdict(),
                main_networks=networks,
                baseline=baseline,
                baseline_control=control,
                main_ranking=pair.ranking if pair else None,
                main_allocation=pair.allocation if pair else None,
                **_arm_columns("main", group.arm(networks)),
                **_arm_columns("baseline", arm),
                **difference_columns(difference),
                difference_holm_pvalue=holm_pvalue,
            )

        rows += [
            row(each.main, each.baseline, None, group.arm(each.baseline), each.difference, each.holm_pvalue)
            for each in group.differences
            if group.arm(each.main) or group.arm(each.baseline)
        ]
        rows += [
            row(ALLOCATED, CONTROL, control.control, control.arm, control.difference, control.holm_pvalue)
            for control in group.controls
        ]
        rows += [
            row(each.networks, RANDOM_SEARCH, None, each.baseline, each.difference, each.holm_pvalue)
            for each in group.random_baselines
        ]
    return tuple(rows)


def _arm_columns(prefix: str, arm: Arm | None) -> dict[str, Any]:
    accuracy = arm.test_accuracy if arm else None
    variance = arm.variance if arm else None
    columns = {
        "n": accuracy.n if accuracy else 0,
        "num_evaluations": arm.num_evaluations if arm else 0,
        "mean": accuracy.mean if accuracy else None,
        "sd": accuracy.sd if accuracy else None,
        "low": accuracy.low if accuracy else None,
        "high": accuracy.high if accuracy else None,
        "interval": accuracy.interval if accuracy else None,
        "worst": arm.worst.test_accuracy if arm else None,
        "worst_seed": arm.worst.seed if arm else None,
        "best": arm.best.test_accuracy if arm else None,
        "best_seed": arm.best.seed if arm else None,
        "best_epoch_mean": arm.best_test_accuracy.mean if arm else None,
        "between_sd": variance.between_sd if variance else None,
        "within_sd": variance.within_sd if variance else None,
        "parameters": arm.parameters if arm else None,
        "macs": arm.macs if arm else None,
        "num_skips": arm.num_skips if arm else None,
        "refilled_share": arm.refilled_share if arm else None,
        "search_seconds": arm.search_seconds if arm else None,
        "ranking_seconds": arm.ranking_seconds if arm else None,
        "evaluation_seconds": arm.evaluation_seconds if arm else None,
        "peak_bytes": arm.peak_bytes if arm else None,
    }
    return {f"{prefix}_{name}": value for name, value in columns.items()}
