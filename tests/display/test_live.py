"""The live view, drawn on a simulated terminal."""

from __future__ import annotations

import errno
import io
import re
from collections.abc import Callable

import pytest

from aca_ray.display import LiveView
from aca_ray.sweep.orders import Order

MakeOrders = Callable[[int], list[Order]]


class Terminal:
    """A screen of columns and rows that wraps long lines, scrolls, moves the cursor up and clears below it."""

    def __init__(self, columns: int, rows: int) -> None:
        self.columns, self.rows = columns, rows
        self.screen = [""] * rows
        self.row = self.column = 0
        self.scrolled: list[str] = []

    def feed(self, text: str) -> None:
        for part in re.findall(r"\x1b\[\d*[A-Z]|.|\n|\r", text):
            if part.startswith("\x1b["):
                number, command = int(part[2:-1] or 1), part[-1]
                assert command in "AJ"
                if command == "A":
                    self.row = max(0, self.row - number)
                else:
                    self.screen[self.row] = self.screen[self.row][: self.column]
                    self.screen[self.row + 1 :] = [""] * (self.rows - self.row - 1)
            elif part == "\n":
                self.column = 0
                self._down()
            elif part == "\r":
                self.column = 0
            else:
                if self.column == self.columns:
                    self.column = 0
                    self._down()
                line = self.screen[self.row].ljust(self.column)
                self.screen[self.row] = line[: self.column] + part + line[self.column + 1 :]
                self.column += 1

    def _down(self) -> None:
        if self.row == self.rows - 1:
            self.scrolled.append(self.screen.pop(0))
            self.screen.append("")
        else:
            self.row += 1

    def lines(self) -> list[str]:
        return [line for line in self.screen if line]


def test_redraw_moves_up_by_the_lines_drawn(
    make_orders: MakeOrders, write_record: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("LINES", "40")
    orders = make_orders(2)
    stream = io.StringIO()
    view = LiveView(stream, in_place=True)
    view.open(orders)
    assert stream.getvalue() == ""
    view.refresh()
    first = stream.getvalue()
    assert "\033[" not in first.replace("\033[J", "")  # the first drawing
    assert first.count("\n") == 1 + 8 + 1
    view.refresh()  # at most once a second
    assert stream.getvalue() == first
    write_record(orders[0], 1, seconds=1.0)
    view.update(orders[0].folder)
    view.seconds_left = 61.0
    view.close()
    second = stream.getvalue()[len(first) :]
    assert second.startswith(f"\033[{first.count(chr(10))}A\r\033[J")
    assert second.count("\n") == first.count("\n")
    assert "running    1/4" in second
    assert re.search(r"\b8 trials: 1 running, 7 waiting\b.*\b0:0.* 1:01 left", second)


@pytest.mark.parametrize(("columns", "rows"), [(200, 50), (80, 24), (80, 12), (40, 10), (20, 8), (5, 5)])
def test_fits_the_terminal(
    make_orders: MakeOrders,
    write_record: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    columns: int,
    rows: int,
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("LINES", str(rows))
    orders = make_orders(4)  # 16 trials
    stream, terminal = io.StringIO(), Terminal(columns, rows)
    terminal.feed("$\n")
    view = LiveView(stream, in_place=True)
    view.open(orders)
    for index in range(4):
        write_record(orders[index], 1, seconds=1.0)
        view.update(orders[index].folder)
        view.close()
        terminal.feed(stream.getvalue())
        stream.seek(0)
        stream.truncate()
    assert all(len(line) < columns for line in terminal.lines())
    assert sum("trial" in line and "kind" in line for line in terminal.lines()) <= 1  # one table, not four
    assert terminal.scrolled in ([], ["$"])
    num_running = sum("running" in line for line in terminal.lines()[:-1])
    if columns >= 80:
        assert num_running == min(4, rows - 4)
        assert terminal.lines()[-1].startswith("16 trials: 4 running, 12 waiting")
        hidden = 16 - (rows - 4)
        assert any(str(hidden) in line and "more" in line for line in terminal.lines()) == (hidden > 0)


def test_printed_lines_stay_above_the_table(make_orders: MakeOrders, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("LINES", "40")
    orders = make_orders(2)
    stream, terminal = io.StringIO(), Terminal(120, 40)
    view = LiveView(stream, in_place=True)
    view.open(orders)
    view.say("before the table")
    view.note(orders[0].folder, "its process died")
    view.close()
    terminal.feed(stream.getvalue())
    lines = terminal.lines()
    assert lines[:2] == ["before the table", f"{orders[0].trial.short}: its process died"]
    assert sum("trial" in line and "kind" in line for line in lines) == 1


def test_running_trials_take_precedence(
    make_orders: MakeOrders, write_record: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("LINES", "8")  # room for four trials
    orders = make_orders(2)
    states = ["finished", "finished", "running", "waiting", "failed", "running", "waiting", "waiting"]
    for order, state in zip(orders, states, strict=True):
        if state != "waiting":
            write_record(order, 2, state=state, seconds=1.0)
    stream = io.StringIO()
    view = LiveView(stream, in_place=True)
    view.open(orders)
    for order in orders:
        view.update(order.folder)
    view.close()
    shown = [line.split()[0] for line in stream.getvalue().split("\n")[1:-3]]
    assert shown == [orders[index].trial.short for index in (2, 3, 4, 5)]  # in the order of the sweep
    assert re.search(r"\b4 more\n8 trials: 2 finished, 2 running, 3 waiting, 1 failed\b", stream.getvalue())


def test_plain_lines_without_a_terminal(make_orders: MakeOrders, write_record: Callable[..., None]) -> None:
    orders = make_orders(1)
    stream = io.StringIO()
    view = LiveView(stream, in_place=False)
    view.open(orders)
    assert stream.getvalue() == "4 trials\n"
    write_record(orders[0], 1, seconds=10.0)
    for _ in range(3):  # one line per change, however often it is reported
        view.update(orders[0].folder)
        view.refresh()
    write_record(orders[0], 4, state="finished", seconds=40.0)
    view.update(orders[0].folder)
    view.close()
    lines = stream.getvalue().splitlines()
    assert len(lines) == 4
    rest = f"  trial {orders[0].trial.short}"
    name = r"\[0:0\d\] search darts/searched seed 0"
    assert re.fullmatch(f"{name}  epoch 1/4  loss 2\\.000  acc 12\\.5 %  skips 3  left 0:30{rest}", lines[1])
    assert re.fullmatch(f"{name}  finished  epoch 4/4  loss 0\\.500  acc 50\\.0 %  skips 3{rest}", lines[2])
    assert lines[3] == "4 trials: 1 finished, 3 waiting"
    assert "\033" not in stream.getvalue()


def test_closing_a_view_that_was_never_opened() -> None:
    stream = io.StringIO()
    for in_place in (True, False):
        LiveView(stream, in_place=in_place).close()
    assert stream.getvalue() == ""


@pytest.mark.parametrize("in_place", [True, False])
@pytest.mark.parametrize("error", [OSError(errno.EIO, "Input/output error"), BrokenPipeError()])
def test_a_closed_terminal_or_pipe_raises_nothing(make_orders: MakeOrders, in_place: bool, error: OSError) -> None:
    class Closed(io.StringIO):
        def write(self, text: str) -> int:
            raise error

    made = make_orders(2)
    view = LiveView(Closed(), in_place=in_place)
    view.open(made)
    view.update(made[0].folder)
    view.say("something")
    view.note(made[0].folder, "its process died")
    view.refresh()
    view.close()
