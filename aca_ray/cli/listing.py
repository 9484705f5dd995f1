"""list: the names that a spec can use, the sweeps, the trials of a sweep."""

from __future__ import annotations

import argparse
import json
import sys

from aca_ray.cli.options import Verbs, json_options, storage_options
from aca_ray.cli.status import show_sweeps, tell, trials_json
from aca_ray.columns import in_columns
from aca_ray.errors import ConfigError

LISTED = ("methods", "spaces", "data", "rankers", "rules", "controls", "protocols", "sweeps", "trials")


def add_list(verbs: Verbs) -> None:
    """Add the verb."""
    listing = verbs.add_parser(
        "list",
        parents=[storage_options(), json_options("one JSON object with the whole table")],
        help="list the names that a spec can use, the sweeps, or the trials of a sweep",
    )
    listing.add_argument("kind", metavar="KIND", choices=LISTED, help=f"one of {', '.join(LISTED)}")
    listing.add_argument("name", metavar="SWEEP", nargs="?", help="for trials: name of a sweep, or its folder")
    listing.set_defaults(verb=_list)


def _list(options: argparse.Namespace) -> int:
    if options.kind == "trials":
        return _list_trials(options)
    if options.name is not None:
        raise ConfigError(f"SWEEP: applies to trials only, found {options.name} after {options.kind}; leave it out")
    if options.kind == "sweeps":
        return show_sweeps(options.storage, as_json=options.json)
    from aca_ray.catalog import CATALOGS
    from aca_ray.plugins import installed_plugins

    _, problems = installed_plugins()
    catalog = CATALOGS[options.kind]()
    if options.json:
        print(json.dumps({options.kind: catalog.objects, "note": catalog.note}, indent=1))
    else:
        print("\n".join(in_columns(catalog.brief)))
    for problem in problems.values():
        print(problem, file=sys.stderr)
    return 0


def _list_trials(options: argparse.Namespace) -> int:
    from aca_ray import api
    from aca_ray.display import progress_lines

    if options.name is None:
        raise ConfigError("SWEEP: is required to list trials; `aca-ray list sweeps` shows the names")
    progress, _ = api.status(options.name, storage=options.storage)
    if options.json:
        print(json.dumps({"trials": trials_json(progress)}, indent=1, allow_nan=False))
    else:
        print("\n".join(progress_lines(progress.lines)))
    return tell(progress.problems)
