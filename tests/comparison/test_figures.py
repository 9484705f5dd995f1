from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import TYPE_CHECKING

from aca_ray.comparison import SweepRows, compare, read_sweep
from aca_ray.report.plots import write_plots

if TYPE_CHECKING:
    from conftest import SweepFolder

MAIN = ("taylor_identity", "sign")


def _assert_image(path: Path) -> None:
    if path.suffix == ".svg":
        assert ElementTree.parse(path).getroot().tag.endswith("svg")
    else:
        assert path.read_bytes().startswith(b"\x89PNG")
    assert path.stat().st_size > 5_000


def test_plots_of_a_sweep(sweep_folder: SweepFolder, tmp_path: Path) -> None:
    for seed in range(2):
        search = sweep_folder.search(seed=seed)
        sweep_folder.evaluation(search, 0.8 + 0.01 * seed, seed=seed)
        search = sweep_folder.search(seed=seed, skip="allocated")
        sweep_folder.evaluation(search, 0.85 + 0.02 * seed, seed=seed, rule=MAIN)
        plan = {"refilled_share": 0.4, "kept_share": [], "parameters": 90, "macs": 1}
        sweep_folder.allocation(search, 2, {"sign": plan})
    rows = read_sweep(sweep_folder.path)
    paths = write_plots(rows, compare(rows, "sign"), tmp_path / "plots")
    assert [path.name for path in paths] == [
        f"{name}{suffix}" for name in ("test_accuracy", "skips", "refilled") for suffix in (".png", ".svg")
    ]
    for path in paths:
        _assert_image(path)


def test_equal_rows_give_equal_files(sweep_folder: SweepFolder, tmp_path: Path) -> None:
    sweep_folder.search()
    rows = read_sweep(sweep_folder.path)
    first = write_plots(rows, compare(rows, "sign"), tmp_path / "first")
    second = write_plots(rows, compare(rows, "sign"), tmp_path / "second")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_nothing_to_plot_writes_nothing(tmp_path: Path) -> None:
    assert write_plots(SweepRows(), compare(SweepRows(), "sign"), tmp_path) == []
