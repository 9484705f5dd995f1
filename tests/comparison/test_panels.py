"""The registry of panels: what one brings is in the page, in Markdown, in the terminal, and in the files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from aca_ray.comparison import Comparison, EvaluationRow, SweepRows, compare
from aca_ray.report.figures import Plot, plot_of
from aca_ray.report.formats import number, text
from aca_ray.report.page import write_report
from aca_ray.report.panel import Panel, make_sections
from aca_ray.report.panels import PANELS
from aca_ray.report.row_files import RowFile
from aca_ray.report.table import Table
from aca_ray.report.terminal import to_text
from aca_ray.space import PUBLISHED

Build = Callable[..., EvaluationRow]


def _tables(comparison: Comparison) -> list[Table]:
    columns = (text("name", "method"), number("toy epochs", of="epochs"))
    return [Table("toy-table", "Toy table", "Toy caption.", columns, comparison.evaluations)]


def _plots(comparison: Comparison) -> Iterator[Plot]:
    figure = Figure()
    figure.subplots().plot([row.test_accuracy for row in comparison.evaluations])
    yield plot_of(figure, "any_name", "Toy plot", "Toy line.")


def _files(comparison: Comparison) -> list[RowFile]:
    return [RowFile("toy.csv", "toy rows", comparison.evaluations, EvaluationRow)]


TOY = Panel(
    "toy", "Toy question", "Toy reading.", "Toy missing.", tables=_tables, plots=_plots, brief=_tables, files=_files
)
EMPTY = Panel("empty", "Empty question", "Empty reading.", "Empty missing.")


@pytest.fixture
def comparison(evaluation_row: Build) -> Comparison:
    return compare(SweepRows(evaluations=(evaluation_row(0.5, method="toy_method", epochs=77),), sweep="toy"))


def test_a_panel_is_in_all_outputs(comparison: Comparison, tmp_path: Path) -> None:
    paths = write_report(comparison, tmp_path, "Toy", lambda _: (PUBLISHED["DARTS_V2"], None), (*PANELS, TOY, EMPTY))
    assert {path.name for path in paths} > {"any_name.svg", "toy-table.tex", "toy.csv"}
    page = (tmp_path / "report.html").read_text().replace("\u00a0", " ")
    markdown = (tmp_path / "report.md").read_text()
    for shown in ("Toy question", "Toy reading.", "Toy plot", "Toy table", "toy epochs", "any_name.svg"):
        assert shown in page
        assert shown in markdown
    for key in ("toy", "table-toy-table"):
        assert f'id="{key}"' in page
    assert 'href="#toy"' in page
    assert "| toy_method | 77 |" in markdown
    assert "Empty missing." in page
    assert "Empty reading." not in page
    assert page.index("Failed trials") < page.index("Toy question")  # the order is that of the registry
    terminal = to_text(comparison, (TOY,))
    assert terminal.splitlines()[:4] == ["Toy table", "name        toy epochs", "-" * 22, "toy_method          77"]


def test_every_plot_of_a_panel_is_written_and_shown(comparison: Comparison, tmp_path: Path) -> None:
    write_report(comparison, tmp_path, "Toy", lambda _: (PUBLISHED["DARTS_V2"], None))
    page = (tmp_path / "report.html").read_text()
    plots = {plot.name for panel in PANELS for plot in panel.plots(comparison)}
    assert {file.stem for file in tmp_path.glob("*.svg")} == plots >= {"test_accuracy", "accuracy_parameters"}
    assert all(f'href="{name}.svg"' in page for name in plots)


@pytest.mark.parametrize(
    ("other", "name"),
    [
        (replace(TOY, plots=EMPTY.plots, tables=EMPTY.tables), "panels .*toy"),
        (replace(TOY, key="other", tables=EMPTY.tables), "plots .*any_name"),
        (replace(TOY, key="other", plots=EMPTY.plots), "tables .*toy-table"),
        (replace(TOY, key="other", plots=EMPTY.plots, tables=EMPTY.tables), "files .*toy.csv"),
    ],
)
def test_a_name_that_would_overwrite_another_is_refused(comparison: Comparison, other: Panel, name: str) -> None:
    with pytest.raises(ValueError, match=name):
        make_sections(comparison, (TOY, other))


def test_a_panel_without_a_text_for_missing_results_is_left_out(comparison: Comparison) -> None:
    keys = [section.key for section in make_sections(comparison, (replace(EMPTY, missing=""), EMPTY, TOY))]
    assert keys == ["empty", "toy"]
