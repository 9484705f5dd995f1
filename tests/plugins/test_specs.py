"""Plug-ins that a spec lists: their names, their identity, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from aca_ray.config import SweepSpec
from aca_ray.config.load import spec_from_json
from aca_ray.errors import ConfigError
from aca_ray.methods import darts
from aca_ray.methods.registry import find_method, methods
from aca_ray.plugins.loaded import active
from aca_ray.plugins.source import module_sha256, sha256_of
from aca_ray.records import SweepFolder
from aca_ray.sweep.manifest import Sweep, experiment_fingerprint
from aca_ray.sweep.orders import all_orders

Parse = Callable[..., SweepSpec]


def orders_in(spec: SweepSpec) -> list:
    return all_orders(Sweep(spec, Path(), SweepFolder(Path()), ""))


def test_without_plugins_fingerprints_are_what_they_were(parse: Parse) -> None:
    changes = {"skip": "[searched, allocated]", "data": "{name: digits, max_train_images: 64, max_test_images: 32}"}
    changes |= {"epochs": "2", "allocation": "rounded", "controls": "random", "table": "nasbench201"}
    spec = parse(**changes, network="{}", batch_size="null", retraining="{protocol: small}")
    assert experiment_fingerprint(spec) == "471dd49482d3e5a1f27c7a4d948be8078b99df7008810e43bca0ffa8ed074f4a"
    assert {order.trial.short for order in orders_in(spec)} == {
        *("50d76bf113d6", "72b110e4f259", "0b20a986e1af", "9569060c98f9", "4c7082a3a837"),
        *("0e9a6604d8cc", "eba32e72919b", "1bcf352df9ae", "628403e12036", "b476089d322c"),
    }


def test_only_trials_that_use_a_plugin_name_it(parse: Parse, tempered: Path) -> None:
    spec = parse(plugins="tempered_darts.py", methods="[darts, tempered_darts, {name: tempered_darts, temperature: 3}]")
    expected = {"tempered_darts.py": sha256_of(tempered.read_bytes())}
    found = {order.trial.method: order.trial.plugins for order in orders_in(spec)}
    assert found == {"darts": {}, "tempered_darts": expected, "tempered_darts(temperature=3)": expected}
    assert all("plugins" not in order.trial.to_json() for order in orders_in(spec) if order.trial.method == "darts")


def test_every_kind_is_found_and_named_where_it_is_used(
    parse: Parse, tmp_path: Path, ranker: Path, protocol: Path
) -> None:
    (tmp_path / "others.py").write_text(
        "from dataclasses import replace\n"
        "from aca_ray.channels import CONTROLS, RULES\n"
        "from aca_ray.data import SOURCES\nfrom aca_ray.space import SPACES\n"
        "half = replace(RULES['sign'], name='half')\nother = replace(CONTROLS['random'], name='other')\n"
        "own_space = replace(SPACES['nasbench201'], name='own_space')\nown = replace(SOURCES['digits'], name='own')\n"
    )
    spec = parse(
        plugins="[ranks.py, protocols.py, others.py]",
        skip="allocated",
        spaces="own_space",
        data="{name: own, max_train_images: 32, max_test_images: 16}",
        ranking="first",
        allocation="half",
        controls="other",
        retraining="{protocol: {base: tiny, lr: 0.01}}",
    )
    assert {plugin.name: set(plugin.names) for plugin in spec.experiment.plugins} == {
        "ranks.py": {"ranker"},
        "protocols.py": {"protocol"},
        "others.py": {"rule", "control", "space", "data"},
    }
    search, *networks = (order.trial for order in orders_in(spec))
    assert set(search.plugins) == {"others.py"}
    assert {trial.allocation: set(trial.plugins) for trial in networks} == {
        "all": {"others.py", "protocols.py"},
        "half": {"others.py", "protocols.py", "ranks.py"},
    }


def test_a_changed_source_is_another_trial_and_replaces_the_old_one(parse: Parse, tempered: Path) -> None:
    def fingerprints() -> tuple[str, ...]:
        spec = parse(plugins="tempered_darts.py", methods="[darts, tempered_darts]")
        return experiment_fingerprint(spec), *sorted(order.trial.fingerprint for order in orders_in(spec))

    before = fingerprints()
    tempered.write_text(tempered.read_text().replace("an example", "a changed example"))
    after = fingerprints()
    assert before[0] != after[0]
    assert len(set(before[1:]) & set(after[1:])) == 2  # search and retraining of darts
    assert find_method("tempered_darts").source == "a changed example"


def test_a_listed_plugin_that_is_not_used_changes_no_identity(parse: Parse, tempered: Path) -> None:
    assert experiment_fingerprint(parse(plugins=tempered.name)) == experiment_fingerprint(parse())


def test_names_of_a_spec_are_unknown_to_the_next_one(parse: Parse, tempered: Path) -> None:
    parse(plugins=tempered.name, methods="tempered_darts")
    with pytest.raises(ConfigError, match="unknown method 'tempered_darts'"):
        parse(methods="tempered_darts")
    assert "tempered_darts" not in methods()


def test_names_that_exist_are_refused_and_nothing_is_replaced(parse: Parse, tmp_path: Path, tempered: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from dataclasses import replace\nfrom aca_ray.methods import darts\n"
        "METHOD = replace(darts.METHOD, title='mine')\n"
    )
    (tmp_path / "again.py").write_bytes(tempered.read_bytes())
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / tempered.name).write_bytes(tempered.read_bytes())
    with pytest.raises(ConfigError) as raised:
        parse(plugins=f"[mine.py, {tempered.name}, again.py, folder/{tempered.name}]", methods="[darts, dart]")
    places = {problem.partition(":")[0] for problem in raised.value.problems}
    assert places == {*(f"experiment.plugins[{index}]" for index in (0, 2, 3)), "experiment.methods[1]"}
    assert "'darts'" in str(raised.value)
    assert f"plug-in {tempered.name}" in str(raised.value)
    assert methods()["darts"] is darts.METHOD


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("METHOD = (", "SyntaxError"),
        ("import no_such_package", "line 1"),
        ("x = 1\nraise ValueError('too bad')", "line 2"),
        ("from aca_ray.retraining.protocols import CIFAR", "defines nothing"),
        (
            "import dataclasses as d\nfrom aca_ray.channels import RULES\nup = d.replace(RULES['all'], name='../up')",
            "'../up'",
        ),
    ],
)
def test_a_wrong_file_is_told_with_its_place(parse: Parse, tmp_path: Path, source: str, found: str) -> None:
    (tmp_path / "wrong.py").write_text(source)
    with pytest.raises(ConfigError) as raised:
        parse(plugins="wrong.py")
    (problem,) = raised.value.problems
    assert problem.startswith("experiment.plugins[0]: ")
    assert "wrong.py" in problem
    assert found in problem
    assert not active()


def test_a_module_is_identified_by_the_files_of_its_package(
    parse: Parse, tmp_path: Path, ranker: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "path" / "plugin_package_of_a_test"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "rank.py").write_bytes(ranker.read_bytes())
    monkeypatch.syspath_prepend(package.parent)
    (plugin,) = parse(plugins=f"[{package.name}.rank]").experiment.plugins
    assert plugin.names == {"ranker": ("first",)}
    before = module_sha256(plugin.name)
    module_sha256.cache_clear()
    (package / "helper.py").write_text("x = 1\n")
    assert plugin.sha256 == before != module_sha256(plugin.name)


def test_a_spec_reads_back_without_running_code(parse: Parse, tempered: Path) -> None:
    spec = parse(plugins=tempered.name, methods="tempered_darts")
    tempered.unlink()
    parse()
    read = spec_from_json(spec.model_dump(mode="json"))
    assert read == spec
    assert experiment_fingerprint(read) == experiment_fingerprint(spec)
    assert not active()
