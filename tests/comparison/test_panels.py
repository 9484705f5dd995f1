"""The registry of panels: what one brings is in the page, in Markdown, in the terminal, and in the files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from matplotlib.figure import Figure

from aca_ray.comparison import (
    AllocationRow,
    Comparison,
    CurveRow,
    EdgeRow,
    FailedTrial,
    LookUpRow,
    MixingTrajectory,
    NetworkRow,
    Pair,
    ScoreFile,
    SweepRows,
    TrialRow,
    compare,
)
from aca_ray.report.figures import Plot, plot_of
from aca_ray.report.formats import number, text
from aca_ray.report.page import write_report
from aca_ray.report.panel import Panel, make_sections
from aca_ray.report.panels import PANELS
from aca_ray.report.row_files import RowFile
from aca_ray.report.table import Table
from aca_ray.report.terminal import to_text
from aca_ray.space import PUBLISHED

Build = Callable[..., NetworkRow]
MAIN = Pair("taylor_identity", "sign")


def _tables(comparison: Comparison) -> list[Table]:
    columns = (text("name", "method"), number("toy epochs", of="epochs"))
    return [Table("toy-table", "Toy table", "Toy caption.", columns, comparison.networks)]


def _plots(comparison: Comparison) -> Iterator[Plot]:
    figure = Figure()
    figure.subplots().plot([row.test_accuracy for row in comparison.networks])
    yield plot_of(figure, "any_name", "Toy plot", "Toy line.")


def _files(comparison: Comparison) -> list[RowFile]:
    return [RowFile("toy.csv", "toy rows", comparison.networks, NetworkRow)]


TOY = Panel(
    "toy", "Toy question", "Toy reading.", "Toy missing.", tables=_tables, plots=_plots, brief=_tables, files=_files
)
EMPTY = Panel("empty", "Empty question", "Empty reading.", "Empty missing.")


@pytest.fixture
def comparison(network_row: Build) -> Comparison:
    return compare(SweepRows(networks=(network_row(0.5, method="toy_method", epochs=77),), sweep="toy"))


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


def _full(build: Build, tmp_path: Path) -> SweepRows:
    """Return rows for every table, plot and file."""
    pairs = (MAIN, Pair("l1", "sign"))
    kinds = [(None, None), ((None, "all"), None), *((pair, control) for pair in pairs for control in (None, "random"))]
    networks = [
        build(0.8 + 0.01 * index + 0.003 * seed * seed, rule, control=control, seed=seed, method=method, **repeated)
        for method in ("darts", "random_search")
        for index, (rule, control) in enumerate(kinds)
        for seed in range(3)
        for repeated in ({}, {"retrain_seed": 1})
    ]
    cell: dict[str, Any] = {"sweep": "toy", "method": "darts", "space": "darts", "data": "digits"}
    cell |= {"seed": 0, "search": "s"}
    search = {**cell, "setting": "{}", "epochs": 8}
    curve = CurveRow(
        **search,
        skip="searched",
        epoch=1,
        search_valid_accuracy=0.5,
        search_train_accuracy=0.6,
        skip_count=1.0,
        parametric_count=7.0,
        entropy=0.9,
        generalization_gap=0.1,
        genotype="skip_connect~0",
        churn=None,
    )
    milestone = {**search, "epoch": 4, "ranking": MAIN.ranking, "allocation": MAIN.allocation}
    table = {"table_architectures": 9, "table_best": 0.9, "table_all_skips": 0.5, "fingerprint": "looked up"}
    values = {"accuracy": 0.8, "regret": 0.1, "rank": 3}
    scores = [{"cell": 0, "source": 0, "target": 2, "operation": "o", "score": float(score)} for score in range(3)]
    pq.write_table(pa.Table.from_pylist(scores), tmp_path / "scores.parquet")
    files = [
        ScoreFile("darts", "darts", "digits", "{}", 8, "s", 4, ranking, tmp_path / "scores.parquet")
        for ranking in ("l1", MAIN.ranking)
    ]
    trial: dict[str, Any] = dict.fromkeys(TrialRow.__dataclass_fields__) | {**cell, "epochs": 8, "fingerprint": "s"}
    trial |= {"kind": "search", "state": "finished", "skip": "searched", "options": "{}", "versions": "{}"}
    del trial["search"]
    allocation = {"parameters": 9, "kendall_tau": 0.5, "jaccard": 0.6, "decided_share": None}
    return SweepRows(
        sweep="toy",
        networks=tuple(networks),
        curves=(curve,),
        allocations=(AllocationRow(**milestone, refilled_share=0.4, **allocation),),
        edges=(EdgeRow(**milestone, stage=0, source=0, target=2, operation="sep_conv_3x3", kept_share=0.6),),
        failed=(FailedTrial("search", {"method": "darts"}, "ValueError: no"),),
        scores=tuple(files),
        look_ups=(
            LookUpRow(
                **search,
                **table,
                **values,
                skip="searched",
                protocol="table toy",
                ranking=None,
                allocation=None,
                control=None,
                epoch=8,
            ),
        ),
        trajectories=(
            MixingTrajectory(
                **cell,
                skip="searched",
                cell_type="normal",
                candidates=("skip_connect", "noise"),
                edges=("0->2",),
                epochs=(1,),
                weights=np.full((1, 1, 2), 0.5, np.float32),
            ),
        ),
        trials=(TrialRow(**trial),),
    )


def test_all_panels_show_what_there_is(network_row: Build, tmp_path: Path) -> None:
    comparison = compare(_full(network_row, tmp_path), [MAIN])
    sections = {section.key: section for section in make_sections(comparison, PANELS)}
    assert list(sections) == [panel.key for panel in PANELS]
    assert {key: [table.key for table in section.tables] for key, section in sections.items()} == {
        "true-accuracy": ["look-ups"],
        "accuracy": ["accuracy"],
        "differences": ["arms", "differences"],
        "variance": ["variance"],
        "controls": ["controls"],
        "pairs": ["pairs", "pairs-against-each-other", "kept-shares"],
        "random": ["random"],
        "cost": ["cost"],
        "collapse": ["correlation", "collapse", "genotypes"],
        "channels": ["stability", "rankers", "refill", "refill-edges"],
        "mixing": [],
        "provenance": ["provenance"],
        "checklist": ["checklist"],
        "failed": ["failed"],
    }
    for section in sections.values():
        for table in section.tables:
            assert table.cells
            assert all(cell.text for cells in table.cells for cell in cells)
    plots = {plot.name: section.key for section in sections.values() for plot in section.plots}
    assert plots == {
        "true_accuracy_1": "true-accuracy",
        "test_accuracy": "accuracy",
        "accuracy_parameters": "cost",
        "accuracy_cost": "cost",
        "skips": "collapse",
        "refilled": "channels",
        "kept_share_darts": "channels",
        "mixing_darts-searched-darts": "mixing",
    }
    out = tmp_path / "out"
    write_report(comparison, out, "Toy", lambda _: (PUBLISHED["DARTS_V2"], None))
    page = (out / "report.html").read_text()
    assert {file.stem for file in out.glob("*.svg")} == set(plots)
    assert all(f'href="{name}.svg"' in page for name in plots)
    for file in (file for section in sections.values() for file in section.files if file.name.endswith(".csv")):
        assert (out / file.name).read_text().count("\n") > 1, file.name
    brief = [table.key for panel in PANELS for table in panel.brief(comparison)]
    assert brief == ["accuracy", "differences", "controls", "pairs", "size"]


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
