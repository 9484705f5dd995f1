"""A new spec of the same name grows the sweep, and never drops a finished trial."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from aca_ray.comparison import read_sweep
from aca_ray.config import parse_spec
from aca_ray.errors import ConfigError, MalformedFileError, SweepError
from aca_ray.records import TrialRecord
from aca_ray.storage.lock import exclusive
from aca_ray.sweep.growing import abandoned, require_newest, start_sweep
from aca_ray.sweep.manifest import Sweep, create_sweep, find_sweep
from aca_ray.sweep.orders import Order, all_orders, search_orders
from aca_ray.sweep.vocabulary import vocabulary

Start = Callable[..., Sweep]
Finish = Callable[..., list[Order]]
EXPERIMENT = {
    "methods": "darts",
    "data": "digits",
    "seeds": "[0, 1]",
    "epochs": "[1, 2]",
    "network": "{channels: 4, cells: 3}",
    "controls": "[uniform]",
    "retraining": "{protocol: small, seeds: [0, 1]}",
}


@pytest.fixture
def start(tmp_path: Path) -> Start:
    """Return a function that starts the sweep with changes to its experiment."""

    def run(**changes: str) -> Sweep:
        experiment = "".join(f"  {key}: {value}\n" for key, value in {**EXPERIMENT, **changes}.items())
        text = f"name: first\nexperiment:\n{experiment}runtime: {{storage: {tmp_path / 'results'}}}\n"
        return start_sweep(parse_spec(text, vocabulary(tmp_path)), tmp_path, text)

    return run


@pytest.fixture
def write_record(finished_record: Callable[..., TrialRecord]) -> Callable[..., None]:
    """Return a function that writes the record of an order."""

    def write(order: Order, state: str = "finished") -> None:
        replace(finished_record(order.trial), state=state).write(order.folder)

    return write


@pytest.fixture
def finish(write_record: Callable[..., None]) -> Finish:
    """Return a function that writes a finished record for the trials of a sweep, and returns them."""

    def run(sweep: Sweep, wanted: Callable[[Order], bool] = lambda order: True) -> list[Order]:
        done = [order for order in all_orders(sweep) if wanted(order)]
        for order in done:
            write_record(order)
        return done

    return run


GROWN = {
    "methods": "[pc_darts, darts]",
    "spaces": "[s2, darts]",
    "data": "[{name: digits, max_train_images: 64}, digits]",
    "seeds": "[2, 1, 0]",
    "epochs": "[1, 2, 3]",
    "ranking": "[taylor_identity, l1]",
    "allocation": "[sign, otsu]",
    "controls": "[random, uniform]",
    "retraining": "{protocol: small, seeds: [1, 0, 5]}",
}


@pytest.mark.parametrize("changed", [*GROWN, "all"])
def test_it_grows_along_every_axis(start: Start, changed: str, finish: Finish) -> None:
    first = start()
    done = finish(first)
    sweep = start(**(GROWN if changed == "all" else {changed: GROWN[changed]}))
    orders = all_orders(sweep)
    assert {order.folder for order in done} < {order.folder for order in orders}
    assert len(sweep.versions) == 2
    assert sweep.identity == first.fingerprint != sweep.fingerprint
    assert abandoned(sweep) == frozenset()


@pytest.mark.parametrize(
    ("changes", "put_back"),
    [
        ({"methods": "pc_darts"}, ["experiment.methods: darts"]),
        ({"seeds": "[1, 2]"}, ["experiment.seeds: 0"]),
        ({"epochs": "3"}, ["experiment.epochs: 2", "experiment.epochs: 1"]),
        ({"spaces": "s2"}, ["experiment.spaces: darts"]),
        ({"network": "{channels: 8, cells: 3}"}, ["experiment.network: {'channels': 4, 'cells': 3}"]),
        ({"batch_size": "16"}, ["experiment.batch_size: None"]),
        ({"precision": "bfloat16"}, ["experiment.precision: float32"]),
        (
            {"data": "{name: digits, max_train_images: 64}", "seeds": "0"},
            ["experiment.data: {'name': 'digits'}", "experiment.seeds: 1"],
        ),
        (
            {"retraining": "{protocol: nasbench201, seeds: 1}", "controls": "[]", "skip_free": "false"},
            [
                "experiment.retraining.protocol: small",
                "experiment.retraining.seeds: 0",
                "experiment.skip_free: True",
                "experiment.controls: uniform",
            ],
        ),
        (
            {"ranking": "l1", "allocation": "otsu"},
            ["experiment.ranking: taylor_identity", "experiment.allocation: sign"],
        ),
        (
            {
                "skip": "searched",
                "controls": "[]",
            },
            [
                "experiment.skip: allocated",
                "experiment.ranking: taylor_identity",
                "experiment.allocation: sign",
                "experiment.controls: uniform",
            ],
        ),
    ],
)
def test_a_spec_that_would_drop_finished_trials(
    start: Start, changes: dict[str, str], put_back: list[str], finish: Finish
) -> None:
    first = start()
    finish(first)
    before = {path: path.read_bytes() for path in first.folder.path.iterdir() if path.is_file()}
    with pytest.raises(ConfigError) as caught:
        start(**changes)
    (problem,) = caught.value.problems
    lines = problem.splitlines()
    headed = [index for index, line in enumerate(lines) if not line.startswith("  ")]
    named, found = lines[1 : headed[1]], [line.strip() for line in lines[headed[1] + 1 : headed[2]]]
    assert found == sorted(put_back)
    shorts = {order.trial.short: order.trial for order in all_orders(first)}
    for line in named[:10]:
        trial = shorts[line.split(":")[0].strip()]
        assert f"{trial.method}, skips {trial.skip}, seed {trial.seed}, {trial.epochs} epochs" in line
    assert {path: path.read_bytes() for path in first.folder.path.iterdir() if path.is_file()} == before


def test_at_most_ten_trials_are_listed(start: Start, finish: Finish) -> None:
    lost = len(finish(start(), lambda order: order.trial.seed == 0))
    with pytest.raises(ConfigError) as caught:
        start(seeds="1")
    lines = caught.value.problems[0].splitlines()
    assert lines[0].startswith("name: ")
    assert str(lost) in lines[0]
    assert "'first'" in lines[0]
    assert str(lost - 10) in lines[11]


def test_unfinished_trials_may_be_dropped_and_are_not_counted(start: Start, write_record: Callable[..., None]) -> None:
    first = start()
    left = [order for order in search_orders(first) if order.trial.seed == 1]
    write_record(left[0], "running")
    write_record(left[1], "failed")
    left[2].folder.mkdir(parents=True)  # killed before its first record
    kept = search_orders(first)[0]
    write_record(kept)
    sweep = start(seeds="[0, 2]")
    assert abandoned(sweep) == {order.folder for order in left[:3]}
    rows = read_sweep(sweep.folder, abandoned(sweep))
    assert (len(rows.trials), rows.unfinished, rows.failed) == (1, 0, ())
    again = start()  # back in the spec, they resume
    assert abandoned(again) == frozenset()
    assert [version.fingerprint for version in again.versions] == [
        first.fingerprint,
        sweep.fingerprint,
        first.fingerprint,
    ]


def test_an_unreadable_record_stops_growing(start: Start) -> None:
    order = search_orders(start())[0]
    order.folder.mkdir(parents=True)
    (order.folder / "record.json").write_text("{")
    with pytest.raises(MalformedFileError, match=r"record\.json: is not valid JSON"):
        start(epochs="1")


def test_a_sweep_does_not_grow_while_another_process_drives_it(start: Start) -> None:
    sweep = start()
    before = sweep.folder.manifest.read_bytes()
    with exclusive(sweep.folder.lock, wait=False) as free:
        assert free
        for changes in ({}, {"seeds": "[0, 1, 2]"}):
            with pytest.raises(SweepError, match=f"^{sweep.folder.path}: another process.*aca-ray status first"):
                start(**changes)
    assert sweep.folder.manifest.read_bytes() == before
    start(seeds="[0, 1, 2]")


def test_a_driver_needs_the_newest_spec(start: Start, tmp_path: Path) -> None:
    sweep = start()
    require_newest(sweep)
    start(seeds="[0, 1, 2]")
    with pytest.raises(SweepError, match=f"^{sweep.folder.path}: another process.*aca-ray resume first"):
        require_newest(sweep)
    require_newest(find_sweep("first", tmp_path / "results"))


def test_a_new_sweep_equals_that_of_create_sweep(start: Start, tmp_path: Path) -> None:
    started = start()
    created = create_sweep(started.spec, tmp_path, started.text)
    assert created == started
    assert {path.name for path in started.folder.path.iterdir()} == {"sweep.json", "spec.yaml"}
