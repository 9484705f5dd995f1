"""The comparison as metrics for an experiment tracker: one number per name."""

from __future__ import annotations

from collections.abc import Mapping

from aca_ray.comparison.comparison import Comparison
from aca_ray.comparison.kinds import Place
from aca_ray.comparison.pairs import by_advantage
from aca_ray.comparison.settings import setting_labels


def comparison_metrics(comparison: Comparison) -> dict[str, float]:
    """Return the means of every group, its differences with their tests, and the advantages of the pairs."""
    metrics: dict[str, float | None] = {}
    settings = setting_labels({group.group.setting for group in comparison.groups})
    for group in comparison.groups:
        place = _path(group.group.place, settings)
        prefix = f"comparison/{group.group.method}/e{group.group.epochs}/{place}"
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
            name = f"pairs/{_path(one.place, settings)}/{one.pair.label}/advantage over {one.baseline}"
            metrics[name] = one.difference.mean
    return {name: float(value) for name, value in metrics.items() if value is not None}


def _path(place: Place, settings: Mapping[str, str]) -> str:
    """Return a place as part of a name, with what distinguishes its setting from other settings."""
    parts = (place.space, place.data, place.protocol, settings[place.setting])
    return "/".join(part for part in parts if part)
