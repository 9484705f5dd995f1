"""Sweeps in the kernel of a notebook: a table in place, results as HTML, the stop button."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

nbformat = pytest.importorskip("nbformat", reason="needs nbclient and ipykernel: pip install -e '.[test]'")
nbclient = pytest.importorskip("nbclient", reason="needs nbclient and ipykernel: pip install -e '.[test]'")
pytest.importorskip("ipykernel", reason="needs nbclient and ipykernel: pip install -e '.[test]'")

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

SPEC = """
import aca_ray
spec = {"name": "cells", "experiment": {"methods": "darts", "spaces": "nasbench201", "seeds": [0, 1], "epochs": EPOCHS,
        "data": {"name": "digits", "max_train_images": 128, "max_test_images": 64},
        "network": {"channels": 4, "cells": 3}, "batch_size": 16, "table": "nasbench201"}}
"""


class Notebook(nbclient.NotebookClient):  # type: ignore[misc]
    """Runs cells in a kernel of its own.

    Attributes:
        tables: every HTML text that was shown in place of the one before.
        watch: called with each of them.
    """

    def __init__(self, cells: list[str], folder: Path) -> None:
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        super().__init__(notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(folder)}})
        self.tables: list[str] = []
        self.watch: Callable[[str], None] = lambda table: None

    def process_message(self, msg: Any, cell: Any, cell_index: int) -> Any:
        if msg["msg_type"] == "update_display_data":
            self.tables.append(msg["content"]["data"]["text/html"])
            self.watch(self.tables[-1])
        return super().process_message(msg, cell, cell_index)

    def outputs(self, kind: str) -> list[list[str]]:
        """Return the outputs of every cell that have a form, such as text/html."""
        return [
            [output.data[kind] for output in cell.outputs if kind in output.get("data", {})] for cell in self.nb.cells
        ]

    def interrupt(self) -> None:
        """Press the stop button."""
        os.kill(self.km.provisioner.pid, signal.SIGINT)


def rows(table: str) -> list[str]:
    return re.findall("<tr>.*?</tr>", table)[1:]


def test_the_stop_button_and_the_rest_of_the_sweep_on_ray(tmp_path: Path) -> None:
    cells = [
        SPEC.replace("EPOCHS", "12") + "result = aca_ray.run(spec, local=True)",
        "result.outcome.interrupted, [trial.state for trial in result.trials].count('finished') < 8",
        "result = aca_ray.resume('cells')",
        "result.outcome.interrupted, result.outcome.failures, {trial.state for trial in result.trials}",
        "result",
        "result.retrainings()",
    ]
    notebook = Notebook(cells, tmp_path)
    pressed: list[str] = []

    def stop(table: str) -> None:
        if not pressed and re.search(r">[1-9]\d*/12<", table):
            pressed.append(table)
            notebook.interrupt()

    notebook.watch = stop
    notebook.execute()
    assert pressed
    stopped, state, resumed, final, shown, frame = notebook.outputs("text/html")
    texts = notebook.outputs("text/plain")
    assert texts[1] == ["(True, True)"]
    assert texts[3] == ["(False, (), {'finished'})"]
    assert (state, final) == ([], [])
    # One table per run, whatever Ray shows: the last of the many that replaced each other.
    assert len(stopped) == len(resumed) == 1
    assert len(notebook.tables) > 4
    assert [len(rows(table)) for table in (*stopped, *resumed)] == [10, 10]
    assert resumed[0].count(">finished<") == 10
    assert "data:image/svg+xml;base64," in shown[0]
    assert "10 trials: 10 finished" in shown[0]
    assert frame[0].count("table nasbench201") == 6


def test_the_example_runs_as_a_notebook(tmp_path: Path) -> None:
    script = Path(__file__).parents[2] / "experiments" / "python_api.py"
    cells = [f"# %%{cell}" for cell in script.read_text(encoding="utf-8").split("# %%")[1:]]
    notebook = Notebook(cells, tmp_path)
    notebook.execute()
    assert len(cells) >= 8
    assert [len(tables) for tables in notebook.outputs("text/html")].count(1) == 1
    assert notebook.tables[-1].count(">finished<") == 14
