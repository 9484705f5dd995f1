"""diff: what differs between two trials or genotypes."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from aca_ray.cli.options import Verbs, json_options, storage_options
from aca_ray.columns import in_columns

if TYPE_CHECKING:
    from aca_ray.sweep.differences import Differences

_MOST = 40  # characters of a value


def add_diff(verbs: Verbs) -> None:
    """Add the verb."""
    diff = verbs.add_parser(
        "diff",
        parents=[storage_options(), json_options("one JSON object: the values of both sides that differ, by section")],
        help="show what differs between two trials or genotypes; the exit code is 0 whether they differ or not",
    )
    for dest in ("a", "b"):
        diff.add_argument(
            dest,
            metavar="TRIAL|GENOTYPE",
            help="trial: first digits of its fingerprint, alone or as SWEEP/DIGITS, or its folder; or a genotype, as "
            "in show",
        )
    diff.set_defaults(verb=_diff)


def _diff(options: argparse.Namespace) -> int:
    from aca_ray.sweep.differences import differences

    found = differences(options.a, options.b, options.storage)
    if options.json:
        value = {
            "a": found.a.title,
            "b": found.b.title,
            "same": not found.sections,
            "differences": {name: dict(values) for name, values in found.sections.items()},
            "equal": found.equal,
            "not_compared": found.one_sided,
        }
        print(json.dumps(value, indent=1, allow_nan=False))
    else:
        print("\n".join(_lines(found)))
    return 0


def _lines(found: Differences) -> Iterator[str]:
    yield f"A  {found.a.title}"
    yield f"B  {found.b.title}"
    rows = [("", "A", "B")]
    for section, values in found.sections.items():
        rows.append((section, "", ""))
        rows += [(f"  {name}", _shown(section, a), _shown(section, b)) for name, (a, b) in values.items()]
    if found.sections:
        yield from in_columns(rows)
    else:
        yield "nothing differs"
    if found.equal:
        yield f"equal: {', '.join(found.equal)}"
    if found.one_sided:
        yield f"not compared, since only one side has them: {', '.join(found.one_sided)}"
    if any(None not in pair for name, pair in found.sections.get("accuracy", {}).items() if name.startswith("test")):
        yield "one network on each side: whether methods differ is a question to `aca-ray compare`, over seeds"


def _shown(section: str, value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{100 * value:.2f} %" if section in ("accuracy", "plan") else f"{value:.6g}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}" if section == "cost" else str(value)
    text = " ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= _MOST else f"{text[: _MOST - 3]}..."
