"""Settings of methods: their bounds, and labels of methods with chosen settings."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import pytest

from aca_ray.errors import ConfigError
from aca_ray.methods.registry import find_method, method_settings, methods
from aca_ray.methods.settings import Bounds, setting_problems, settings_of
from aca_ray.space.labels import method_label, parse_method_label
from aca_ray.sweep.vocabulary import vocabulary


def build(*, warmth: Annotated[float, Bounds(0.5, 2.0)] = 1.0, layers: Annotated[int, Bounds(1, 9)] = 3) -> None:
    """A function with settings."""


KNOWN = settings_of(build)


def test_settings_are_read_off_the_signature() -> None:
    assert {name: (s.type, s.default, s.bounds) for name, s in KNOWN.items()} == {
        "warmth": (float, 1.0, Bounds(0.5, 2.0)),
        "layers": (int, 3, Bounds(1, 9)),
    }


@pytest.mark.parametrize("chosen", [{}, {"warmth": 0.5}, {"warmth": 2, "layers": 9}])
def test_good_settings(chosen: dict[str, Any]) -> None:
    assert setting_problems(KNOWN, chosen, "here") == []


@pytest.mark.parametrize(
    ("chosen", "problem"),
    [
        ({"warmth": 0.4}, r"here\.warmth: .*number from 0\.5 to 2, found 0\.4; .*paper's 1"),
        ({"warmth": True}, r"here\.warmth: .*number from 0\.5 to 2, found True"),
        ({"warmth": float("nan")}, r"here\.warmth: .*number from 0\.5 to 2, found nan"),
        ({"layers": 2.0}, r"here\.layers: .*integer from 1 to 9, found 2\.0; .*paper's 3"),
        ({"layers": "2"}, r"here\.layers: .*integer from 1 to 9, found '2'"),
        ({"layer": 2}, r"here\.layer: .*'layer'.*Did you mean layers\?"),
    ],
)
def test_bad_settings(chosen: dict[str, Any], problem: str) -> None:
    (found,) = setting_problems(KNOWN, chosen, "here")
    assert re.match(problem, found)


def test_equal_methods_have_one_name_in_a_spec(tmp_path: Path) -> None:
    read = vocabulary(tmp_path).read_method
    for same in ("beta_darts", {"name": "beta_darts", "scale": 50}, {"name": "beta_darts", "scale": 50.0}):
        assert read(same, "methods") == ("beta_darts", [])
    for same in ({"name": "beta_darts", "scale": 25.0}, "beta_darts(scale=25)", "beta_darts(scale=25.0)"):
        assert read(same, "methods") == ("beta_darts(scale=25)", [])
    assert read({"name": "beta_darts", "scale": 0.25}, "methods") == ("beta_darts(scale=0.25)", [])


def test_labels_are_canonical() -> None:
    assert method_label("darts", {}) == "darts"
    assert (
        method_label("toy", {"warmth": 0.5, "layers": 2})
        == "toy(layers=2,warmth=0.5)"
        == method_label("toy", {"layers": 2, "warmth": 0.5})
    )
    assert parse_method_label("toy(layers=2,warmth=0.5)") == ("toy", {"layers": 2, "warmth": 0.5})
    for text in ("toy(layers)", "toy(layers=two)", "toy(layers=2", "two words"):
        assert parse_method_label(text) is None


@pytest.mark.parametrize("name", [name for name in methods() if method_settings(name)])
def test_the_defaults_are_what_is_registered(name: str) -> None:
    defaults = {key: setting.type(setting.default) for key, setting in method_settings(name).items()}
    built = find_method(method_label(name, defaults))
    assert (built.name, built.recipe, built.initial_std) == (name, methods()[name].recipe, methods()[name].initial_std)
    for key, setting in method_settings(name).items():
        assert setting.bounds.low <= setting.default <= setting.bounds.high
        with pytest.raises(ConfigError, match=rf"^there\.{key}: must be"):
            find_method(method_label(name, {key: setting.bounds.high + 1}), "there")
