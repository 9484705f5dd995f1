"""Look-ups, from records to rows, arms, and the table and plot of a report."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml
from matplotlib.figure import Figure

from aca_ray.comparison import LookUpRow, SweepRows, compare, read_sweep
from aca_ray.comparison.look_ups import look_up_arms, look_up_curves, mean_curve
from aca_ray.report.figures import Plot
from aca_ray.report.panel import make_sections
from aca_ray.report.panels import PANELS
from aca_ray.report.panels.true_accuracy import PANEL
from aca_ray.report.row_files import write_files
from aca_ray.report.table import Table

BEST, ALL_SKIPS = 0.94, 0.55
TAYLOR = ("taylor_identity", "rounded")


def rows_of(
    curve: dict[int, float | None],
    seed: int = 0,
    method: str = "darts",
    rule: tuple[str | None, str | None] | None = None,
    **values: Any,
) -> list[LookUpRow]:
    """Return the rows of a look-up of a search of four epochs; rule: ranking and allocation, None when searched."""
    ranking, allocation = rule or (None, None)
    place = {
        "sweep": "toy",
        "method": method,
        "skip": "allocated" if rule else "searched",
        "space": "nasbench201",
        "data": "digits",
        "setting": "{}",
        "epochs": 4,
        "seed": seed,
        "protocol": "table toy",
        "ranking": ranking,
        "allocation": allocation,
        "control": None,
        "table_architectures": 1_000,
        "table_best": BEST,
        "table_all_skips": ALL_SKIPS,
        "search": f"s{seed}",
        "fingerprint": f"{method} {rule} {seed}",
        **values,
    }
    return [
        LookUpRow(
            **place,
            epoch=epoch,
            accuracy=accuracy,
            regret=None if accuracy is None else BEST - accuracy,
            rank=None if accuracy is None else round(1000 * (BEST - accuracy)) + 1,
        )
        for epoch, accuracy in curve.items()
    ]


@pytest.fixture
def sweep() -> SweepRows:
    """Two seeds of a collapse, of skip-free searches, and of their rounded cells at two milestones."""
    return SweepRows(
        sweep="toy",
        look_ups=(
            *rows_of({2: 0.90, 4: 0.93}, 0, rule=TAYLOR),
            *rows_of({2: 0.92, 4: 0.91}, 1, rule=TAYLOR),
            *rows_of({1: 0.90, 2: 0.92, 3: 0.92, 4: 0.93}, 0, rule=(None, "all")),
            *rows_of({1: 0.90, 2: 0.90, 3: 0.92, 4: 0.91}, 1, rule=(None, "all")),
            *rows_of({1: 0.10, 2: 0.92, 3: 0.80, 4: 0.55}, 1),
            *rows_of({1: 0.88, 2: 0.90, 3: None, 4: 0.91}, 0),
        ),
    )


def tables(*sweeps: SweepRows) -> list[Table]:
    return list(PANEL.tables(compare(sweeps)))


def plots(*sweeps: SweepRows) -> list[Plot]:
    return list(PANEL.plots(compare(sweeps)))


def test_records_are_read(sweep_folder) -> None:
    search = sweep_folder.search(epochs=2)
    result = {
        "regret": 0.04,
        "rank": 41,
        "table": {"architectures": 1_000, "best": BEST, "all_skips": None},
    }
    rows = [
        {"epoch": epoch, "time_ms": 1, "metrics": {"test/accuracy": value, "table/regret": regret, "table/rank": rank}}
        for epoch, value, regret, rank in ((1, None, None, None), (2, 0.9, 0.04, 41))
    ]
    looked_up = sweep_folder.network(search, 0.9, result=result, record={"rows": rows}, table={"name": "toy"})
    retrained = sweep_folder.network(search, 0.8)
    found = read_sweep(sweep_folder.folder)
    networks = {row.fingerprint: row for row in found.networks}
    assert (networks[looked_up].regret, networks[looked_up].rank) == (0.04, 41)
    assert (networks[retrained].regret, networks[retrained].rank) == (None, None)
    assert [(row.epoch, row.accuracy, row.regret, row.rank) for row in found.look_ups] == [
        (1, None, None, None),
        (2, 0.9, 0.04, 41),
    ]
    for row in found.look_ups:
        assert (row.fingerprint, row.search, row.protocol, row.seed) == (looked_up, search, "table toy", 0)
        assert (row.table_architectures, row.table_best, row.table_all_skips) == (1_000, BEST, None)


def test_arms(sweep: SweepRows) -> None:
    searched, skip_free, rounded = look_up_arms(sweep.look_ups)
    assert [arm.networks for arm in (searched, skip_free, rounded)] == [
        "searched",
        "skip-free",
        "rounded of taylor_identity",
    ]
    assert searched.n == 2
    assert searched.accuracy == pytest.approx(0.73)
    assert searched.accuracy_sd == pytest.approx(0.36 / 2**0.5)
    assert searched.lowest_accuracy == 0.55
    assert searched.regret == pytest.approx(BEST - 0.73)
    assert searched.rank == pytest.approx((31 + 391) / 2)
    # Not all seeds have an accuracy at epoch 3, so it cannot be the peak.
    assert (searched.peak_epoch, searched.peak_accuracy) == (2, pytest.approx(0.91))
    assert (skip_free.peak_epoch, skip_free.peak_accuracy) == (3, pytest.approx(0.92))
    assert (rounded.peak_epoch, rounded.peak_accuracy) == (4, pytest.approx(0.92))


def test_curves_of_several_sweeps_count_once(sweep: SweepRows) -> None:
    ((place, methods),) = look_up_curves(sweep.look_ups * 2).items()
    assert (place.protocol, place.epochs) == ("table toy", 4)
    assert {networks: [curve[0].seed for curve in curves] for networks, curves in methods["darts"].items()} == {
        "searched": [0, 1],
        "skip-free": [0, 1],
        "rounded of taylor_identity": [0, 1],
    }
    assert mean_curve(methods["darts"]["searched"]) == [
        (1, pytest.approx(0.49)),
        (2, pytest.approx(0.91)),
        (4, pytest.approx(0.73)),
    ]


def test_one_seed_has_no_deviation() -> None:
    (arm,) = look_up_arms(rows_of({1: 0.5, 4: 0.9}))
    assert (arm.n, arm.accuracy, arm.accuracy_sd) == (1, 0.9, None)
    (table,) = tables(SweepRows(look_ups=tuple(rows_of({1: 0.5, 4: 0.9}))))
    assert [cell.text for cell in table.cells[0]][4] == "90.00"


def test_table_of_a_report(sweep: SweepRows) -> None:
    (table,) = tables(sweep)
    shown = {row[2].text: dict(zip((c.name for c in table.columns), row, strict=True)) for row in table.cells}
    assert shown["searched"]["accuracy %"].text == "73.00 ± 25.46"
    assert shown["searched"]["regret"].text == "21.00"
    assert shown["searched"]["rank"].value == pytest.approx(211)
    assert shown["skip-free"]["lowest %"].text == "91.00"


def texts_of(svg: bytes) -> list[str]:
    return [
        "".join(element.itertext()) for element in ElementTree.fromstring(svg).iter() if element.tag.endswith("text")
    ]


def test_plot(sweep: SweepRows) -> None:
    more = SweepRows(look_ups=tuple(rows_of({1: 0.9, 2: 0.9, 3: 0.9, 4: 0.9}, method="gdas")))
    (plot,) = plots(sweep, more)
    texts = texts_of(plot.svg)
    for text in ("darts", "gdas", "searched", "skip-free", "rounded of taylor_identity"):
        assert texts.count(text) == 1, text
    # Both references are in both panels, with the values of the rows.
    assert sum("94.00" in text and "1,000" in text for text in texts) == 2
    assert sum("55.00" in text for text in texts) == 2
    assert "1 of 24" in plot.caption
    assert plots(sweep, more)[0].svg == plot.svg


@pytest.mark.parametrize("methods", [("darts",), ("darts", "gdas")])
def test_the_legend_fits_into_the_figure(methods: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    rounded = ("taylor_identity", "rounded")
    arms = [(None, None), ((None, "all"), None), (rounded, None), (rounded, "shuffled")]
    figures: list[Figure] = []
    monkeypatch.setattr("aca_ray.report.panels.true_accuracy.plot_of", lambda figure, *_: figures.append(figure))
    rows = [
        row
        for method in methods
        for rule, control in arms
        for row in rows_of(
            {1: 0.9, 4: 0.9}, method=method, rule=rule, control=control, fingerprint=f"{method} {rule} {control}"
        )
    ]
    plots(SweepRows(look_ups=tuple(rows)))
    (figure,) = figures
    figure.draw_without_rendering()
    (legend,) = figure.legends
    assert len(legend.get_texts()) == 4
    box = legend.get_window_extent()
    assert figure.bbox.x0 <= box.x0
    assert box.x1 <= figure.bbox.x1


def test_a_table_without_the_collapsed_cell_has_no_line_for_it(sweep: SweepRows) -> None:
    rows = tuple(rows_of({1: 0.9, 4: 0.9}, table_all_skips=None))
    (plot,) = plots(SweepRows(look_ups=rows))
    assert not [text for text in texts_of(plot.svg) if "skip" in text]


def test_places_get_plots_of_their_own(sweep: SweepRows) -> None:
    other = SweepRows(look_ups=tuple(rows_of({8: 0.9}, epochs=8, fingerprint="other")))
    found = plots(sweep, other)
    assert [plot.name for plot in found] == ["true_accuracy_1", "true_accuracy_2"]
    assert len({plot.title for plot in found}) == 2


def test_section_comes_first_if_there_are_only_look_ups(sweep: SweepRows) -> None:
    first = make_sections(compare(sweep), PANELS)[0]
    assert [plot.name for plot in first.plots] == ["true_accuracy_1"]
    assert [table.key for table in first.tables] == ["look-ups"]
    without = make_sections(compare(SweepRows(sweep="toy")), PANELS)
    assert first.key not in {section.key for section in without}


def test_rows_reproduce_the_plot(sweep: SweepRows, tmp_path: Path) -> None:
    write_files(PANEL.files(compare(sweep)), tmp_path)
    with (tmp_path / "look_up_curves.csv").open() as file:
        rows = [{name: yaml.safe_load(text or "null") for name, text in row.items()} for row in csv.DictReader(file)]
    look_ups = tuple(LookUpRow(**{**row, "setting": "{}"}) for row in rows)
    assert look_ups == sweep.look_ups
    assert plots(SweepRows(look_ups=look_ups)) == plots(sweep)
    assert (tmp_path / "look_ups.csv").read_text().count("\n") == 1 + 3
