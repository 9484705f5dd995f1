"""The report of a sweep that runs: first without a comparison, then with one, in the end without progress."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from aca_ray.display import QuietView
from aca_ray.display.progress import clock
from aca_ray.driver.page import RunningPage, close_page
from aca_ray.records import TrialRecord
from aca_ray.sweep.comparing import compare_sweeps
from aca_ray.sweep.manifest import Sweep
from aca_ray.sweep.orders import Order, SearchOrder, all_orders

MakeSweep = Callable[..., Sweep]
Leave = Callable[[Order], TrialRecord]


class Texts(HTMLParser):
    """Collects the texts of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.feed(page)

    def handle_data(self, data: str) -> None:
        self.texts += [data.strip()] if data.strip() else []


def opened(sweep: Sweep) -> tuple[QuietView, RunningPage]:
    view = QuietView()
    view.open(all_orders(sweep))
    page = RunningPage(sweep, view, lambda: 2)
    page.open()
    return view, page


def read(sweep: Sweep) -> str:
    return sweep.folder.report.read_text(encoding="utf-8")


def rows(page: str, table: str) -> list[list[str]]:
    """Return the texts of the rows of a table of the progress."""
    if f'id="table-{table}"' not in page:
        return []
    body = page.split(f'id="table-{table}"')[1].split("<tbody>")[1].split("</tbody>")[0]
    return [Texts(row).texts for row in body.split("</tr>") if row.strip()]


def test_the_first_page_needs_no_comparison(make_sweep: MakeSweep) -> None:
    sweep = make_sweep(seeds=[0, 1])
    opened(sweep)
    page = read(sweep)
    assert rows(page, "progress") == [["searches", "0", "0", "2", "0"], ["retrainings", "0", "0", "2", "0"]]
    assert rows(page, "running") == []
    assert page.count("location.reload") == 1
    assert "left" not in page.split("trials finished")[1].split("</p>")[0]


def test_it_shows_running_trials_and_estimates_the_time_left(make_sweep: MakeSweep, leave: Leave) -> None:
    sweep = make_sweep(seeds=[0, 1])
    view, page = opened(sweep)
    first, second, *_ = all_orders(sweep)
    leave(first).write(first.folder)
    replace(leave(second), state="running", epoch=2, num_epochs=4, seconds=20.0).write(second.folder)
    for order in (first, second):
        view.update(order.folder)
    page.poll()  # too early
    assert rows(read(sweep), "running") == []
    view._start -= 60.0  # a minute later
    page.write()
    assert rows(read(sweep), "progress")[0] == ["searches", "1", "1", "0", "0"]
    assert rows(read(sweep), "running") == [
        [second.trial.short, "search", "darts", "searched", str(second.trial.seed), "2/4", "0:20"]
    ]
    (left,) = re.findall(r"1 of 4 trials finished</strong>; 1:00 so far, about ([\d:]+) left", read(sweep))
    assert view.seconds_left is not None
    assert left == clock(view.seconds_left)


def test_a_comparison_keeps_a_place_for_the_progress_until_the_end(make_sweep: MakeSweep, leave: Leave) -> None:
    sweep = make_sweep()
    view, page = opened(sweep)
    for order in all_orders(sweep):
        if isinstance(order, SearchOrder):
            leave(order).write(order.folder)
            view.update(order.folder)
    compare_sweeps([sweep], sweep.folder.comparison, running=True)
    between = read(sweep)
    assert between.count("location.reload") == 1  # whoever opens it now sees the progress soon
    page.write()
    assert rows(read(sweep), "progress") == [
        ["searches", "1", "0", "0", "0"],
        ["retrainings", "0", "0", "1", "0"],
    ]
    page.write()
    close_page(sweep.folder)
    compare_sweeps([sweep], sweep.folder.comparison)
    final = read(sweep)
    assert re.sub(r"(?s)<!--progress-->.*?<!--end of progress-->\n", "", between) == final
    assert "progress" not in final.split("</style>")[1]
    before = sweep.folder.report.stat().st_mtime_ns
    close_page(sweep.folder)
    assert sweep.folder.report.stat().st_mtime_ns == before


def test_an_interrupted_sweep_without_networks_leaves_a_page_without_progress(make_sweep: MakeSweep) -> None:
    sweep = make_sweep()
    opened(sweep)
    close_page(sweep.folder)
    assert "reload" not in read(sweep)
    assert 'id="summary"' in read(sweep)
    opened(sweep)  # of the next driver
    assert "reload" in read(sweep)


def test_the_report_of_an_earlier_driver_stays(make_sweep: MakeSweep, leave: Leave) -> None:
    sweep = make_sweep()
    search, _ = all_orders(sweep)
    leave(search).write(search.folder)
    compare_sweeps([sweep], sweep.folder.comparison)
    final = read(sweep)
    opened(sweep)
    assert rows(read(sweep), "progress")
    assert final.split("<main")[1].split("\n", 1)[1] in read(sweep)
    close_page(sweep.folder)
    assert read(sweep) == final


def test_a_page_of_another_origin_is_replaced(make_sweep: MakeSweep) -> None:
    sweep = make_sweep()
    for content in (b"\xff\xfe", b"<p>a final page</p>"):
        sweep.folder.report.parent.mkdir(parents=True, exist_ok=True)
        sweep.folder.report.write_bytes(content)
        opened(sweep)
        assert rows(read(sweep), "progress")


def test_a_page_that_cannot_be_written_stops_nothing(make_sweep: MakeSweep, caplog: pytest.LogCaptureFixture) -> None:
    sweep = make_sweep()
    sweep.folder.report.mkdir(parents=True)
    _, page = opened(sweep)
    page.write()
    close_page(sweep.folder)
    assert len([record for record in caplog.records if record.name == "aca_ray.driver.page"]) == 1
