"""What the README's tables list is what there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from aca_ray.channels import CONTROLS, RANKERS, RULES
from aca_ray.data import SOURCES
from aca_ray.evaluation import PROTOCOLS
from aca_ray.methods.registry import methods
from aca_ray.space import SPACES

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def table_below(header: str) -> list[str]:
    """Return the rows of the table whose header begins like this."""
    lines = README[README.index(header) :].splitlines()[2:]
    return lines[: next(index for index, line in enumerate(lines) if not line.startswith("|"))]


@pytest.mark.parametrize(
    ("header", "registry"),
    [
        ("| method | paper", methods()),
        ("| space | source", SPACES),
        ("| protocol | network", PROTOCOLS),
        ("| ranker |", RANKERS),
        ("| allocation rule |", RULES),
        ("| control |", CONTROLS),
    ],
)
def test_tables_list_the_registries(header: str, registry: dict[str, object]) -> None:
    names = [name for row in table_below(header) for name in re.findall(r"`(\w+)`", row.split("|")[1])]
    assert sorted(names) == sorted(registry)


def test_methods_are_described_as_they_describe_themselves() -> None:
    rows = {
        re.findall(r"`(\w+)`", row)[0]: [cell.strip() for cell in row.split("|")] for row in table_below("| method")
    }
    for name, method in methods().items():
        assert rows[name][3:5] == [method.changes, method.differs or "nothing"]
        for author in re.findall(r"[A-Z]\w+(?= et al\.| & )", rows[name][2]):
            assert author in method.source


def test_data_sets_are_named() -> None:
    assert all(f"`{name}`" in README for name in SOURCES)
