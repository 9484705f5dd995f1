"""The sections of a report, in the order in which they are read.

Source: ours; what a report of an architecture search must hold follows Lindauer & Hutter 2020.
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
        key: names it in links.
        reading: a sentence or two: what is here and how to read it.
        missing: what is said where there is neither table nor plot.
    """

    key: str
    title: str
    reading: str
    missing: str
    tables: tuple[Table, ...] = ()
    plots: tuple[Plot, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to show."""
        return not self.tables and not self.plots


def make_sections(comparison: Comparison, sweeps: Sequence[SweepRows], plots: Sequence[Plot]) -> tuple[Section, ...]:
    """Return the sections, also those that have nothing to show."""

    def named(*prefixes: str) -> tuple[Plot, ...]:
        return tuple(plot for plot in plots if plot.name.startswith(prefixes))

    true_accuracy = Section(
        "true-accuracy",
        "True accuracy over search epochs",
        "The cell of every search epoch, looked up in the table of a benchmark: a curve that falls is a collapse. The "
        "accuracies are those of the benchmark's own training, not of networks of this sweep. No table holds networks "
        "whose channels are divided between operation and skip.",
        "No look-up is finished yet.",
        look_up_tables(sweeps),
        named("true_accuracy"),
    )
    meaning = f" Allocated means {what_allocated_means(comparison)}." if comparison.main_pair else ""
    return (
        *([] if true_accuracy.is_empty else [true_accuracy]),
        Section(
            "accuracy",
            "Accuracy",
            "What every method reaches with the cells as searched, without skip connections (skip-free), and with "
            f"channels refilled by them (allocated).{meaning}",
            "No evaluation is finished yet.",
            accuracy_tables(comparison),
            named("test_accuracy"),
        ),
        Section(
            "differences",
            "Searched, skip-free, allocated",
            "Skip-free - searched: does leaving skip connections out of the search help? Allocated - searched: is the "
            "whole method better than the plain one? Allocated - skip-free: does refilling help? A difference is shown "
            "by an interval that excludes 0 and a p-value below 0.05 after Holm's correction.",
            "No method has networks of two kinds yet.",
            arm_tables(comparison) + difference_tables(comparison),
        ),
        Section(
            "variance",
            "Search seeds and retraining seeds",
            "How much of the scatter comes from the search and how much from retraining: more seeds of the larger one "
            "make the interval shorter.",
            "No search is retrained with several seeds, so the two can't be told apart.",
            variance_tables(comparison),
        ),
        Section(
            "controls",
            "Controls",
            "The same searches with the plan changed at equal size: random draws the channels of every edge, uniform "
            "keeps one share everywhere, shuffled deals the shares of the edges out anew. What is left of the "
            "difference is due to the ranking.",
            "No control is evaluated (evaluation.controls of the spec).",
            control_tables(comparison),
        ),
        Section(
            "pairs",
            "Pairs of rankers and rules",
            "Which ranker and rule serve best, over the same checkpoints. Holm's correction is over all pairs for each "
            "control, and for the differences between pairs.",
            "No pair has a control or another pair beside it, and no channels are ranked.",
            pair_tables(comparison),
        ),
        Section(
            "random",
            "Random architectures",
            "A search that does not beat random architectures of its own space has found nothing.",
            "No random_search under the same protocol is among the methods: whether a search beats chance is open.",
            random_baseline_tables(comparison),
        ),
        Section(
            "cost",
            "Cost",
            "What an accuracy costs in seconds, memory and size, and which arms are worth it.",
            "No evaluation is finished yet.",
            cost_tables(comparison),
            named("accuracy_"),
        ),
        Section(
            "collapse",
            "Collapse",
            "Whether searches end in skip connections, and whether the accuracy of the supernet would have told.",
            "No search has finished an epoch yet.",
            correlation_tables(comparison) + collapse_tables(comparison),
            named("skips"),
        ),
        Section(
            "channels",
            "Channel allocation",
            "Which channels skip connections refill, and how far ranks agree between epochs, seeds and rankers.",
            "No search has had its channels ranked yet.",
            stability_tables(comparison) + ranker_agreement_tables(comparison) + refill_tables(comparison),
            named("refilled", "kept_share"),
        ),
        Section(
            "alphas",
            "Mixing weights",
            "How the weights of the candidate operations went, epoch by epoch.",
            "The records hold no mixing weights by epoch: they are of an older version, or no search has begun.",
            (),
            named("alphas"),
        ),
        Section(
            "provenance",
            "Provenance",
            "Code, packages, data, seeds, hardware and resumptions behind the numbers.",
            "The records say nothing yet.",
            provenance_tables(comparison),
        ),
        Section(
            "checklist",
            "Checklist",
            "What a reviewer asks of an architecture search.",
            "The sweep can answer nothing yet.",
            checklist_tables(comparison),
        ),
        Section(
            "failed",
            "Failed trials",
            "What is missing from the tables above because it ended in an error.",
            "No trial has failed.",
            failure_tables(sweeps),
        ),
    )
