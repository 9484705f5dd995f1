"""The table of a sweep in a notebook; tests/integration shows it in a real kernel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from aca_ray.display import NotebookView, TrialLine, notebook_output
from aca_ray.display.notebook import MOST_ROWS, table_html
from aca_ray.display.progress import COLUMNS, Progress, most_interesting
from aca_ray.sweep.orders import Order

MakeOrders = Callable[..., list[Order]]


def rows(html: str) -> list[list[str]]:
    """Return the texts of a table's rows, header first; the HTML must be well-formed."""
    table = ElementTree.fromstring(f"<body>{html}</body>")
    return [[cell.text or "" for cell in row] for row in table.iter("tr")]


def test_a_row_per_trial_that_follows_its_record(make_orders: MakeOrders, write_record: Callable[..., None]) -> None:
    orders, shown = make_orders(1), []
    view = NotebookView(shown.append)
    view.open(orders)
    assert rows(shown[-1])[0] == list(COLUMNS)
    assert [row[0] for row in rows(shown[-1])[1:]] == [order.trial.short for order in orders]
    assert {row[COLUMNS.index("state")] for row in rows(shown[-1])[1:]} == {"waiting"}
    write_record(orders[0], epoch=2)
    view.update(orders[0].folder)
    view.close()
    first = dict(zip(COLUMNS, rows(shown[-1])[1], strict=True))
    assert (first["state"], first["epoch"], first["accuracy"], first["skips"]) == ("running", "2/4", "25.0 %", "3")


def test_it_is_redrawn_at_most_once_a_second(make_orders: MakeOrders) -> None:
    shown: list[str] = []
    view = NotebookView(shown.append)
    view.open(make_orders(1))
    for _ in range(50):
        view.refresh()
    assert len(shown) == 1
    view.close()
    assert len(shown) == 2


def test_nothing_is_shown_of_a_sweep_that_never_began() -> None:
    shown: list[str] = []
    NotebookView(shown.append).close()
    assert shown == []


def test_lines_are_printed(make_orders: MakeOrders, capsys: pytest.CaptureFixture[str]) -> None:
    (order, *_) = orders = make_orders(1)
    view = NotebookView(lambda html: None)
    view.open(orders)
    view.say("Ray starts")
    view.note(order.folder, "its process died")
    assert capsys.readouterr().out == f"Ray starts\n{order.trial.short}: its process died\n"


def test_a_lost_connection_does_not_end_the_sweep(make_orders: MakeOrders) -> None:
    calls: list[str] = []

    def show(html: str) -> None:
        calls.append(html)
        raise ConnectionError("the kernel's channel is closed")

    view = NotebookView(show)
    view.open(make_orders(1))
    view.close()
    assert len(calls) == 1


def test_of_very_many_trials_the_unfinished_are_shown(make_orders: MakeOrders) -> None:
    lines = [TrialLine(order, state="finished") for order in make_orders(15)]
    lines[-1] = replace(lines[-1], state="running")
    html = table_html(Progress(tuple(lines)), 61.0, left=3600.0)
    assert len(rows(html)) == 1 + MOST_ROWS
    assert rows(html)[-1][0] == lines[-1].order.trial.short
    assert f"... and {len(lines) - MOST_ROWS} more; {len(lines)} trials: " in html
    assert "1:01 so far, about 1:00:00 left" in html
    assert most_interesting(lines, 2) == [lines[0], lines[-1]]


def test_texts_are_escaped(make_orders: MakeOrders) -> None:
    (order, *_) = make_orders(1)
    html = table_html(Progress((TrialLine(order, state="<b>&"),)), 0.0)
    assert "<b>" not in html
    assert rows(html)[1][COLUMNS.index("state")] == "<b>&"


def test_there_is_no_notebook_here() -> None:
    assert notebook_output() is None
