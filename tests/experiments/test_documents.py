"""The documents are true: generated pages are current, links lead somewhere, examples are accepted."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from aca_ray.catalog import CATALOGS
from aca_ray.channels import CONTROLS, RANKERS, RULES
from aca_ray.cli import build_parser
from aca_ray.config import load_spec, search_trials
from aca_ray.data import SOURCES
from aca_ray.methods.registry import methods
from aca_ray.reference import NOTICE, pages
from aca_ray.retraining import PROTOCOLS
from aca_ray.space import SPACES
from aca_ray.sweep.vocabulary import vocabulary

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = [
    path
    for folder in (ROOT, ROOT / "experiments", ROOT / "deploy")
    for path in (folder.glob("*.md") if folder == ROOT else folder.rglob("*.md"))
]
REGISTRIES = {
    "methods": methods(),
    "spaces": SPACES,
    "data": SOURCES,
    "rankers": RANKERS,
    "rules": RULES,
    "controls": CONTROLS,
    "protocols": PROTOCOLS,
}


@pytest.mark.parametrize("name", pages())
def test_generated_pages_are_current(name: str) -> None:
    found = (ROOT / "experiments" / "reference" / name).read_text(encoding="utf-8")
    assert found == pages()[name], f"to write it again: {NOTICE}"


@pytest.mark.parametrize("kind", CATALOGS)
def test_catalogs_list_the_registries(kind: str) -> None:
    catalog = CATALOGS[kind]()
    assert [row[0].split()[0] for row in catalog.rows] == list(REGISTRIES[kind])
    assert {len(row) for row in catalog.rows} == {len(catalog.header)}
    assert all(cell for row in catalog.rows for cell in row)


def test_every_key_of_a_spec_has_a_meaning() -> None:
    rows = [line.split(" | ") for line in pages()["spec.md"].splitlines() if line.startswith("| `")]
    assert [row[0] for row in rows if len(row[-1]) < 10] == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_to_files(path: Path) -> None:
    links = re.findall(r"\]\((?!https?://|#)([^)#]+)", path.read_text(encoding="utf-8"))
    assert [link for link in links if not (path.parent / link).exists()] == []


def test_the_spec_of_the_readme_is_accepted(tmp_path: Path) -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    path = tmp_path / "spec.yaml"
    path.write_text(text, encoding="utf-8")
    assert len(search_trials(load_spec(path, vocabulary(tmp_path)).experiment)) == 48


@pytest.mark.parametrize("command", re.findall(r"(?m)(?:^    .*?|`)(aca-ray [a-z]+ [^`&|\n]*)", README))
def test_commands_of_the_readme_are_accepted(command: str) -> None:
    words = shlex.split(command.replace("...", "").replace("[", "").replace("]", ""))
    build_parser().parse_args(["methods" if word == "KIND" else word for word in words[1:]])
