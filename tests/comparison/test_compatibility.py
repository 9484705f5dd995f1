from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from aca_ray.comparison import NetworkRow, SweepRows, compare, read_sweep
from aca_ray.errors import ConfigError
from aca_ray.report.notes import notes_of
from aca_ray.report.panels.provenance import provenance_rows

if TYPE_CHECKING:
    from conftest import SweepWriter

Build = Callable[..., NetworkRow]


def _sweep(*rows: NetworkRow) -> SweepRows:
    return SweepRows(networks=rows, sweep=rows[0].sweep)


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        ({"protocol": "long"}, "protocol tiny against long"),
        ({"space": "s1", "data": "cifar10"}, "space darts against s1, data digits against cifar10"),
        ({"setting": '{"network":{"cells":8},"x":1}'}, "network.cells 5 against 8, x unset against 1"),
    ],
)
def test_sweeps_that_share_nothing_are_refused(network_row: Build, other: dict[str, str], reason: str) -> None:
    setting = '{"network":{"cells":5}}' if "setting" in other else "{}"
    one = network_row(0.8, setting=setting)
    rest = network_row(0.8, sweep="other", **{"setting": setting, **other})
    with pytest.raises(ConfigError) as caught:
        compare([_sweep(one), _sweep(rest)])
    assert len(caught.value.problems) == 2
    (problem,) = (problem for problem in caught.value.problems if problem.startswith("sweep toy: "))
    for part in ("space, data, setting and protocol", "sweep other", f"found {reason};", "compare it alone"):
        assert part in problem


def test_sweeps_that_share_something_are_compared(network_row: Build) -> None:
    both = [network_row(0.8), network_row(0.7, protocol="long")]
    comparison = compare([_sweep(*both), _sweep(network_row(0.9, protocol="long", seed=1, sweep="other"))])
    assert [group.group.protocol for group in comparison.groups] == ["long", "tiny"]


def test_searches_in_bfloat16_are_never_pooled_with_others(sweep_folder: SweepWriter) -> None:
    for seed, precision in enumerate((*[{}] * 3, *[{"precision": "bfloat16"}] * 2)):
        sweep_folder.network(sweep_folder.search(seed=seed, **precision), 0.9, seed=seed)
    comparison = compare(read_sweep(sweep_folder.folder))
    assert len(comparison.groups) == 2
    (note,) = (note for note in notes_of(comparison) if "not pooled" in note)
    assert '"precision":"bfloat16"' in note
    facts = {row.topic: row.value for row in provenance_rows(comparison.sweeps)}
    assert facts["precision of searches"] == "differs: float32 (3 trials), bfloat16 (2 trials)"


def test_a_third_sweep_that_shares_nothing_is_named(network_row: Build) -> None:
    sweeps = [_sweep(network_row(0.8, seed=index, sweep=f"s{index}")) for index in range(2)]
    with pytest.raises(ConfigError) as caught:
        compare([*sweeps, _sweep(network_row(0.8, protocol="long", sweep="odd"))])
    (problem,) = caught.value.problems
    assert problem.startswith("sweep odd: ")


def test_empty_and_unfinished_sweeps_are_no_error(network_row: Build, sweep_folder: SweepWriter) -> None:
    sweep_folder.network(sweep_folder.search(state="running"), 0.0, state="running")
    half = read_sweep(sweep_folder.folder)
    notes = notes_of(compare([_sweep(network_row(0.8)), half, SweepRows(sweep="empty")]))
    for parts in (("Sweep toy", "no finished network"), ("Sweep empty", "no trial"), ("2 trials", "unfinished")):
        assert any(all(part in note for part in parts) for note in notes), parts


def test_plugins_of_one_name_must_have_the_same_source(sweep_folder: SweepWriter) -> None:
    sweep_folder.network(sweep_folder.search(), 0.9)
    rows = read_sweep(sweep_folder.folder)

    def with_plugin(sweep: str, origin: str, digest: str) -> SweepRows:
        versions = json.dumps({"plug-in own.py": f"{origin}, sha256 {digest}"})
        trials = tuple(replace(trial, sweep=sweep, versions=versions) for trial in rows.trials)
        return replace(rows, sweep=sweep, trials=trials)

    one = with_plugin("toy", "own.py", "d" * 12)
    compare([one, with_plugin("other", "own 1.0", "d" * 12), rows])
    with pytest.raises(ConfigError) as caught:
        compare([one, with_plugin("other", "own.py", "e" * 12)])
    (problem,) = caught.value.problems
    assert problem.startswith("plug-in own.py: ")
    assert "dddddddddddd (search in sweep toy) and eeeeeeeeeeee (search in sweep other)" in problem


def test_data_of_one_name_must_be_the_same_images(sweep_folder: SweepWriter) -> None:
    search = sweep_folder.search()
    sweep_folder.network(search, 0.9)
    rows = read_sweep(sweep_folder.folder)
    changed = tuple(replace(trial, sweep="other", data_digest="e" * 64) for trial in rows.trials)
    with pytest.raises(ConfigError) as caught:
        compare([rows, replace(rows, sweep="other", trials=changed)])
    (problem,) = caught.value.problems
    assert problem.startswith("data digits: ")
    assert "found digests dddddddddddd (search in sweep toy) and eeeeeeeeeeee (search in sweep other)" in problem
    other = tuple(replace(trial, options='{"valid_share":0.4}') for trial in changed)
    compare([rows, replace(rows, trials=other)])  # other options may mean other images; they are not pooled
