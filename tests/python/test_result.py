"""What a sweep returns: a view of its folder, the same after a run and after loading it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch

import aca_ray
from aca_ray.comparison import NetworkRow
from aca_ray.data import evaluation_batches
from aca_ray.errors import CheckpointError
from aca_ray.records import RetrainingRecord, TrialFolder
from aca_ray.storage import storage_path
from aca_ray.trials.datasets import DataRef

if TYPE_CHECKING:
    from conftest import ObjectStore

pytestmark = pytest.mark.slow  # a sweep of fourteen trials

CPU = torch.device("cpu")


@pytest.fixture
def loaded(storage: Path) -> aca_ray.Result:
    return aca_ray.load("done", storage=storage)


@pytest.fixture
def copied(storage: Path, tmp_path: Path) -> aca_ray.Result:
    """The result of a copy of the sweep, which a test may damage."""
    shutil.copytree(storage, tmp_path / "copy")
    return aca_ray.load("done", storage=str(tmp_path / "copy"))


def retrainings(result: aca_ray.Result) -> list[aca_ray.Trial]:
    return [trial for trial in result.trials if trial.kind == "retraining"]


def test_a_run_says_how_it_ended(result: aca_ray.Result, loaded: aca_ray.Result) -> None:
    assert result.outcome is not None
    assert (result.outcome.interrupted, result.outcome.failures, result.outcome.tracked) == (False, (), True)
    assert result.comparison is result.outcome.comparison
    assert loaded.outcome is None


def test_the_trials_have_their_settings_and_records(loaded: aca_ray.Result) -> None:
    assert Counter(trial.kind for trial in loaded.trials) == {"search": 4, "retraining": 6, "look-up": 4}
    assert {trial.state for trial in loaded.trials} == {"finished"}
    for trial in loaded.trials:
        assert trial.record is not None
        assert trial.record.trial == trial.spec
        assert loaded.trial(trial.short) is loaded.trial(trial.spec.fingerprint) is trial
    assert loaded.spec.experiment.seeds == (0, 1)


def test_unfinished_trials_wait(copied: aca_ray.Result) -> None:
    first = retrainings(copied)[0]
    TrialFolder(first.folder).record.unlink()
    (waiting,) = [trial for trial in copied.trials if trial.state == "waiting"]
    assert (waiting, waiting.record) == (first, None)
    assert len(copied.comparison.networks) == 9


def test_a_loaded_comparison_is_that_of_the_run(result: aca_ray.Result, loaded: aca_ray.Result) -> None:
    assert loaded.comparison.groups == result.comparison.groups
    assert loaded.comparison.networks == result.comparison.networks


def test_loading_reads_nothing_and_writes_nothing(storage: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in storage.rglob("*")}
    code = (
        f"import aca_ray, sys; result = aca_ray.load('done', storage={str(storage)!r}); result.trials; result.report; "
        "print(*sys.modules); assert result.comparison.networks"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"pandas", "matplotlib", "mlflow", "ray"} & set(done.stdout.split())
    assert {path: path.stat().st_mtime_ns for path in storage.rglob("*")} == before


def test_a_result_cannot_be_changed(loaded: aca_ray.Result) -> None:
    with pytest.raises(AttributeError):
        loaded.sweep = None  # type: ignore[misc, assignment]
    with pytest.raises(AttributeError):
        loaded.trials = ()  # type: ignore[misc]


def test_a_result_in_a_terminal(loaded: aca_ray.Result) -> None:
    assert repr(loaded) == f"<Result of sweep done in {loaded.folder}: 14 trials>"


def test_the_frame_of_networks_has_the_rows_of_the_report(loaded: aca_ray.Result) -> None:
    frame = loaded.retrainings()
    assert len(frame) == 10
    table = pq.read_table(loaded.sweep.folder.comparison / "networks.parquet").to_pandas()
    pd.testing.assert_frame_equal(frame, table, check_dtype=False)
    assert frame.dtypes["seed"] == frame.dtypes["rank"] == "Int64"
    assert frame["rank"].notna().sum() == 4


def test_the_frame_of_epochs_has_the_metrics_of_the_records(loaded: aca_ray.Result) -> None:
    frame = loaded.epochs()
    assert len(frame) == sum(len(trial.record.rows) for trial in loaded.trials if trial.record is not None) > 0
    for trial in loaded.trials:
        rows = frame[frame.fingerprint == trial.spec.fingerprint]
        assert trial.record is not None
        assert rows.epoch.tolist() == [row.epoch for row in trial.record.rows]
        assert set(rows.kind) == {trial.kind}
        assert set(rows.data) == {"digits"}
        for row, (_, own) in zip(trial.record.rows, rows.iterrows(), strict=True):
            assert own.time.value == row.time_ms * 1_000_000
            for name, value in row.metrics.items():
                assert own[name] == value or (value is None and np.isnan(own[name]))
    searches = frame[frame.kind == "search"]
    assert searches.retrain_seed.isna().all()
    assert searches["search_valid/accuracy"].between(0, 1).all()
    assert set(frame[frame.kind == "retraining"].protocol) == {"small"}


def test_the_frame_of_channels_says_which_are_kept(loaded: aca_ray.Result) -> None:
    frame = loaded.channels()
    assert set(frame.method) == {"darts"}
    assert set(frame.seed) == {0, 1}
    assert set(frame.epoch) == {1, 2}
    assert frame[["score", "strength"]].notna().all(axis=None)
    edges = {
        (row.search, row.epoch, row.stage, row.source, row.target): row.kept_share
        for row in loaded.comparison.rows.edges
        if row.allocation == "sign"
    }
    shares = frame.groupby(["search", "epoch", "stage", "source", "target"])["kept/sign"].mean()
    assert len(shares) > 0
    for place, share in shares.items():
        # The widths are even, and the plan's fraction is rounded to whole channels.
        assert share == pytest.approx(edges[place], abs=0.5 / 4)


def test_the_best_is_that_of_the_frame(loaded: aca_ray.Result) -> None:
    frame = loaded.retrainings()
    trained = frame[frame.protocol == "small"]
    best = loaded.best(protocol="small")
    assert best.kind == "retraining"
    assert best.record is not None
    assert best.record.result.test_accuracy == trained.test_accuracy.max()
    smallest = loaded.best("parameters", mode="min", protocol="small", skip="allocated")
    assert smallest.record.result.parameters == trained[trained.skip == "allocated"].parameters.min()
    assert smallest.spec.skip == "allocated"
    assert loaded.best("regret", mode="min").kind == "look-up"


def test_of_equals_the_first_is_the_best(loaded: aca_ray.Result) -> None:
    rows = loaded.comparison.networks
    equal = replace(loaded.comparison.sweeps[0], networks=tuple(replace(row, test_accuracy=0.5) for row in rows))
    comparison = replace(loaded.comparison, sweeps=(equal,))
    same = replace(loaded)
    same.__dict__["comparison"] = comparison
    assert same.best(protocol="small") == retrainings(loaded)[0]


@pytest.mark.parametrize(
    ("arguments", "problems"),
    [
        ({}, ["best: networks of different protocol are not comparable, found small, table nasbench201; choose one"]),
        ({"metric": "acuracy", "methd": "x"}, ["best: unknown column 'acuracy'", "best: unknown column 'methd'"]),
        ({"metric": "method"}, ["best: metric must be a column of numbers"]),
        ({"mode": "largest"}, ["best: mode must be max or min, found 'largest'"]),
        ({"seed": 7}, ["best: needs a finished network with seed 7"]),
    ],
)
def test_no_best(loaded: aca_ray.Result, arguments: dict[str, str], problems: list[str]) -> None:
    with pytest.raises(aca_ray.ConfigError) as caught:
        loaded.best(**arguments)
    assert len(caught.value.problems) == len(problems)
    for found, expected in zip(caught.value.problems, problems, strict=True):
        assert found.startswith(expected)


def accuracy(network: torch.nn.Module, trial: aca_ray.Trial) -> float:
    """Return the accuracy of a network on the test images of its retraining."""
    data = DataRef(trial.spec.data, Path()).for_retraining()
    found = [
        network(images).argmax(dim=1) == labels for images, labels in evaluation_batches(data.test, data.info, 8, CPU)
    ]
    return float(torch.cat(found).double().mean())


def test_networks_are_trained(loaded: aca_ray.Result) -> None:
    for trial in retrainings(loaded):
        network = loaded.network(trial)
        assert not network.training
        assert {weight.device for weight in network.parameters()} == {CPU}
        assert isinstance(trial.record, RetrainingRecord)
        assert trial.record.result is not None
        with torch.no_grad():
            assert accuracy(network, trial) == trial.record.result.test_accuracy
            images = torch.randn(1, 1, 8, 8)
            assert torch.equal(network(images), loaded.network(trial.short)(images))


def test_what_has_no_trained_network(loaded: aca_ray.Result, copied: aca_ray.Result) -> None:
    search, look_up = loaded.trials[0], next(trial for trial in loaded.trials if trial.kind == "look-up")
    own = [one.short for one in retrainings(loaded) if one.spec.search == search.spec.fingerprint]
    with pytest.raises(aca_ray.ConfigError, match=f"is a search.* name a retraining .*{own[0]}"):
        loaded.network(search)
    with pytest.raises(aca_ray.ConfigError, match="is a look-up") as caught:
        loaded.network(look_up.short)
    (path,) = re.findall(r"aca_ray\.build\('(.*)'\)", str(caught.value))
    assert aca_ray.build(path, protocol="nasbench201")(torch.randn(1, 3, 8, 8)).shape == (1, 10)
    with pytest.raises(aca_ray.ConfigError, match="found 0 for 'x'"):
        loaded.network("x")
    with pytest.raises(aca_ray.ConfigError, match=r"found 14 for ''; give more digits"):
        loaded.trial("")
    running = retrainings(copied)[0]
    replace(running.record, state="running", result=None).write(running.folder)
    with pytest.raises(aca_ray.ConfigError, match=r"must be finished, .* resume the sweep first"):
        copied.network(running.short)


def test_lost_weights_and_what_brings_them_back(copied: aca_ray.Result, tmp_path: Path) -> None:
    trial = retrainings(copied)[0]
    images = torch.randn(1, 1, 8, 8)
    before = copied.network(trial)(images)
    shutil.rmtree(TrialFolder(trial.folder).milestones)
    with pytest.raises(CheckpointError, match=r"delete the folder .* and resume the sweep"):
        copied.network(trial)
    shutil.rmtree(trial.folder)
    again = aca_ray.resume("done", storage=str(tmp_path / "copy"), local=True)
    assert torch.equal(again.network(trial.short)(images), before)


def test_the_report(copied: aca_ray.Result) -> None:
    assert copied.report.read_text().startswith("<!")
    copied.report.unlink()
    with pytest.raises(aca_ray.ConfigError, match=r"no report yet.*aca_ray\.compare\(\['(.*)'\]\)") as caught:
        _ = copied.report
    (name,) = re.findall(r"compare\(\['(.*)'\]\)", str(caught.value))
    aca_ray.compare([name])
    assert copied.report.is_file()


def test_a_result_in_a_notebook(loaded: aca_ray.Result) -> None:
    html = loaded._repr_html_()
    assert html.count("<img") == html.count("data:image/svg+xml;base64,") == 1
    assert "14 trials: 14 finished" in html
    assert str(loaded.report) in html
    assert len(re.findall("<li>", html)) >= 3


def test_texts_are_escaped_in_a_notebook(loaded: aca_ray.Result) -> None:
    evil = "<script>alert(1)</script>"
    networks = tuple(replace(row, method=evil) for row in loaded.comparison.networks)
    from aca_ray.comparison import SweepRows, compare
    from aca_ray.report.excerpt import excerpt

    html = excerpt(compare(SweepRows(networks=networks, sweep=evil)), evil, [evil])
    assert "<script" not in html
    assert html.count("&lt;script&gt;") >= 4


def test_a_sweep_without_a_result_in_a_notebook(copied: aca_ray.Result) -> None:
    for kind in ("searches", "retrainings", "look_ups"):
        shutil.rmtree(copied.folder / kind)
    html = copied._repr_html_()
    assert "14 trials: 14 waiting" in html
    assert "<img" not in html
    assert (len(copied.retrainings()), len(copied.epochs()), len(copied.channels())) == (0, 0, 0)
    assert list(copied.retrainings().columns) == list(NetworkRow.__dataclass_fields__)


def test_a_sweep_in_an_object_store(result: aca_ray.Result, object_store: ObjectStore) -> None:
    target = storage_path(object_store.uri())
    assert isinstance(result.folder, Path)
    for path in result.folder.rglob("*"):
        if path.is_file():
            place = target / "done"
            for part in path.relative_to(result.folder).parts:
                place = place / part
            place.write(path.read_bytes())
    remote = aca_ray.load("done", storage=object_store.uri())
    assert str(remote.folder).startswith("s3://")
    assert {trial.state for trial in remote.trials} == {"finished"}
    pd.testing.assert_frame_equal(remote.retrainings(), result.retrainings())
    pd.testing.assert_frame_equal(remote.channels(), result.channels())
    best = remote.best(protocol="small")
    assert best.short == result.best(protocol="small").short
    images = torch.randn(1, 1, 8, 8)
    assert torch.equal(remote.network(best)(images), result.network(best.short)(images))
    assert "14 trials: 14 finished" in remote._repr_html_()


def test_unknown_sweeps(storage: Path) -> None:
    with pytest.raises(aca_ray.ConfigError, match=r"no sweep 'dome' in .* Known: done"):
        aca_ray.load("dome", storage=storage)
