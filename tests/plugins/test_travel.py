"""Plug-ins of a sweep: their copies, other processes, growth, and what must not run their code."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from aca_ray import api
from aca_ray.comparison import read_sweep
from aca_ray.config import SweepSpec
from aca_ray.driver.run import SweepOutcome
from aca_ray.errors import ConfigError
from aca_ray.plugins import KeptPlugins, not_in_folder
from aca_ray.plugins.loaded import active, deactivate
from aca_ray.records import SweepFolder, TrialRecord
from aca_ray.report.panels.provenance import provenance_rows
from aca_ray.sweep.garbage import find_garbage
from aca_ray.sweep.manifest import Sweep, find_sweep
from aca_ray.sweep.orders import all_orders, plugins_of, search_orders

SPACE = """
from dataclasses import replace
from aca_ray.space import SPACES

half = replace(
    SPACES["nasbench201"], name="half", normal=tuple(edge[:-1] for edge in SPACES["nasbench201"].normal), source="ours"
)
"""
Start = Callable[..., Sweep]
Run = Callable[[Sweep], SweepOutcome]


@pytest.fixture
def finished(start: Start, run: Run, tempered: Path, ranker: Path, protocol: Path) -> Sweep:
    """A sweep that has used a method, a ranker and a protocol of plug-ins, and whose files are gone."""
    sweep = start(
        plugins="[tempered_darts.py, ranks.py, protocols.py]",
        methods="[darts, tempered_darts]",
        skip="[searched, allocated]",
        ranking="first",
        retraining="{protocol: tiny}",
    )
    outcome = run(sweep)
    assert not outcome.failures
    for path in (tempered, ranker, protocol):
        path.unlink()
    deactivate(list(active()))
    return sweep


def test_a_sweep_with_plugins(finished: Sweep, start: Start, tmp_path: Path) -> None:
    """One sweep, looked at from all sides: it takes seconds."""
    records = [TrialRecord.read(order.folder) for order in all_orders(finished)]
    assert {record.state for record in records} == {"finished"}
    for record in records:
        named = {name: text for name, text in record.versions.items() if name.startswith("plug-in ")}
        assert named == {
            f"plug-in {name}": f"{name}, sha256 {sha256[:12]}" for name, sha256 in record.trial.plugins.items()
        }
    assert {len(record.trial.plugins) for record in records} == {0, 1, 2, 3}

    folder = finished.folder.path
    copies = {path.name for path in (folder / "plugins").iterdir()}
    assert copies == {f"{p.name[:-3]}-{p.sha256[:12]}.py" for p in finished.spec.experiment.plugins}

    # Reading a sweep runs no code.
    progress, _ = api.status(str(folder))
    assert {line.state for line in progress.lines} == {"finished"}
    api.compare([str(folder)], out=tmp_path / "out")
    rows = {row.topic: row.value for row in provenance_rows([read_sweep(finished.folder)])}
    assert rows["plug-in tempered_darts.py"].startswith("tempered_darts.py, sha256 ")
    assert not active()

    # The folder alone is enough, wherever it is.
    moved = tmp_path / "elsewhere" / "plugged"
    moved.parent.mkdir()
    shutil.move(folder, moved)
    retrained = next(r for r in records if r.kind == "retraining" and "protocols.py" in r.trial.plugins)
    exported = api.export(str(moved / "retrainings" / retrained.trial.short), format="json", out=tmp_path / "net.json")
    assert exported is not None
    assert set(active()) == {"tempered_darts.py", "ranks.py", "protocols.py"}
    deactivate(list(active()))
    assert api.reopen(str(moved)).spec == finished.spec
    assert set(active()) == {"tempered_darts.py", "ranks.py", "protocols.py"}


def test_another_process_runs_a_trial_from_the_folder(start: Start, tempered: Path, tmp_path: Path) -> None:
    sweep = start(plugins=tempered.name, methods="tempered_darts")
    (order,) = search_orders(sweep)
    tempered.unlink()
    code = (
        "import json, sys, torch\nfrom aca_ray.sweep.orders import order_from_json\n"
        "trial = order_from_json(json.loads(sys.argv[1])).open(torch.device('cpu'))\ntrial.advance()\n"
        "print(trial.record.state)"
    )
    command = [sys.executable, "-c", code, json.dumps(order.to_json())]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout.split() == ["finished"], done.stderr


def test_other_processes_read_a_sweep_with_a_space_and_a_protocol_of_plugins(
    start: Start, protocol: Path, tmp_path: Path
) -> None:
    """A table covers the space, which only the plug-in defines."""
    (tmp_path / "spaces.py").write_text(SPACE)
    sweep = start(
        plugins="[spaces.py, protocols.py]",
        spaces="half",
        skip="[searched, allocated]",
        table="nasbench201",
        retraining="{protocol: tiny}",
    )
    deactivate(list(active()))
    again = api.find(str(sweep.folder.path))
    assert [order.folder for order in all_orders(again)] == [order.folder for order in all_orders(sweep)]
    assert {order.trial.kind for order in all_orders(again)} == {"search", "retraining", "look-up"}
    assert all(not one.files for one in find_garbage(again))


def test_a_copy_that_was_changed_is_not_run(start: Start, tempered: Path, tmp_path: Path) -> None:
    sweep = start(plugins=tempered.name, methods="tempered_darts")
    (order,) = search_orders(sweep)
    (path,) = (sweep.folder.path / "plugins").iterdir()
    path.write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n" + path.read_text())
    deactivate(list(active()))
    with pytest.raises(ConfigError, match="tempered_darts"):
        plugins_of(order).load()
    assert not (tmp_path / "ran").exists()


def test_a_changed_file_starts_no_new_version_of_finished_trials(
    start: Start, tempered: Path, finished_record: Callable[..., TrialRecord]
) -> None:
    changes = {"plugins": tempered.name, "methods": "[darts, tempered_darts]"}
    sweep = start(**changes)
    orders = {order.trial.method: order for order in search_orders(sweep)}
    finished_record(orders["darts"].trial).write(orders["darts"].folder)
    source = tempered.read_text()
    tempered.write_text(source + "# one more line\n")
    start(**changes)  # nothing that used it has finished

    order = next(order for order in search_orders(start(**changes)) if order.trial.method != "darts")
    finished_record(order.trial).write(order.folder)
    tempered.write_text(source)
    with pytest.raises(ConfigError) as raised:
        start(**changes)
    assert order.trial.short in str(raised.value)
    assert orders["darts"].trial.short not in str(raised.value)
    assert f"tempered_darts.py with SHA-256 {order.trial.plugins['tempered_darts.py'][:12]}" in str(raised.value)
    # The sweep keeps both copies, and resumes with its own.
    kept = find_sweep("plugged", sweep.storage)
    kept.plugins.load()
    assert active()["tempered_darts.py"].sha256 == order.trial.plugins["tempered_darts.py"]
    assert len(list((sweep.folder.path / "plugins").iterdir())) == 2


def test_an_estimate_carries_sources_that_are_in_no_folder(start: Start, tempered: Path) -> None:
    plugins = start(plugins=tempered.name, methods="tempered_darts").spec.experiment.plugins
    carried = KeptPlugins.carried(plugins)
    deactivate(list(active()))
    carried.load()
    assert active()["tempered_darts.py"].sha256 == plugins[0].sha256


def test_names_of_copies_are_of_the_layout() -> None:
    assert SweepFolder(Path("s")).plugin("a.py", "0123456789abcdef" * 4) == Path("s/plugins/a-0123456789ab.py")


def test_a_submitted_job_needs_what_is_not_in_the_folder_of_its_spec(
    parse: Callable[..., SweepSpec], tempered: Path, ranker: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "path" / "unpacked_package_of_a_test"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "rank.py").write_bytes(ranker.read_bytes())
    monkeypatch.syspath_prepend(package.parent)
    plugins = parse(plugins=f"[{tempered.name}, {package.name}.rank]").experiment.plugins
    assert not_in_folder(plugins, tmp_path) == ([], [])
    packages, (problem,) = not_in_folder(plugins, tmp_path / "specs")
    assert packages == [package]
    assert problem.startswith("tempered_darts.py: ")
