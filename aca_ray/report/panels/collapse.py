"""Whether searches collapse to skip connections."""

from __future__ import annotations

from collections.abc import Iterator
from operator import attrgetter

from matplotlib.ticker import MaxNLocator

from aca_ray.comparison import SEARCHED, Comparison, CurveRow
from aca_ray.comparison.correlations import CorrelationRow
from aca_ray.comparison.grouping import grouped
from aca_ray.report.figures import Plot, looks_of, plot_of
from aca_ray.report.formats import decimal, number, percent, prose, pvalue, text
from aca_ray.report.panel import Panel
from aca_ray.report.places import table_of
from aca_ray.report.row_files import RowFile
from aca_ray.report.seed_lines import Point, seed_lines
from aca_ray.report.table import Table

# Of a correlation row, and of a curve row.
_CORRELATION = (
    text("method"),
    text("networks"),
    number("n"),
    number("Kendall's tau", decimal, "kendall_tau"),
    number("p", pvalue, "pvalue"),
)
_SEARCH = (text("method"), number("epochs"), text("networks", "skip"), number("seed"), number("epoch"))
_LAST_EPOCH = (
    *_SEARCH,
    number("skips", of="skip_count"),
    number("parametric", of="parametric_count"),
    number("entropy", lambda value: decimal(value, 3)),
    number("churn"),
    number("search_valid %", percent, "search_valid_accuracy"),
    number("gap", percent, "generalization_gap"),
)


def _tables(comparison: Comparison) -> tuple[Table, ...]:
    return (
        *table_of(
            comparison.correlations,
            "correlation",
            "Does the accuracy of the supernet predict that of the retrained network?",
            "Kendall's tau between search_valid accuracy at the last epoch and test accuracy of the retrained network, "
            "over seeds and budgets: 1 is the same order, 0 is no agreement, -1 the reverse order. No tau: fewer than "
            "3 pairs, or all values tied.",
            _CORRELATION,
            "correlations.csv",
        ),
        *table_of(
            list({row.search: row for row in comparison.collapse}.values()),
            "collapse",
            "Every search at its last epoch",
            "Signs of collapse: many skip connections and few parametric operations (those with weights), low entropy "
            "of the mixing weights, and a growing gap between search_train and search_valid accuracy. Churn: number of "
            "edges changed since the previous epoch; 0 means that the search has settled.",
            _LAST_EPOCH,
            "curves.parquet",
        ),
        *table_of(
            list(_genotype_changes(comparison)),
            "genotypes",
            "Genotype changes",
            "Epochs at which the genotype changed, for the lowest seed of every method, policy and budget. Edges are "
            "written operation~input, joined by + within a node and | between nodes. All epochs of all seeds are in "
            "curves.parquet.",
            (*_SEARCH, prose("genotype")),
            "curves.parquet",
        ),
    )


def _genotype_changes(comparison: Comparison) -> Iterator[CurveRow]:
    """Yield the epochs at which the genotype changed, for the lowest seed of every kind of search."""
    kinds = grouped(comparison.collapse, attrgetter("space", "data", "setting", "method", "skip", "epochs"))
    genotypes: dict[str, str] = {}
    for rows in kinds.values():
        for row in rows:
            changed = row.genotype is not None and genotypes.get(row.search) != row.genotype
            if changed and row.seed == rows[0].seed:  # rows are sorted by seed
                genotypes[row.search] = row.genotype or ""
                yield row


def _plots(comparison: Comparison) -> Iterator[Plot]:
    rows = [row for row in comparison.rows.curves if row.skip == SEARCHED and row.skip_count is not None]
    points = [
        Point(
            f"{row.space} on {row.data}, search of {row.epochs} epochs",
            row.method,
            SEARCHED,
            f"{row.sweep} {row.setting}",
            row.epoch,
            row.skip_count or 0.0,
        )
        for row in sorted(rows, key=attrgetter("space", "data", "epochs", "epoch", "seed"))
    ]
    looks = looks_of(comparison)
    figure = seed_lines(points, looks, "epoch of the search", "skip connections in the genotype", share_y=True)
    if figure is not None:
        figure.axes[0].yaxis.set_major_locator(MaxNLocator(integer=True))
        yield plot_of(
            figure,
            "skips",
            "Skip connections over the epochs of searched cells",
            "Number of edges, over both cells, that would be skip connections if the search ended at that epoch. "
            "A line that climbs toward all edges is a collapse.",
        )


def _files(comparison: Comparison) -> tuple[RowFile, ...]:
    content = "correlation of supernet and test accuracy"
    return (
        RowFile("curves.parquet", "every epoch of every search", comparison.rows.curves, CurveRow),
        RowFile("correlations.csv", content, comparison.correlations, CorrelationRow),
    )


PANEL = Panel(
    "collapse",
    "Collapse",
    "Whether searches collapse to skip connections, and whether the accuracy of the supernet reveals it.",
    "No search has finished an epoch yet.",
    tables=_tables,
    plots=_plots,
    files=_files,
)
