"""The written page: complete, safe, and explicit about gaps. A browser opens it in tests/integration."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from aca_ray.comparison import FailedTrial, NetworkRow, Pair, SweepRows, compare, read_sweep
from aca_ray.report.drawings import MOST_DRAWINGS, make_drawings
from aca_ray.report.page import write_report
from aca_ray.report.places import MOST_ROWS
from aca_ray.space import PUBLISHED, ChannelPlan, Genotype

if TYPE_CHECKING:
    from conftest import SweepWriter

Build = Callable[..., NetworkRow]
MAIN = Pair("taylor_identity", "sign")


class Page(HTMLParser):
    """Tags and texts of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def values(self, name: str) -> list[str]:
        return [value for _, attributes in self.tags if (value := attributes.get(name))]


def _network(row: NetworkRow) -> tuple[Genotype, ChannelPlan | None]:
    return PUBLISHED["DARTS_V2"], None


def _report(rows: SweepRows, folder: Path) -> Page:
    paths = write_report(compare(rows, [MAIN]), folder, "Comparison of toy", _network)
    assert sorted(paths) == sorted(path for path in folder.rglob("*") if path.is_file())
    return Page((folder / "report.html").read_text())


def _check(page: Page, folder: Path) -> None:
    """Assert that the page loads nothing, that links resolve, and that headings nest."""
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    for link in page.values("href"):
        if link.startswith("#"):
            assert link[1:] in ids
        elif not link.startswith("data:"):
            assert (folder / link).is_file()
    assert all(source.startswith("data:image/svg+xml;base64,") for source in page.values("src"))
    assert all(target in ids for labels in page.values("aria-labelledby") for target in labels.split())
    levels = [int(tag[1]) for tag, _ in page.tags if len(tag) == 2 and tag[0] == "h" and tag[1].isdigit()]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    for tag, attributes in page.tags:
        assert tag != "img" or attributes["alt"]
        assert tag != "th" or attributes["scope"] in {"col", "row"}
        assert not any(name.startswith("on") for name in attributes)


def test_page_of_a_sweep(sweep_folder: SweepWriter, tmp_path: Path) -> None:
    for seed in range(2):
        for skip, rule in (("searched", None), ("allocated", MAIN)):
            search = sweep_folder.search(seed=seed, skip=skip)
            sweep_folder.network(search, 0.8 + 0.01 * seed, seed=seed, rule=rule)
    page = _report(read_sweep(sweep_folder.folder), tmp_path / "out")
    _check(page, tmp_path / "out")
    tags = [tag for tag, _ in page.tags]
    assert tags.count("img") == 4
    assert tags.count("svg") == 4
    assert tags.count("details") == 1
    assert tags.count("caption") == tags.count("table") >= 6
    text = (tmp_path / "out" / "report.md").read_text()
    assert text.startswith("# Comparison of toy\n\n- ")
    assert "\n- Compared: 4 retrained networks from 4 searches of sweep toy;" in text
    assert "![Test accuracy over search epochs." in text
    latex = (tmp_path / "out" / "tables" / "accuracy.tex").read_text()
    assert r"darts & 2 & searched & 2 & 2 & 80.50 & 0.71 &" in latex


def test_final_epoch_best_epoch_and_best_seed_are_distinguished(network_row: Build, tmp_path: Path) -> None:
    rows = SweepRows(networks=tuple(network_row(0.8 + 0.05 * seed, seed=seed) for seed in range(2)))
    text = "".join(_report(rows, tmp_path).texts)
    for column in ("final epoch: mean", "best epoch: mean (optimistic)", "best seed (not a result)", "worst seed"):
        assert column in text.replace("\u00a0", " ")
    assert "85.00 (seed 1)" in text
    assert "80.00 (seed 0)" in text


def test_page_of_an_empty_sweep(tmp_path: Path) -> None:
    page = _report(SweepRows(sweep="toy"), tmp_path)
    _check(page, tmp_path)
    text = "".join(page.texts)
    assert "No network of sweep toy" in text
    assert "No network has been retrained" in text


def test_page_of_an_unfinished_sweep(network_row: Build, tmp_path: Path) -> None:
    failed = FailedTrial("search", {"method": "darts", "skip": "searched", "epochs": 8, "seed": 3}, "ValueError: lost")
    rows = SweepRows(networks=(network_row(0.5),), unfinished=2, failed=(failed,), sweep="toy")
    page = _report(rows, tmp_path)
    _check(page, tmp_path)
    text = "".join(page.texts)
    assert "Unfinished: 2 trials" in text
    assert "ValueError: lost" in text


def test_names_are_escaped(network_row: Build, tmp_path: Path) -> None:
    hostile = '<script>alert("x")</script>&amp;'
    rows = SweepRows(networks=(network_row(0.5, method=hostile),), sweep=hostile)
    page = _report(rows, tmp_path)
    _check(page, tmp_path)
    assert [tag for tag, _ in page.tags].count("script") == 1
    assert hostile in page.texts


def test_equal_rows_give_an_equal_page(network_row: Build, tmp_path: Path) -> None:
    rows = SweepRows(networks=(network_row(0.5), network_row(0.6, seed=1)))
    for name in "ab":
        _report(rows, tmp_path / name)
    for path in (tmp_path / "a").rglob("*.*"):
        assert path.read_bytes() == (tmp_path / "b" / path.relative_to(tmp_path / "a")).read_bytes(), path


def test_a_long_table_is_cut_and_names_the_file_with_all_rows(sweep_folder: SweepWriter, tmp_path: Path) -> None:
    sweep_folder.search()
    rows = read_sweep(sweep_folder.folder)
    curves = [replace(rows.curves[0], seed=seed, search=f"s{seed}") for seed in range(MOST_ROWS + 5)]
    text = "".join(_report(SweepRows(curves=tuple(curves)), tmp_path / "out").texts)
    assert f"{MOST_ROWS} of {MOST_ROWS + 5} rows" in text
    assert text.count("curves.parquet") > 1  # named below the table, besides the list of files


@pytest.mark.parametrize(("num_methods", "num_seeds"), [(2, 3), (3, 20), (40, 2)])
def test_drawings_are_of_the_lowest_seeds_and_not_too_many(
    num_methods: int, num_seeds: int, network_row: Build
) -> None:
    rows = SweepRows(
        networks=tuple(
            network_row(0.5, rule, seed=seed, retrain_seed=retrain, method=f"m{index:02}", control=control)
            for index in range(num_methods)
            for seed in range(3, 3 + num_seeds)
            for retrain in range(2)
            for rule, control in ((None, None), (MAIN, "uniform"))  # a control is not drawn
        )
    )
    drawings = make_drawings(compare(rows, [MAIN]), _network)
    assert len(drawings.shown) == min(num_methods, MOST_DRAWINGS)
    assert all("searched" in drawing.title and drawing.title.endswith("seed 3") for drawing in drawings.shown)
    drawn = len(drawings.shown) + len(drawings.folded)
    assert drawn == min(num_methods * num_seeds, MOST_DRAWINGS)
    assert drawings.num_left_out == num_methods * num_seeds - drawn
