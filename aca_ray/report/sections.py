"""The sections of a report, in reading order.

Source: Lindauer & Hutter 2020 for what a report of an architecture search must contain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aca_ray.comparison import Comparison, SweepRows
from aca_ray.report.accuracy_tables import (
    accuracy_tables,
    control_tables,
    random_baseline_tables,
    variance_tables,
)
from aca_ray.report.arm_tables import arm_tables, difference_tables
from aca_ray.report.channel_tables import ranker_agreement_tables, refill_tables, stability_tables
from aca_ray.report.figures import Plot
from aca_ray.report.findings import what_allocated_means
from aca_ray.report.look_up_tables import look_up_tables
from aca_ray.report.pair_tables import pair_tables
from aca_ray.report.panel_tables import collapse_tables, correlation_tables, cost_tables
from aca_ray.report.provenance_tables import checklist_tables, failure_tables, provenance_tables
from aca_ray.report.table import Table


@dataclass(frozen=True)
class Section:
    """One section.

    Attributes:
        key: name in links.
        reading: a sentence or two: what the section shows and how to read it.
        missing: text of a section with neither table nor plot.
    """

    key: str
    title: str
    reading: str
    missing: str
    tables: tuple[Table, ...] = ()
    plots: tuple[Plot, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether the section has neither table nor plot."""
        return not self.tables and not self.plots


def make_sections(comparison: Comparison, sweeps: Sequence[SweepRows], plots: Sequence[Plot]) -> tuple[Section, ...]:
    """Return all sections, including empty ones."""

    def named(*prefixes: str) -> tuple[Plot, ...]:
        return tuple(plot for plot in plots if plot.name.startswith(prefixes))

    true_accuracy = Section(
        "true-accuracy",
        "True accuracy over search epochs",
        "The cell of every search epoch, looked up in the table of a benchmark. A falling curve is a collapse. The "
        "accuracies come from the benchmark's own training, not from networks trained in this sweep. The table has no "
        "networks that divide channels between operation and skip connection.",
        "No look-up has finished yet.",
        look_up_tables(sweeps),
        named("true_accuracy"),
    )
    meaning = f" Allocated means {what_allocated_means(comparison)}." if comparison.main_pair else ""
    return (
        *([] if true_accuracy.is_empty else [true_accuracy]),
        Section(
            "accuracy",
            "Accuracy",
            "Test accuracy of every method with three kinds of cells: as searched, without skip connections "
            f"(skip-free), and with channels refilled by skip connections (allocated).{meaning}",
            "No evaluation has finished yet.",
            accuracy_tables(comparison),
            named("test_accuracy"),
        ),
        Section(
            "differences",
            "Searched, skip-free, allocated",
            "Skip-free - searched: does leaving skip connections out of the search help? Allocated - searched: is the "
            "whole method better than the plain one? Allocated - skip-free: does refilling help? A difference is "
            "significant if its interval excludes 0 and its p-value after Holm's correction is below 0.05.",
            "No method has two kinds of networks yet.",
            arm_tables(comparison) + difference_tables(comparison),
        ),
        Section(
            "variance",
            "Search seeds and retraining seeds",
            "How much of the variance comes from the search and how much from retraining. To shorten the intervals, "
            "add seeds to the larger source.",
            "No search was retrained with several seeds, so the two sources of variance cannot be separated.",
            variance_tables(comparison),
        ),
        Section(
            "controls",
            "Controls",
            "Networks of the same searches and the same size with a changed channel plan: random draws the channels of "
            "every edge, uniform keeps the same share on every edge, shuffled permutes the shares among edges. The "
            "remaining difference is due to the ranking.",
            "No control was evaluated (evaluation.controls in the spec).",
            control_tables(comparison),
        ),
        Section(
            "pairs",
            "Pairs of rankers and rules",
            "Which pair of ranker and rule works best on the same checkpoints. Holm's correction covers all pairs for "
            "each control, and all differences between pairs.",
            "No pair has a control or another pair to compare with, and no channels were ranked.",
            pair_tables(comparison),
        ),
        Section(
            "random",
            "Random architectures",
            "A useful search beats random architectures from the same space.",
            "No random_search with the same protocol: it is unknown whether the searches beat chance.",
            random_baseline_tables(comparison),
        ),
        Section(
            "cost",
            "Cost",
            "Seconds, memory and network size behind every accuracy, and which arms are on the Pareto front.",
            "No evaluation has finished yet.",
            cost_tables(comparison),
            named("accuracy_"),
        ),
        Section(
            "collapse",
            "Collapse",
            "Whether searches collapse to skip connections, and whether the accuracy of the supernet reveals it.",
            "No search has finished an epoch yet.",
            correlation_tables(comparison) + collapse_tables(comparison),
            named("skips"),
        ),
        Section(
            "channels",
            "Channel allocation",
            "Share of the channels that skip connections refill, and agreement of channel ranks between milestones and "
            "between rankers.",
            "No channels have been ranked yet.",
            stability_tables(comparison) + ranker_agreement_tables(comparison) + refill_tables(comparison),
            named("refilled", "kept_share"),
        ),
        Section(
            "alphas",
            "Mixing weights",
            "Mixing weights of the candidate operations, epoch by epoch.",
            "The records have no mixing weights per epoch: no search has begun, or an older version wrote them.",
            (),
            named("alphas"),
        ),
        Section(
            "provenance",
            "Provenance",
            "Code, packages, data, seeds, hardware and resumes behind the numbers.",
            "No trial has a record yet.",
            provenance_tables(comparison),
        ),
        Section(
            "checklist",
            "Checklist",
            "What a reviewer asks about an architecture search.",
            "The sweep cannot answer any item yet.",
            checklist_tables(comparison),
        ),
        Section(
            "failed",
            "Failed trials",
            "Trials that ended in an error and are missing from the tables above.",
            "No trial has failed.",
            failure_tables(sweeps),
        ),
    )
