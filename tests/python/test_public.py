"""The public names: all there, known to editors and type checkers, and loaded on first use."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import aca_ray

PACKAGE = Path(aca_ray.__file__).parent


def imported_for_type_checkers() -> set[str]:
    """Return the names that the package imports under TYPE_CHECKING."""
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    return {alias.name for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}


@pytest.mark.parametrize("name", aca_ray.__all__)
def test_every_public_name_is_there_and_documented(name: str) -> None:
    value = getattr(aca_ray, name)
    assert name == "__version__" or len(value.__doc__) > 20
    assert name in dir(aca_ray)


def test_type_checkers_see_the_same_names() -> None:
    assert imported_for_type_checkers() | {"__version__"} == set(aca_ray.__all__)
    assert (PACKAGE / "py.typed").is_file()


def test_unknown_names_are_no_attributes() -> None:
    assert not hasattr(aca_ray, "rum")


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        ("import aca_ray", {"torch", "ray", "mlflow", "pandas", "pydantic", "numpy"}),
        ("import aca_ray; aca_ray.SweepSpec, aca_ray.Genotype", {"torch", "ray", "mlflow", "pandas"}),
        ("import aca_ray; aca_ray.Result, aca_ray.load, aca_ray.run", {"torch", "ray", "mlflow", "pandas"}),
    ],
)
def test_nothing_heavy_is_loaded_before_it_is_needed(code: str, absent: set[str]) -> None:
    code += "; import json, sys; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stdout))
    assert "aca_ray" in loaded
    assert not loaded & absent
