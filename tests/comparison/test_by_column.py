"""Comparisons by one column: what is compared with what, and that nothing is pooled."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from scipy import stats

from aca_ray.cli.comparing import COLUMNS as COLUMNS_OF_THE_COMMAND
from aca_ray.comparison import NetworkRow, Pair, SweepRows, TrialRow, compare, compare_by, holm
from aca_ray.comparison.by_column import COLUMNS
from aca_ray.errors import ConfigError
from aca_ray.report.as_json import by_column_json, comparison_json
from aca_ray.report.by_column import by_column_tables, by_column_text

Build = Callable[..., NetworkRow]
MAIN, OTHER = Pair("taylor_identity", "sign"), Pair("fisher", "sign")
ACCURACIES = {"darts": [0.90, 0.80, 0.85, 0.70], "pc_darts": [0.93, 0.84, 0.86, 0.74], "gdas": [0.91, 0.79, 0.80, 0.72]}


def _sweep(rows: list[NetworkRow], name: str = "toy") -> SweepRows:
    return SweepRows(networks=tuple(replace(row, sweep=name) for row in rows), sweep=name)


def _methods(network_row: Build, **values: object) -> list[NetworkRow]:
    return [
        network_row(accuracy, method=method, seed=seed, **values)
        for method, accuracies in ACCURACIES.items()
        for seed, accuracy in enumerate(accuracies)
    ]


def test_the_columns_of_the_command_line_are_those_of_the_comparison() -> None:
    assert COLUMNS_OF_THE_COMMAND == COLUMNS


def test_every_method_against_every_other_paired_by_seed(network_row: Build) -> None:
    found = compare_by(compare(_sweep(_methods(network_row))), "method")
    assert [(row.value, row.arm.test_accuracy.n) for row in found.rows] == [("darts", 4), ("gdas", 4), ("pc_darts", 4)]
    pairs = [("gdas", "darts"), ("pc_darts", "darts"), ("pc_darts", "gdas")]
    assert [(one.a, one.b) for one in found.differences] == pairs
    tests = [stats.ttest_rel(ACCURACIES[a], ACCURACIES[b]).pvalue for a, b in pairs]
    assert [one.difference.t_pvalue for one in found.differences] == pytest.approx(tests)
    assert [one.holm_pvalue for one in found.differences] == pytest.approx(holm(tests))


def test_other_fields_are_never_pooled(network_row: Build) -> None:
    rows = [
        row
        for kind in (None, tuple(MAIN), tuple(OTHER), (None, "all"))
        for epochs in (8, 16)
        for protocol in ("tiny", "small")
        for row in _methods(network_row, rule=kind, epochs=epochs, protocol=protocol)
    ]
    comparison = compare(_sweep(rows), [MAIN, OTHER])
    found = compare_by(comparison, "method")
    assert len({row.context for row in found.rows}) == 4 * 2 * 2
    assert len(found.rows) == 3 * 16
    assert {row.arm.test_accuracy.n for row in found.rows} == {4}
    by_epochs = compare_by(comparison, "epochs")
    assert [row.value for row in by_epochs.rows[:2]] == [8, 16]
    assert all((one.a, one.b) == (16, 8) for one in by_epochs.differences)
    assert len({one.context for one in by_epochs.differences}) == 4 * 2 * 3
    by_ranking = compare_by(comparison, "ranking")
    assert {(one.a, one.b) for one in by_ranking.differences} == {("taylor_identity", "fisher")}
    assert {one.context.networks for one in by_ranking.differences} == {"allocated"}
    by_skip = compare_by(comparison, "skip")  # allocated by the main pair
    assert [row.value for row in by_skip.rows[:3]] == ["searched", "skip-free", "allocated"]
    assert by_skip.rows[2].arm.test_accuracy.n == 4


def test_a_column_without_differences_is_refused_with_those_that_have_some(network_row: Build) -> None:
    comparison = compare(_sweep(_methods(network_row)))
    for column in set(COLUMNS) - {"method"}:
        with pytest.raises(ConfigError, match=r"columns: method$"):
            compare_by(comparison, column)
    with pytest.raises(ConfigError, match="Did you mean method"):
        compare_by(comparison, "methods")


def test_values_that_share_nothing_else_are_not_compared(network_row: Build) -> None:
    rows = [network_row(0.9, method="darts", epochs=8), network_row(0.8, method="gdas", epochs=16)]
    with pytest.raises(ConfigError):
        compare_by(compare(_sweep(rows)), "method")


def _setting(image_size: int, channels: int = 8) -> str:
    data, network = {"resize": image_size}, {"cells": 5, "channels": channels}
    return json.dumps({"data": data, "network": network, "search": {"batch_size": 32, "data": data}})


@pytest.mark.parametrize(
    ("column", "own", "other"),
    [
        ("space", {"space": "darts"}, {"space": "s3"}),
        ("data", {"data": "digits", "setting": _setting(8)}, {"data": "cifar10", "setting": _setting(16)}),
        ("setting", {"setting": _setting(8)}, {"setting": _setting(16)}),
        (
            "protocol",
            {"protocol": "small", "setting": _setting(8)},
            {"protocol": "cifar", "setting": _setting(8, channels=36)},
        ),
    ],
)
def test_sweeps_may_differ_in_the_column_alone(
    network_row: Build, column: str, own: dict[str, str], other: dict[str, str]
) -> None:
    first = _sweep([network_row(0.8 + seed / 50, seed=seed, **own) for seed in range(3)], "a")
    second = _sweep([network_row(0.7 + seed / 40, seed=seed, **other) for seed in range(3)], "b")
    with pytest.raises(ConfigError):
        compare([first, second])
    with pytest.raises(ConfigError):
        compare([first, second], by="method")
    found = compare_by(compare([first, second], by=column), column)
    assert len(found.rows) == 2
    assert [one.num_pairs for one in found.differences] == [3]
    assert "None" not in by_column_text(found)


def test_options_of_the_data_are_values_of_their_own(network_row: Build) -> None:
    rows = [network_row(0.9 - size / 100, setting=_setting(size), seed=seed) for size in (8, 16) for seed in range(2)]
    found = compare_by(compare(_sweep(rows)), "data")
    assert [(row.value, row.arm.num_networks) for row in found.rows] == [
        ("digits (resize 16)", 2),
        ("digits (resize 8)", 2),
    ]


def test_other_images_of_the_same_data_stay_refused(network_row: Build) -> None:
    names = list(TrialRow.__annotations__)
    trial = TrialRow(**{**dict.fromkeys(names), "data": "digits", "options": "{}", "kind": "search", "versions": "{}"})
    sweeps = [
        replace(_sweep([network_row(0.9, **place)], name), trials=(replace(trial, data_digest=name, sweep=name),))
        for name, place in (("a", {}), ("b", {"space": "s3"}))
    ]
    with pytest.raises(ConfigError, match="same images"):
        compare(sweeps, by="space")


def test_tables_and_json_hold_the_same_numbers(network_row: Build) -> None:
    comparison = compare(_sweep(_methods(network_row)))
    found = compare_by(comparison, "method")
    values, differences = by_column_tables(found)
    assert [row[0] for row in values.texts] == ["method", "darts", "gdas", "pc_darts"]
    assert [row[0] for row in differences.texts[1:]] == ["gdas - darts", "pc_darts - darts", "pc_darts - gdas"]
    assert max(map(len, by_column_text(found).splitlines())) <= 120
    value = json.loads(json.dumps({**comparison_json(comparison), **by_column_json(found)}, allow_nan=False))
    assert value["sweeps"] == ["toy"]
    assert [(group["method"], group["networks"], group["n"]) for group in value["groups"]] == [
        (method, "searched", 4) for method in ("darts", "gdas", "pc_darts")
    ]
    assert value["groups"][0]["mean"] == pytest.approx(sum(ACCURACIES["darts"]) / 4)
    assert value["groups"][0]["setting"] == {}
    first = value["value_differences"][0]
    assert (first["method"], first["a"], first["b"], first["difference_n"]) == (None, "gdas", "darts", 4)
    assert first["difference_mean"] == found.differences[0].difference.mean
    for key in ("low", "high", "t_pvalue", "holm_pvalue", "effect_size"):
        assert isinstance(first[f"difference_{key}"], float)


def test_paired_differences_of_the_report_as_json(network_row: Build) -> None:
    rows = [
        network_row(value, rule, seed=seed) for rule in (None, tuple(MAIN)) for seed, value in enumerate((0.8, 0.9))
    ]
    comparison = compare(_sweep(rows), [MAIN])
    value = comparison_json(comparison)
    (one,) = value["differences"]
    assert (one["main_networks"], one["baseline"], one["difference_n"]) == ("allocated", "searched", 2)
    assert one["difference_mean"] == 0.0
    assert [(group["networks"], group["allocation"]) for group in value["groups"]] == [
        ("searched", None),
        ("allocated", "sign"),
    ]
