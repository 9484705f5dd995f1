"""Columns of differences and their tests, which several panels share.

Source: Lindauer & Hutter 2020 and Bouthillier et al. 2021 for the columns.
"""

from __future__ import annotations

from typing import Any

from aca_ray.report.formats import (
    clipped,
    decimal,
    difference_and_interval,
    number,
    percent,
    pvalue,
    signed_interval,
    signed_percent,
    text,
)
from aca_ray.report.row_files import FileColumn

METHOD, EPOCHS = text("method", "group.method"), number("epochs", of="group.epochs")
BRIEF_METHOD = text("method", clipped(20, "group.method"))

# Of a comparison with a tested difference.
DIFFERENCE = (
    number("pairs", of="num_pairs"),
    number("difference", signed_percent, "difference.mean"),
    number("95 % interval", signed_interval, lambda row: _ends(row.difference)),
    number("p (t)", pvalue, "difference.t_pvalue"),
    number("p (Holm)", pvalue, "holm_pvalue"),
    number("p (Wilcoxon)", pvalue, "difference.wilcoxon_pvalue"),
    number("P(A > B)", decimal, "difference.superiority"),
    number("effect size", decimal, "difference.effect_size"),
    number("detectable", percent, "difference.detectable"),
)
BRIEF_DIFFERENCE = (
    number("n", of="num_pairs"),
    number("difference [95 %]", difference_and_interval, "difference"),
    number("p", pvalue, "difference.t_pvalue"),
    number("p Holm", pvalue, "holm_pvalue"),
    number("Wilcoxon", pvalue, "difference.wilcoxon_pvalue"),
    number("effect", decimal, "difference.effect_size"),
)
DIFFERENCE_CAPTION = (
    "Percentage points of test accuracy at the final epoch, paired by search seed; an interval that contains 0 means "
    "no significant difference. P(A > B): share of seeds where the first is better. Effect size: mean divided by "
    "standard deviation. Detectable: true difference that this number of pairs finds with 80 % power."
)
DIFFERENCE_FIELDS = {
    "difference_n": FileColumn(int, "num_pairs"),
    **{
        f"difference_{name}": FileColumn(float, "holm_pvalue" if name == "holm_pvalue" else f"difference.{name}")
        for name in (
            *("mean", "sd", "low", "high", "t_pvalue", "holm_pvalue", "wilcoxon_pvalue"),
            *("superiority", "effect_size", "detectable"),
        )
    },
}


def _ends(difference: Any) -> tuple[float | None, float | None]:
    return (difference.low, difference.high) if difference else (None, None)
