"""YAML texts: merge keys work, and scalars that YAML 1.1 silently reads as something else are refused."""

from __future__ import annotations

import re
from typing import Any

import pytest

from aca_ray.config.yaml_text import MAX_BYTES, read_yaml, write_yaml
from aca_ray.errors import ConfigError

TEN_TIMES = "{0}: &{0} [*{1}, *{1}, *{1}, *{1}, *{1}, *{1}, *{1}, *{1}, *{1}, *{1}]\n"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("[0, 7, -3, +4, 1_000, 0x10]", [0, 7, -3, 4, 1000, 16]),
        ("[0.5, 1e-3, 1E3, .5e+2, 1.5e3, -2.]", [0.5, 0.001, 1000.0, 50.0, 1500.0, -2.0]),
        ("[true, False, null, ~, ]", [True, False, None, None]),
        (
            "['007', '1:30', 'yes', \"2026-11-29\", 1.2.3, e3, 1e, cifar10]",
            ["007", "1:30", "yes", "2026-11-29", "1.2.3", "e3", "1e", "cifar10"],
        ),
        ("[!!str 7, !!int '7']", ["7", 7]),
        ("", None),
    ],
)
def test_unambiguous_values(text: str, value: Any) -> None:
    assert read_yaml(text) == value


@pytest.mark.parametrize(
    ("scalar", "read", "fix"),
    [
        ("007", "7", "write 7 for"),
        ("-010", "-8", "write -10 for"),
        ("0o7", None, None),
        ("1:30", "90", "write '1:30'"),
        ("1:30.5", "90.5", "write '1:30.5'"),
        ("yes", "true", "write that, or 'yes'"),
        ("NO", "false", "write that, or 'NO'"),
        ("on", "true", "write that, or 'on'"),
        ("2026-11-29", "a date", "write '2026-11-29'"),
        ("2026-11-29 10:00:00", "a date", "write '2026-11-29 10:00:00'"),
    ],
)
def test_scalars_that_yaml_reads_as_something_else(scalar: str, read: str | None, fix: str | None) -> None:
    text = f"name: a\nexperiment:\n  seeds: [1, {scalar}]\n"
    if read is None or fix is None:
        assert read_yaml(text)["experiment"]["seeds"] == [1, scalar]
        return
    with pytest.raises(ConfigError) as caught:
        read_yaml(text)
    (problem,) = caught.value.problems
    assert problem.startswith(f"experiment.seeds[1] (line 3): YAML reads {scalar} as {read}")
    assert fix in problem


def test_all_misread_scalars_are_reported() -> None:
    with pytest.raises(ConfigError) as caught:
        read_yaml("{a: 01, b: [yes, {c: 1:20}], d: 2020-02-02, e: !!set {x}}")
    assert [problem.partition(" ")[0] for problem in caught.value.problems] == ["a", "b[0]", "b[1].c", "d", "e"]


def test_merge_keys() -> None:
    text = "base: &base {name: digits, n: 100}\nother: &other {m: 1, n: 5}\n"
    assert read_yaml(f"{text}one: {{<<: *base, n: 200}}")["one"] == {"name": "digits", "n": 200}
    assert read_yaml(f"{text}one: {{n: 200, <<: *base}}")["one"] == {"name": "digits", "n": 200}
    assert read_yaml(f"{text}one: {{<<: [*base, *other]}}")["one"] == {"name": "digits", "n": 100, "m": 1}
    with pytest.raises(ConfigError, match=r"line 3: key '<<' is given twice"):
        read_yaml(f"{text}one: {{<<: *base, <<: *other}}")
    with pytest.raises(ConfigError, match=r"line 3: key 'n' is given twice"):
        read_yaml(f"{text}one: {{<<: *base, n: 1, n: 2}}")


@pytest.mark.parametrize("key", ["1", "on", "~", "[a]", "{a: 1}", "2020-02-02", "!!python/none x"])
def test_keys_are_strings(key: str) -> None:
    with pytest.raises(ConfigError, match=rf"line 1: a key must be a string, found {re.escape(key)}"):
        read_yaml(f"? {key}\n: 1\n")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: !!timestamp x", "a "),  # PyYAML: AttributeError
        ("a: !!int x", "is not valid YAML"),
        ("a: !!float [1]", "is not valid YAML"),
        ("a: !!binary x", "a "),
        ("a: =", "a "),
        ("a: " + "9" * 5000, "is not valid YAML"),
        ("&a [*a]", r"\[0\] \(line 1\): contains itself"),
        ("a: &a {<<: *a}", "a "),
        ("[" * 60 + "]" * 60, ".*nested more than"),
        ("[" * 5000, "is not valid YAML"),
        ("x" * (MAX_BYTES + 1), "has .* at most"),
        ("a: &a [1,1,1,1,1,1,1,1,1,1]\n" + "".join(map(TEN_TIMES.format, "bcdefghi", "abcdefgh")), "e .*at most"),
        (r'a: "\0"', r"a \(line 1\): contains '\\x00'"),
        (r'a: "\ud83d\ude00"', r"a \(line 1\): contains '\\ud83d'"),
        ("a: 'b", "is not valid YAML"),
        ("\x07", "is not valid YAML"),
    ],
)
def test_texts_without_a_value(text: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=f"^{problem}"):
        read_yaml(text)


@pytest.mark.parametrize(
    "value",
    [
        {"a": [1, 2], "b": {"c": None, "d": True}, "e": [{"f": 1e-7}, {"f": 1.0}]},
        {"text": ["1e-3", "1.5", "12:30", "0b1", "010", "yes", "null", "2020-01-01", "~", "=", "<<", "", " a", "a: b"]},
        {"lines": "first: #\n\n  second \n", "more": "a\nb", "spaces": " \n \n", "tab": "a\tb", "accent": "é"},
        {"b": 1, "a": 2},
        {"floats": [1e300, -1e-300, 0.1, 1e22]},
        {"long": "word " * 100, "list": list(range(200))},
    ],
)
def test_written_values_are_read_back(value: Any) -> None:
    text = write_yaml(value)
    assert read_yaml(text) == value
    assert list(read_yaml(text)) == list(value)


def test_repeated_values_are_written_without_aliases() -> None:
    shared = {"a": 1}
    assert "&" not in write_yaml({"x": shared, "y": shared})
