"""The templates of the page."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup

_FOLDER = Path(__file__).parent


def render(name: str, **values: Any) -> str:
    """Return the text of a template, which also knows the style and the script of the page."""
    files = {
        part: Markup((_FOLDER / file).read_text(encoding="utf-8"))
        for part, file in {"style": "page.css", "script": "page.js"}.items()
    }
    return _environment().get_template(name).render(**values, **files, Markup=Markup)


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
