"""What a user does after a sweep, on a real one: export all with model cards, diff, archive, gc."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch

from aca_ray import api
from aca_ray.cli import main
from aca_ray.errors import CheckpointError
from aca_ray.records import NetworkRecord, RetrainingRecord, SearchRecord, TrialFolder, TrialRecord
from aca_ray.storage.lock import exclusive
from aca_ray.sweep.exporting_all import COLUMNS
from aca_ray.sweep.group_accuracy import SweepAccuracies
from aca_ray.sweep.ranking_orders import sweep_orders

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SPEC = """name: small
experiment:
  methods: pc_darts
  data: {name: digits, max_train_images: 64, max_test_images: 32}
  seeds: [0, 1]
  epochs: 1
  network: {channels: 4, cells: 3}
  batch_size: 16
  skip_free: false
  retraining: {protocol: small}
"""


class Printed(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        assert self.code == 0, self.err
        return json.loads(self.out)


Run = Callable[..., Printed]


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a spec and the results of its sweep, run in one process without Ray."""
    folder = tmp_path_factory.mktemp("swept")
    (folder / "spec.yaml").write_text(SPEC)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(["run", "spec.yaml", "--local"]) == 0
    return folder


@pytest.fixture
def run(swept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that carries out a command line in a folder with a copy of the results."""
    shutil.copytree(swept, tmp_path / "work")
    monkeypatch.chdir(tmp_path / "work")
    capsys.readouterr()

    def carry_out(*arguments: str) -> Printed:
        code = main(arguments)
        captured = capsys.readouterr()
        return Printed(code, captured.out, captured.err)

    return carry_out


def records() -> list[Any]:
    found = [TrialRecord.read(trial.path) for trial in api.find("small").folder.recorded_trials()]
    return [record for record in found if record is not None]


def retrainings() -> list[RetrainingRecord]:
    return [record for record in records() if isinstance(record, RetrainingRecord)]


def index() -> list[dict[str, str]]:
    with open("exports/small/index.csv", newline="") as file:
        reader = csv.DictReader(file)
        rows = list(reader)
    assert tuple(reader.fieldnames or ()) == COLUMNS
    return rows


def code_blocks(card: str) -> list[str]:
    return re.findall(r"```python\n(.*?)\n```", card, flags=re.DOTALL)


# export --all


def test_every_network_is_exported_once(run: Run) -> None:
    done = run("export", "--all", "small")
    assert (done.code, done.err) == (0, "")
    by_fingerprint = {record.fingerprint: record for record in retrainings()}
    rows = index()
    assert {row["fingerprint"] for row in rows} == by_fingerprint.keys()
    assert len(rows) == 4
    for row in rows:
        record = by_fingerprint[row["fingerprint"]]
        assert record.result is not None
        assert float(row["test_accuracy"]) == record.result.test_accuracy
        assert int(row["parameters"]) == record.result.parameters
        assert (row["method"], row["skip"], row["weights"]) == ("pc_darts", record.trial.skip, "trained")
        parts = ("pc_darts", record.trial.skip, f"s{record.trial.seed}", "small", record.trial.short)
        assert all(part in row["file"] for part in parts)
    files = {path: path.stat().st_mtime_ns for path in Path("exports/small").iterdir()}
    assert len(files) == 1 + 4 * 4  # the index; code, weights, card and picture of each network

    again = run("export", "--all", "small")
    assert again.out.count("unchanged  ") == 4
    assert {path: path.stat().st_mtime_ns for path in Path("exports/small").iterdir()} == files

    damaged = Path("exports/small", rows[0]["file"]).with_suffix(".pt")
    content = damaged.read_bytes()
    damaged.write_bytes(b"x")
    repaired = run("export", "--all", "small")
    assert (repaired.out.count("written  "), repaired.out.count("unchanged  ")) == (1, 3)
    assert damaged.read_bytes() == content


def test_a_failing_network_does_not_stop_the_others(run: Run) -> None:
    lost = next(record for record in retrainings() if record.shared_with is None)
    folder = api.find("small").folder.folder("retraining", lost.trial.short)
    shutil.rmtree(folder.milestones)
    done = run("export", "--all", "small")
    shared = [record for record in retrainings() if record.shared_with == lost.fingerprint]
    assert done.code == 1
    assert done.out.count("failed  ") == 1 + len(shared)
    assert len(index()) == 3 - len(shared)
    lines = done.err.splitlines()
    assert len(lines) == 1 + len(shared)
    assert lost.trial.short in done.err
    assert "gc --weights" in lines[-1]


def test_searches_without_retraining_are_exported_untrained(run: Run) -> None:
    sweep = api.find("small")
    searched = [record for record in retrainings() if record.trial.skip == "searched" and record.trial.seed == 0]
    shutil.rmtree(sweep.folder.folder("retraining", searched[0].trial.short).path)
    done = run("export", "--all", "small", "--format", "json")
    (row,) = [row for row in index() if row["kind"] == "search"]
    assert (row["fingerprint"], row["weights"], row["test_accuracy"]) == (searched[0].trial.search, "untrained", "")
    assert "1 trials of the sweep are not finished" in done.out
    card = Path("exports/small", row["file"]).with_suffix(".md").read_text()
    assert "This network was not trained" in card


def test_what_export_all_refuses(run: Run) -> None:
    assert run("export").code == 2
    assert run("export", "--all", "none").code == 2
    for option in (["--protocol", "cifar"], ["--mlflow"], ["--data", "digits"], ["DARTS_V2"]):
        done = run("export", "--all", "small", *option)
        assert (done.code, done.err.startswith(option[0])) == (2, True)
    Path("exports/small").mkdir(parents=True)
    Path("exports/small/index.csv").write_text("a,b\n1,2\n")
    assert run("export", "--all", "small").code == 2
    assert Path("exports/small/index.csv").read_text() == "a,b\n1,2\n"


# Model cards


def test_a_card_has_the_numbers_of_the_comparison(run: Run) -> None:
    comparison, _ = api.compare(["small"])
    accuracies = SweepAccuracies(api.find("small"))
    for record in retrainings():
        assert record.result is not None
        group = accuracies.of(record.fingerprint)
        assert group is not None
        arm = comparison.groups[0].arms[group.arm.networks]
        assert group.arm.test_accuracy == arm.test_accuracy
        name = f"network_{record.trial.short}"
        assert run("export", record.trial.short).code == 0
        card = Path(f"{name}.md").read_text()
        assert f"| {100 * record.result.test_accuracy:.2f} % |" in card
        assert f"| mean over search seeds | {100 * arm.test_accuracy.mean:.2f} % |" in card
        assert "| n | 2 search seeds, 2 networks |" in card
        best = record.result.test_accuracy == max(row.test_accuracy for row in group.networks)
        assert ("highest accuracy of the 2 networks" in card) == best
        assert f"![Cells of the network]({name}_cells.svg)" in card
        assert Path(f"{name}_cells.svg").read_text().startswith("<svg")
        assert record.fingerprint in card
        assert record.data_info is not None
        assert record.data_info.digest in card


@pytest.mark.parametrize(("form", "file"), [("python", "net.py"), ("python", "my-net.py"), ("torch-export", "net.pt2")])
def test_the_lines_of_a_card_load_the_network(run: Run, monkeypatch: pytest.MonkeyPatch, form: str, file: str) -> None:
    assert run("export", retrainings()[0].trial.short, "--format", form, "--out", file).code == 0
    (lines,) = code_blocks(Path(file).with_suffix(".md").read_text())
    assert len(lines.replace("\n\n", "\n").splitlines()) <= 3
    monkeypatch.syspath_prepend(str(Path.cwd()))
    names: dict[str, Any] = {"images": torch.zeros(2, 1, 8, 8)}
    exec(lines, names)
    assert names["logits"].shape == (2, 10)


def test_formats_of_one_folder_share_the_cards(run: Run) -> None:
    for form in ("python", "json", "python"):
        assert run("export", "--all", "small", "--format", form).code == 0
    assert len(index()) == 8
    for row in index():
        card = Path("exports/small", row["file"]).with_suffix(".md").read_text()
        assert len(code_blocks(card)) == 2


def test_a_card_replaces_only_cards(run: Run) -> None:
    Path("README.md").write_text("mine")
    done = run("export", "DARTS_V2", "--out", "README.py")
    assert (done.code, "README.md" in done.err) == (2, True)
    assert Path("README.md").read_text() == "mine"
    assert not Path("README.py").exists()
    for _ in range(2):
        assert run("export", "DARTS_V2", "--out", "darts.json", "--format", "json").code == 0
    assert "This network was not trained" in Path("darts.md").read_text()


# diff


def test_diff_of_two_seeds(run: Run) -> None:
    a, b = (record for record in retrainings() if record.trial.skip == "searched")
    value = run("diff", f"small/{a.trial.short}", b.trial.short[:8], "--json").json
    assert value["same"] is False
    assert value["differences"]["trial"]["seed"] == [a.trial.seed, b.trial.seed]
    assert value["differences"]["trial"].keys() == {"seed", "search"}
    assert a.result is not None
    assert b.result is not None
    if a.result.parameters != b.result.parameters:
        assert value["differences"]["cost"]["parameters"] == [a.result.parameters, b.result.parameters]
    assert {"data", "environment"} <= set(value["equal"])
    printed = run("diff", a.trial.short, b.trial.short)
    assert printed.code == 0
    assert re.search(rf"^  seed +{a.trial.seed} +{b.trial.seed}$", printed.out, flags=re.MULTILINE)


def test_diff_of_equal_things(run: Run) -> None:
    short = retrainings()[0].trial.short
    done = run("diff", short, short)
    assert (done.code, "nothing differs" in done.out) == (0, True)
    value = run("diff", short, short, "--json").json
    assert (value["same"], value["differences"]) == (True, {})


def test_diff_of_a_search_with_its_network(run: Run) -> None:
    network = next(record for record in retrainings() if record.trial.skip == "allocated")
    value = run("diff", network.trial.search, network.trial.short, "--json").json
    assert {"genotype", "plan"} <= set(value["equal"])
    assert value["differences"]["trial"]["kind"] == ["search", "retraining"]


def test_diff_of_genotypes(run: Run) -> None:
    value = run("diff", "DARTS_V1", "DARTS_V2", "--json").json
    assert value["differences"]["genotype"]["normal 0→3"] == ["skip_connect", "sep_conv_3x3"]
    assert value["equal"] == ["plan"]
    network = next(record for record in retrainings() if record.trial.skip == "allocated")
    value = run("diff", network.trial.short, "DARTS_V2", "--json").json
    assert "trial" in value["not_compared"]
    assert value["differences"]["plan"]["allocation"][1] is None
    assert run("diff", "DARTS_V1", "DARTS_V9").code == 2


# gc


def add_leftovers() -> list[Path]:
    """Write a temporary file and a rolling checkpoint, as killed processes leave them."""
    trial = next(record.trial.short for record in retrainings() if record.shared_with is None)
    folder = TrialFolder(Path("results/small/retrainings", trial))
    (milestone,) = Path(str(folder.milestones)).iterdir()
    left = [Path(str(folder.path), "record.part-0123456789abcdef.json"), Path(str(folder.checkpoints), "epoch_1.ckpt")]
    left[1].parent.mkdir(exist_ok=True)
    left[0].write_bytes(b"x")
    shutil.copy(milestone, left[1])
    return left


def files() -> set[Path]:
    return {path for path in Path("results/small").rglob("*") if path.is_file()}


def test_gc_deletes_only_what_is_harmless(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    before = files()
    left = add_leftovers()
    num_bytes = sum(path.stat().st_size for path in left)
    value = run("gc", "small", "--dry-run", "--json").json
    assert (value["deleted"], value["classes"][0]["bytes"]) == (False, num_bytes)
    assert {Path(file).name for file in value["classes"][0]["files"]} == {path.name for path in left}
    refused = run("gc", "small")
    assert (refused.code, "--yes" in refused.err, files()) == (2, True, before | set(left))
    for answer, kept in (("n\n", before | set(left)), ("y\n", before)):
        monkeypatch.setattr("sys.stdin", Terminal(answer))
        assert run("gc", "small").code == 0
        assert files() == kept
    assert run("gc", "small", "--yes").code == 0
    assert files() == before


class Terminal:
    def __init__(self, answer: str) -> None:
        self._answer = answer

    def isatty(self) -> bool:
        return True

    def readline(self) -> str:
        return self._answer


def test_a_sweep_stays_finished_without_its_checkpoints(run: Run) -> None:
    before = run("status", "small", "--json").json
    compared = run("compare", "small", "--json").json
    assert run("gc", "small", "--milestones", "--weights", "--yes").code == 0
    assert not list(Path("results").rglob("*.ckpt"))
    assert run("status", "small", "--json").json == before
    assert run("compare", "small", "--json").json == compared
    resumed = run("resume", "small", "--local")
    assert resumed.code == 0
    assert not list(Path("results").rglob("*.ckpt"))
    assert [record.state for record in records()] == ["finished"] * len(records())
    sweep = api.find("small")
    assert sweep_orders(sweep, [], [])  # all of it is done, so nothing needs the checkpoints
    ranked = run("rank", "small", "--ranking", "l1")
    assert (ranked.code, "gc --milestones" in ranked.err) == (2, True)
    with pytest.raises(CheckpointError, match="gc --weights"):
        api.export(retrainings()[0].trial.short)
    search = next(record for record in records() if isinstance(record, SearchRecord))
    assert run("export", search.trial.short).code == 0
    assert run("show", retrainings()[0].trial.short).code == 0


def test_gc_keeps_what_an_unfinished_sweep_needs(run: Run) -> None:
    network = next(record for record in retrainings() if record.trial.skip == "allocated")
    folder = Path(str(api.find("small").folder.folder("search", network.trial.search[:12]).path))
    shutil.rmtree(folder / "allocations")
    kept = set((folder / "milestones").iterdir())
    assert run("gc", "small", "--milestones", "--yes").code == 0
    assert set((folder / "milestones").iterdir()) == kept


def test_gc_refuses_while_a_driver_holds_the_sweep(run: Run) -> None:
    before = files()
    with exclusive(api.find("small").folder.lock, wait=False):
        for options in ([], ["--weights", "--yes"], ["--dry-run"]):
            done = run("gc", "small", *options)
            assert (done.code, "drives this sweep" in done.err) == (1, True)
    assert files() == before


# archive


def test_an_archive_on_another_machine(run: Run, tmp_path: Path) -> None:
    status = run("status", "small", "--json").json
    compared = run("compare", "small", "--json").json
    assert run("archive", "small", "--out", "small.tar.xz").code == 0
    assert run("archive", "--extract", "small.tar.xz", "--storage", "there").code == 0
    shutil.rmtree("results")
    there = run("status", "small", "--storage", "there", "--json").json
    assert there["counts"] == status["counts"]
    again = run("compare", "small", "--storage", "there", "--json").json
    assert {**again, "report": None} == {**compared, "report": None}
    search = next((tmp_path / "work/there/small/searches").iterdir()).name
    assert run("show", search, "--storage", "there").code == 0
    assert run("export", search, "--storage", "there").code == 0
    Path("tar").mkdir()
    subprocess.run(["tar", "-xf", "small.tar.xz", "-C", "tar"], check=True)
    one, other = (
        {path.relative_to(root): path.read_bytes() for path in (Path(root) / "small/searches").rglob("*.json")}
        for root in ("tar", "there")
    )
    assert one == other


def test_a_sweep_continues_from_an_archive_with_checkpoints(run: Run) -> None:
    lost = next(record for record in retrainings() if record.shared_with is None)
    copies = {record.fingerprint for record in retrainings() if record.shared_with == lost.fingerprint}
    shutil.rmtree(str(api.find("small").folder.folder("retraining", lost.trial.short).path))
    assert run("archive", "small", "--with-checkpoints", "--out", "small.tar.gz").code == 0
    shutil.rmtree("results")
    assert run("archive", "--extract", "small.tar.gz", "--storage", "there").code == 0
    resumed = run("resume", "small", "--storage", "there", "--local")
    assert resumed.code == 0, resumed.err
    sweep = api.find("small", Path("there"))
    trained = NetworkRecord.read(sweep.folder.folder("retraining", lost.trial.short).path)
    assert trained is not None
    assert lost.result is not None
    assert trained.result is not None
    assert trained.result.test_accuracy == lost.result.test_accuracy
    assert copies or trained.shared_with is None
    assert run("export", "--all", "small", "--storage", "there").code == 0
