"""The comparison as metrics for an experiment tracker: one number per name."""

from __future__ import annotations

from aca_ray.comparison.comparison import Comparison
from aca_ray.comparison.pairs import by_advantage


def comparison_metrics(comparison: Comparison) -> dict[str, float]:
    """Return the means of every group, its differences with their tests, and the advantages of the pairs."""
    metrics: dict[str, float | None] = {}
    for group in comparison.groups:
        method, space, data = group.group.method, group.group.space, group.group.data
        prefix = f"comparison/{method}/{space}/{data}/e{group.group.epochs}/{group.group.protocol}"
        metrics |= {f"{prefix}/{name}": arm.test_accuracy.mean for name, arm in group.arms.items()}
        for each in group.differences:
            if (difference := each.difference) is not None:
                values = {
                    "n": difference.n,
                    "mean": difference.mean,
                    "low": difference.low,
                    "high": difference.high,
                    "p": difference.t_pvalue,
                    "p_holm": each.holm_pvalue,
                    "p_wilcoxon": difference.wilcoxon_pvalue,
                    "effect_size": difference.effect_size,
                }
                metrics |= {f"{prefix}/{each.label}/{name}": value for name, value in values.items()}
    for one in by_advantage(one for one in comparison.pair_comparisons if one.method is None):
        if one.difference is not None:
            space, data, _, protocol = one.place
            metrics[f"pairs/{space}/{data}/{protocol}/{one.pair.label}/advantage over {one.baseline}"] = (
                one.difference.mean
            )
    return {name: float(value) for name, value in metrics.items() if value is not None}
