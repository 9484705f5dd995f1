"""Plug-ins that installed packages announce as entry points."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from aca_ray.cli import main
from aca_ray.config import SweepSpec
from aca_ray.errors import ConfigError
from aca_ray.plugins import installed
from aca_ray.plugins.loaded import active, deactivate
from aca_ray.plugins.source import module_sha256

Parse = Callable[..., SweepSpec]
CHANGED = "from dataclasses import replace\nfrom aca_ray.methods.darts import METHOD as D\nMETHOD = replace(D, {}='x')"


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str, str], None]]:
    """Return a function that installs a distribution of one module with entry points."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(site)

    def put(module: str, source: str, entry_points: str) -> None:
        (site / f"{module}.py").write_text(source)
        info = site / f"{module}-1.5.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.5\n")
        (info / "top_level.txt").write_text(f"{module}\n")
        (info / "entry_points.txt").write_text(entry_points)
        installed._entry_points.cache_clear()
        module_sha256.cache_clear()

    yield put
    deactivate(list(active()))
    monkeypatch.undo()
    installed._entry_points.cache_clear()


def test_an_installed_method_is_used_without_being_listed(
    install: Callable[[str, str, str], None], parse: Parse, tempered: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    install("installed_one", tempered.read_text(), "[aca_ray.methods]\ntempered_darts = installed_one\n")
    assert parse().experiment.plugins == ()
    (plugin,) = parse(methods="[darts, tempered_darts]").experiment.plugins
    assert (plugin.name, plugin.origin, plugin.listed) == ("installed_one", "installed_one 1.5", False)
    assert main(["list", "methods", "--json"]) == 0
    assert "tempered_darts" in {entry["name"] for entry in json.loads(capsys.readouterr().out)["methods"]}


@pytest.mark.parametrize(
    ("source", "points"),
    [
        ("raise RuntimeError('out of order')", "[aca_ray.methods]\nabsent = broken_{}\n"),
        ("METHOD = 5", "[aca_ray.methods]\nabsent = broken_{}:METHOD\n"),
        (
            CHANGED.format("name"),
            "[aca_ray.methods]\nabsent = broken_{}\n",
        ),
    ],
)
def test_a_broken_one_is_told_only_if_it_is_used(
    install: Callable[[str, str, str], None],
    parse: Parse,
    capsys: pytest.CaptureFixture[str],
    source: str,
    points: str,
) -> None:
    module = f"broken_{abs(hash(source))}"
    install(module, source, points.replace("broken_{}", module))
    assert parse().experiment.plugins == ()
    with pytest.raises(ConfigError) as raised:
        parse(methods="absent")
    (problem,) = raised.value.problems
    assert problem.startswith("experiment.methods[0]: ")
    assert f"{module} 1.5" in problem
    assert main(["list", "methods"]) == 0
    assert f"{module} 1.5" in capsys.readouterr().err


def test_an_installed_one_replaces_nothing_of_ours(install: Callable[[str, str, str], None], parse: Parse) -> None:
    install("greedy_one", CHANGED.format("title"), "[aca_ray.methods]\ndarts = greedy_one\n")
    assert parse(methods="darts").experiment.plugins == ()
    assert not active()
