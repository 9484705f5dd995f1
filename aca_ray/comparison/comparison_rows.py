"""The comparison as rows for machines: one per group and baseline.

Accuracies and shares are fractions.

Source: ours; the columns are those that a reviewer asks for.
"""

from __future__ import annotations

from dataclasses import dataclass

from aca_ray.comparison.comparison import SEARCHED, Arm, Comparison, GroupComparison, Rule
from aca_ray.comparison.statistics import PairedDifference


@dataclass(frozen=True)
class ComparisonRow:
    """The main rule against one baseline, for one group; what could not be computed is None.

    Attributes:
        baseline: `searched` or `control`.
        baseline_ranking: the control's ranker; None when the baseline is `searched`.
        baseline_allocation: the control's rule; None likewise.
        main_ranking: None when the group has no network of the main rule; so are all main_ numbers.
        main_n: number of search seeds.
        main_low: lower end of the 95 % interval of the mean test accuracy.
        difference_n: number of seeds that both have; 0 when there is none.
        difference_mean: main - baseline, in final test accuracy.
        difference_holm_pvalue: t-test p-value adjusted over all groups; None for controls.
    """

    space: str
    data: str
    setting: str
    protocol: str
    method: str
    epochs: int
    baseline: str
    baseline_ranking: str | None
    baseline_allocation: str | None
    main_ranking: str | None
    main_allocation: str
    main_n: int
    main_num_evaluations: int
    main_mean: float | None
    main_sd: float | None
    main_low: float | None
    main_high: float | None
    main_best_epoch_mean: float | None
    main_retraining_sd: float | None
    main_parameters: float | None
    main_macs: float | None
    main_num_skips: float | None
    main_refilled_share: float | None
    main_search_seconds: float | None
    main_evaluation_seconds: float | None
    baseline_n: int
    baseline_num_evaluations: int
    baseline_mean: float | None
    baseline_sd: float | None
    baseline_low: float | None
    baseline_high: float | None
    baseline_best_epoch_mean: float | None
    baseline_retraining_sd: float | None
    baseline_parameters: float | None
    baseline_macs: float | None
    baseline_num_skips: float | None
    baseline_refilled_share: float | None
    baseline_search_seconds: float | None
    baseline_evaluation_seconds: float | None
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
    """Return one row per group and baseline: the searched networks first, then every control."""
    rows = []
    for group in comparison.groups:
        rows.append(_comparison_row(comparison, group, SEARCHED, None, group.searched, group.difference))
        rows += [
            _comparison_row(comparison, group, "control", control.rule, control.arm, control.difference)
            for control in group.controls
        ]
    return tuple(rows)


def _comparison_row(
    comparison: Comparison,
    group: GroupComparison,
    baseline: str,
    rule: Rule | None,
    arm: Arm | None,
    difference: PairedDifference | None,
) -> ComparisonRow:
    main = group.allocated
    main_accuracy = main.test_accuracy if main else None
    accuracy = arm.test_accuracy if arm else None
    return ComparisonRow(
        **group.group._asdict(),
        baseline=baseline,
        baseline_ranking=rule.ranking if rule else None,
        baseline_allocation=rule.allocation if rule else None,
        main_ranking=comparison.main_rule.ranking if comparison.main_rule and main else None,
        main_allocation=comparison.main_allocation,
        main_n=main_accuracy.n if main_accuracy else 0,
        main_num_evaluations=main.num_evaluations if main else 0,
        main_mean=main_accuracy.mean if main_accuracy else None,
        main_sd=main_accuracy.sd if main_accuracy else None,
        main_low=main_accuracy.low if main_accuracy else None,
        main_high=main_accuracy.high if main_accuracy else None,
        main_best_epoch_mean=main.best_test_accuracy.mean if main else None,
        main_retraining_sd=main.retraining_sd if main else None,
        main_parameters=main.parameters if main else None,
        main_macs=main.macs if main else None,
        main_num_skips=main.num_skips if main else None,
        main_refilled_share=main.refilled_share if main else None,
        main_search_seconds=main.search_seconds if main else None,
        main_evaluation_seconds=main.evaluation_seconds if main else None,
        baseline_n=accuracy.n if accuracy else 0,
        baseline_num_evaluations=arm.num_evaluations if arm else 0,
        baseline_mean=accuracy.mean if accuracy else None,
        baseline_sd=accuracy.sd if accuracy else None,
        baseline_low=accuracy.low if accuracy else None,
        baseline_high=accuracy.high if accuracy else None,
        baseline_best_epoch_mean=arm.best_test_accuracy.mean if arm else None,
        baseline_retraining_sd=arm.retraining_sd if arm else None,
        baseline_parameters=arm.parameters if arm else None,
        baseline_macs=arm.macs if arm else None,
        baseline_num_skips=arm.num_skips if arm else None,
        baseline_refilled_share=arm.refilled_share if arm else None,
        baseline_search_seconds=arm.search_seconds if arm else None,
        baseline_evaluation_seconds=arm.evaluation_seconds if arm else None,
        difference_n=difference.n if difference else 0,
        difference_mean=difference.mean if difference else None,
        difference_sd=difference.sd if difference else None,
        difference_low=difference.low if difference else None,
        difference_high=difference.high if difference else None,
        difference_t_pvalue=difference.t_pvalue if difference else None,
        difference_holm_pvalue=group.holm_pvalue if baseline == SEARCHED else None,
        difference_wilcoxon_pvalue=difference.wilcoxon_pvalue if difference else None,
        difference_superiority=difference.superiority if difference else None,
        difference_effect_size=difference.effect_size if difference else None,
        difference_detectable=difference.detectable if difference else None,
    )
