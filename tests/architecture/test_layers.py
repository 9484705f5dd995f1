"""The layers of the package, checked by its import statements, including those inside functions."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import aca_ray
from aca_ray.channels import RANKERS
from aca_ray.methods.registry import methods

ROOT = Path(aca_ray.__file__).parent

# The packages and top-level modules of this project that each one may import besides itself, lowest layer first.
# Extending a row is an architectural decision.
MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "transfer": set(),
    "columns": set(),
    "terminal": set(),
    "tracking_uris": set(),
    "space": {"errors"},
    "storage": {"errors"},
    "records": {"errors", "space", "storage"},
    "config": {"errors", "tracking_uris", "space"},
    "nn": {"errors", "space"},
    "data": {"errors", "transfer"},
    "training": {"errors"},
    "packing": {"nn", "training"},
    "methods": {"errors", "transfer", "space", "nn", "training"},
    "search": {"errors", "space", "nn", "data", "training", "methods"},
    "channels": {"errors", "space", "storage", "nn", "data"},
    "benchmark": {"errors", "space"},
    "retraining": {"errors", "space", "storage", "nn", "data", "training"},
    "exports": {"errors", "space", "storage", "nn", "data", "retraining"},
    "plugins": {"errors", "space", "storage", "data", "methods", "channels", "retraining"},
    "contract": {
        "errors",
        "space",
        "nn",
        "data",
        "training",
        "methods",
        "search",
        "channels",
        "retraining",
        "plugins",
    },
    "catalog": {"space", "data", "methods", "channels", "retraining"},
    "comparison": {"errors", "space", "storage", "records"},
    "report": {"errors", "columns", "space", "storage", "comparison"},
    "trials": {
        "errors",
        "space",
        "storage",
        "records",
        "config",
        "nn",
        "packing",
        "data",
        "training",
        "methods",
        "search",
        "channels",
        "benchmark",
        "retraining",
        "report",
        "plugins",
    },
    "sweep": {
        "errors",
        "space",
        "storage",
        "records",
        "config",
        "nn",
        "packing",
        "data",
        "training",
        "methods",
        "channels",
        "benchmark",
        "retraining",
        "exports",
        "comparison",
        "report",
        "trials",
        "plugins",
    },
    "tracking": {"errors", "tracking_uris", "storage", "records"},
    "display": {"errors", "columns", "terminal", "storage", "records", "config", "trials", "sweep"},
    "driver": {
        "errors",
        "storage",
        "records",
        "config",
        "packing",
        "training",
        "comparison",
        "report",
        "trials",
        "sweep",
        "display",
        "plugins",
    },
    "cluster": {
        "errors",
        "terminal",
        "storage",
        "config",
        "training",
        "plugins",
        "trials",
        "sweep",
        "tracking",
        "driver",
    },
    "building": {"errors", "space", "nn", "plugins", "retraining", "trials"},
    "frames": {"errors", "space", "storage", "records", "comparison", "report", "trials"},
    "result": {
        "errors",
        "space",
        "storage",
        "records",
        "config",
        "comparison",
        "report",
        "sweep",
        "display",
        "driver",
        "frames",
    },
    "api": {
        "errors",
        "space",
        "storage",
        "records",
        "config",
        "exports",
        "comparison",
        "report",
        "trials",
        "sweep",
        "tracking",
        "display",
        "driver",
        "cluster",
        "nn",
        "building",
        "result",
    },
    "arguments": {"errors", "config"},
    "cli": {
        "errors",
        "arguments",
        "columns",
        "catalog",
        "terminal",
        "storage",
        "records",
        "config",
        "comparison",
        "report",
        "trials",
        "sweep",
        "tracking",
        "display",
        "driver",
        "cluster",
        "api",
        "plugins",
        "contract",
    },
    "reference": {"config", "retraining", "catalog", "cli"},
    "__init__": {"errors", "space", "config", "nn", "result", "api"},
}
ONLY_IN = {"ray": {"cluster"}, "mlflow": {"tracking"}}
WITHOUT_TORCH = {
    "errors",
    "space",
    "config",
    "comparison",
    "report",
    "tracking",
    "display",
    "frames",
    "api",
    "__init__",
}


def files() -> list[Path]:
    return sorted(ROOT.rglob("*.py"))


def package_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (line, dotted name) of every import in a file.

    `from a import b` yields a.b; `import aca_ray` yields the attributes of aca_ray that the file uses.
    """
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names if alias.name != "aca_ray")
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute"
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "aca_ray":
            yield node.lineno, f"aca_ray.{node.attr}"


def of_this_project(name: str) -> bool:
    """Whether a dotted name is in a package of this project; dunder names of aca_ray itself are in none."""
    return name.startswith("aca_ray.") and not name.split(".")[1].startswith("__")


def place(path: Path, line: int) -> str:
    return f"{path.relative_to(ROOT.parent)}:{line}"


def test_the_table_is_ordered_by_layer() -> None:
    built: set[str] = set()
    for package, allowed in MAY_IMPORT.items():
        assert allowed <= built, f"{package} would import from its own layer or above: {sorted(allowed - built)}"
        built.add(package)
    assert built == {package_of(path) for path in files()}
    assert {package for package, allowed in MAY_IMPORT.items() if "config" in allowed} == {
        "trials",
        "sweep",
        "display",
        "driver",
        "cluster",
        "result",
        "api",
        "arguments",
        "cli",
        "reference",
        "__init__",
    }


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_imports_go_down(package: str) -> None:
    found = {
        f"{place(path, line)} imports {name}"
        for path in files()
        if package_of(path) == package
        for line, name in imports(path)
        if of_this_project(name) and name.split(".")[1] not in MAY_IMPORT[package] | {package}
    }
    assert not found


@pytest.mark.parametrize("library", ONLY_IN)
def test_where_libraries_are_imported(library: str) -> None:
    importers = {package_of(path) for path in files() for _, name in imports(path) if name.split(".")[0] == library}
    assert importers == ONLY_IN[library]


def test_where_torch_is_not_imported() -> None:
    found = {
        place(path, line)
        for path in files()
        if package_of(path) in WITHOUT_TORCH
        for line, name in imports(path)
        if name.split(".")[0] in {"torch", "torchvision"}
    }
    assert not found


def loaded_by(*modules: str) -> set[str]:
    """Return the top-level names in sys.modules of a new process that imported some modules."""
    code = "; ".join(
        [*(f"import {module}" for module in modules), "import json, sys", "print(json.dumps(sorted(sys.modules)))"]
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return {name.split(".")[0] for name in json.loads(done.stdout)}


def test_light_imports_load_nothing_heavy() -> None:
    loaded = loaded_by("aca_ray", "aca_ray.space", "aca_ray.config", "aca_ray.cli")
    assert "aca_ray" in loaded
    assert not loaded & {"torch", "ray", "mlflow", "pandas"}


def test_the_algorithms_need_only_torch_and_numpy() -> None:
    loaded = loaded_by(
        "aca_ray.search.search", "aca_ray.methods.registry", "aca_ray.channels", "aca_ray.retraining", "aca_ray.data"
    )
    assert "torch" in loaded
    barred = {"ray", "mlflow", "pyarrow", "sklearn", "scipy", "matplotlib", "pandas", "pydantic", "pydantic_core"}
    assert not loaded & barred


def test_methods_do_not_know_of_channel_allocation() -> None:
    found = {
        f"{place(path, number)}: {line.strip()}"
        for path in (ROOT / "methods").rglob("*.py")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if re.search(r"allocat|channel_?plan|aca_ray\.channels|without_skip", line, re.IGNORECASE)
    }
    assert not found


def test_channel_allocation_does_not_know_of_methods() -> None:
    own = methods().keys() - RANKERS.keys()  # one paper may give a method and a ranker its name
    names = re.compile(rf"\b({'|'.join(map(re.escape, own))})\b|aca_ray\.methods|aca_ray\.search")
    found = {
        f"{place(path, number)}: {line.strip()}"
        for path in (ROOT / "channels").rglob("*.py")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if names.search(line)
    }
    assert not found


def test_the_loop_never_reads_a_methods_name() -> None:
    found = {
        place(path, node.lineno)
        for path in [*(ROOT / "search").rglob("*.py"), *(ROOT / "methods" / "parts").rglob("*.py")]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in {"name", "title"} and "method" in ast.unparse(node.value)
    }
    assert not found
