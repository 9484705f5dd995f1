"""Pairs of rankers and rules: against each other, against their own controls, and kept shares over the epochs."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from aca_ray.comparison import AllocationRow, Comparison, NetworkRow, Pair, SweepRows, compare
from aca_ray.comparison.pairs import by_advantage
from aca_ray.report.panels.pairs import PANEL
from aca_ray.report.row_files import write_files
from aca_ray.report.terminal import to_text

Build = Callable[..., NetworkRow]
SIGN, OTSU, FISHER = Pair("taylor_identity", "sign"), Pair("taylor_identity", "otsu"), Pair("fisher", "sign")
SKIP_FREE = (None, "all")
PAIRS = (SIGN, OTSU, FISHER)
ALLOCATION = AllocationRow(
    sweep="toy",
    method="darts",
    space="darts",
    data="digits",
    setting="{}",
    epochs=8,
    seed=0,
    epoch=2,
    ranking="taylor_identity",
    allocation="sign",
    refilled_share=0.4,
    parameters=90,
    kendall_tau=None,
    jaccard=None,
    decided_share=None,
    search="s0",
)
# Per pair and control: the accuracy of seeds 0 to 3 of darts, then of pc_darts.
ACCURACIES: dict[tuple[tuple[str | None, str], str | None], tuple[tuple[float, ...], ...]] = {
    (SIGN, None): ((0.80, 0.83, 0.81, 0.84), (0.70, 0.72, 0.71, 0.75)),
    (SIGN, "random"): ((0.80, 0.82, 0.79, 0.83), (0.71, 0.70, 0.70, 0.74)),
    (SIGN, "uniform"): ((0.78, 0.82, 0.80, 0.81), (0.69, 0.70, 0.68, 0.74)),
    (OTSU, None): ((0.81, 0.82, 0.80, 0.86), (0.74, 0.73, 0.76, 0.75)),
    (OTSU, "random"): ((0.77, 0.80, 0.79, 0.81), (0.69, 0.71, 0.70, 0.73)),
    (FISHER, None): ((0.79, 0.80, 0.83, 0.80), (0.71, 0.69, 0.74, 0.70)),
    (FISHER, "random"): ((0.80, 0.82, 0.79, 0.83), (0.72, 0.71, 0.70, 0.72)),
    (SKIP_FREE, None): ((0.82, 0.83, 0.82, 0.85), (0.73, 0.74, 0.72, 0.74)),
}


def _holm(pvalues: list[float]) -> list[float]:
    """Adjust p-values by the definition: the largest product, of all not larger, with the number not smaller."""
    return [max(min(1.0, q * sum(other >= q for other in pvalues)) for q in pvalues if q <= p) for p in pvalues]


@pytest.fixture
def rows(network_row: Build) -> SweepRows:
    """Three pairs over four seeds of two methods, every search retrained twice."""
    return SweepRows(
        networks=tuple(
            network_row(
                accuracy + noise,
                pair,
                control=control,
                seed=seed,
                method=method,
                retrain_seed=retrain_seed,
                refilled_share=0.25 if pair == OTSU else 0.5,
            )
            for (pair, control), methods in ACCURACIES.items()
            for method, accuracies in zip(("darts", "pc_darts"), methods, strict=True)
            for seed, accuracy in enumerate(accuracies)
            for retrain_seed, noise in enumerate((-0.005, 0.005))
        )
    )


def _gains(a: tuple[tuple[str | None, str], str | None], b: tuple[tuple[str | None, str], str | None]) -> np.ndarray:
    """Return the differences of all eight searches."""
    return np.subtract(np.ravel(ACCURACIES[a]), np.ravel(ACCURACIES[b]))


def test_pairs_are_compared_with_each_other_by_search_as_one_family(rows: SweepRows) -> None:
    whole = [one for one in compare(rows, PAIRS).pair_comparisons if one.method is None and one.other is not None]
    assert [(one.pair, one.other) for one in whole] == list(combinations(PAIRS, 2))
    tests = [stats.ttest_1samp(_gains((a, None), (b, None)), 0.0).pvalue for a, b in combinations(PAIRS, 2)]
    assert [one.holm_pvalue for one in whole] == pytest.approx(_holm(tests))
    for one, (a, b) in zip(whole, combinations(PAIRS, 2), strict=True):
        assert one.difference is not None
        assert (one.n, one.baseline_n, one.difference.n) == (8, 8, 8)  # searches, not retrainings
        assert one.difference.mean == pytest.approx(_gains((a, None), (b, None)).mean())
        assert one.difference.wilcoxon_pvalue is not None


def test_every_pair_is_compared_with_its_own_controls_and_the_unrefilled_cells(rows: SweepRows) -> None:
    whole = [one for one in compare(rows, PAIRS).pair_comparisons if one.method is None and one.other is None]
    found = {(one.pair, one.baseline): one for one in whole}
    assert set(found) == {
        *((pair, baseline) for pair in PAIRS for baseline in ("random", "skip-free")),
        (SIGN, "uniform"),
    }
    for pair in PAIRS:
        one = found[pair, "random"]
        assert one.difference is not None
        assert one.difference.mean == pytest.approx(_gains((pair, None), (pair, "random")).mean())
        against_all = found[pair, "skip-free"].difference
        assert against_all is not None
        assert against_all.mean == pytest.approx(_gains((pair, None), (SKIP_FREE, None)).mean())
    tests = [stats.ttest_1samp(_gains((pair, None), (pair, "random")), 0.0).pvalue for pair in PAIRS]
    assert [found[pair, "random"].holm_pvalue for pair in PAIRS] == pytest.approx(_holm(tests))


def test_single_groups_follow_and_are_families_of_their_own(rows: SweepRows) -> None:
    single = [one for one in compare(rows, PAIRS).pair_comparisons if one.method is not None and one.other is not None]
    assert [one.method for one in single] == ["darts"] * 3 + ["pc_darts"] * 3
    tests = [
        stats.ttest_rel(ACCURACIES[a, None][index], ACCURACIES[b, None][index]).pvalue
        for index in range(2)
        for a, b in combinations(PAIRS, 2)
    ]
    assert [one.holm_pvalue for one in single] == pytest.approx(_holm(tests))
    alone = SweepRows(networks=tuple(row for row in rows.networks if row.method == "darts"))
    assert {one.method for one in compare(alone, PAIRS).pair_comparisons} == {None}


def test_the_largest_advantage_over_random_comes_first(rows: SweepRows) -> None:
    comparison = compare(rows, PAIRS)
    expected = sorted(PAIRS, key=lambda pair: -_gains((pair, None), (pair, "random")).mean())
    assert expected[0] == OTSU
    assert [one.pair for one in by_advantage(comparison.pair_comparisons) if one.method is None] == expected
    (table, *_) = PANEL.tables(comparison)
    assert [row[0].text for row in table.cells] == [pair.label for pair in expected]
    column = [column.name for column in table.columns].index("pair - random")
    values = [row[column].value or 0.0 for row in table.cells]
    assert values == sorted(values, reverse=True)
    kept = [column.name for column in table.columns].index("kept %")
    assert table.cells[0][kept].text == "75.0"


def test_seeds_missing_for_one_pair_are_left_out(rows: SweepRows) -> None:
    fewer = tuple(row for row in rows.networks if (row.ranking, row.seed) != ("fisher", 2))
    whole = [one for one in compare(SweepRows(networks=fewer), PAIRS).pair_comparisons if one.method is None]
    (one,) = (one for one in whole if (one.pair, one.other) == (SIGN, FISHER))
    assert one.difference is not None
    assert (one.n, one.baseline_n, one.difference.n) == (8, 6, 6)


def test_files_and_terminal_show_the_pairs(rows: SweepRows, tmp_path: Path) -> None:
    comparison = compare(rows, PAIRS)
    write_files(PANEL.files(comparison), tmp_path)
    found = list(csv.DictReader(io.StringIO((tmp_path / "pairs.csv").read_text())))
    assert [(row["ranking"], row["baseline"], row["baseline_ranking"], row["difference_mean"]) for row in found] == [
        (
            one.pair.ranking,
            one.baseline,
            one.other.ranking if one.other else "",
            repr(one.difference.mean) if one.difference else "",
        )
        for one in comparison.pair_comparisons
    ]
    assert (found[0]["allocation"], found[0]["method"], found[0]["n"], found[0]["difference_n"]) == (
        "sign",
        "",
        "8",
        "8",
    )
    text = to_text(comparison)
    assert max(map(len, text.splitlines())) <= 120
    lines = [line for line in text.splitlines() if line.startswith(tuple(pair.label for pair in PAIRS))]
    assert lines[0].startswith(OTSU.label)
    assert len(lines) == 3


def _kept(comparison: Comparison) -> list[list[str]]:
    (table,) = (table for table in PANEL.tables(comparison) if table.key == "kept-shares")
    return [[cell.text for cell in row] for row in table.cells]


def test_kept_shares_are_means_over_searches_at_the_milestones(tmp_path: Path) -> None:
    shares = {2: (0.2, 0.4), 4: (0.3, 0.5), 6: (0.5, 0.7), 8: (0.6, 0.9)}
    allocations = [
        replace(ALLOCATION, epoch=epoch, seed=seed, search=f"s{seed}", refilled_share=share)
        for epoch, values in shares.items()
        for seed, share in enumerate(values)
    ]
    allocations += [replace(row, allocation="sign_random") for row in allocations]  # keeps as much as `sign`
    allocations += [replace(row, ranking="fisher", refilled_share=0.5) for row in allocations[:8]]
    rows = SweepRows(allocations=tuple(allocations), unfinished=1)
    comparison = compare([rows, replace(rows, sweep="other")], [SIGN, FISHER])
    means = {(row.ranking, row.epoch): (row.n, row.kept_mean) for row in comparison.kept_shares}
    assert means == {
        **{("taylor_identity", epoch): (2, pytest.approx(1 - sum(values) / 2)) for epoch, values in shares.items()},
        **{("fisher", epoch): (2, 0.5) for epoch in shares},
    }
    assert _kept(comparison) == [
        ["sign of fisher", "darts", "8", "2", "50.0", "50.0", "50.0", "50.0", "no"],
        ["sign of taylor_identity", "darts", "8", "2", "70.0", "60.0", "40.0", "25.0", "yes"],
    ]
    write_files(PANEL.files(comparison), tmp_path)
    found = list(csv.DictReader(io.StringIO((tmp_path / "kept_shares.csv").read_text())))
    assert [(row["epoch"], row["kept_mean"]) for row in found] == [
        (str(row.epoch), repr(row.kept_mean)) for row in comparison.kept_shares
    ]


def test_a_search_with_one_milestone_does_not_fall() -> None:
    rows = SweepRows(allocations=(replace(ALLOCATION, epoch=8),), unfinished=1)
    assert _kept(compare(rows, [SIGN])) == [["sign of taylor_identity", "darts", "8", "1", "-", "-", "-", "60.0", "-"]]


def test_looked_up_pairs_are_compared_with_shuffled_edges(network_row: Build) -> None:
    whole, other = Pair("taylor_identity", "rounded"), Pair("fisher", "rounded")
    values = {(whole, None): 0.90, (whole, "random"): 0.90, (whole, "shuffled"): 0.89}
    values |= {(other, None): 0.91, (other, "random"): 0.91, (other, "shuffled"): 0.88}
    rows = SweepRows(
        networks=tuple(
            network_row(value + 0.001 * seed, pair, control=control, seed=seed, protocol="table nasbench201")
            for (pair, control), value in values.items()
            for seed in range(3)
        )
    )
    comparison = compare(rows, [whole, other])
    found = by_advantage(comparison.pair_comparisons)
    assert [(one.pair, one.baseline) for one in found] == [(other, "shuffled"), (whole, "shuffled")]
    assert [one.difference.mean for one in found if one.difference] == pytest.approx([0.03, 0.01])
    assert [row[0].text for row in next(iter(PANEL.tables(comparison))).cells] == [other.label, whole.label]
