"""compare: the report of one or several sweeps."""

from __future__ import annotations

import argparse
import json

from aca_ray.cli.options import SWEEP_HELP, Verbs, json_options, open_options, storage_options
from aca_ray.cli.places import linked, open_page, relative
from aca_ray.storage import storage_path

# Those of aca_ray.comparison.by_column, which is too heavy for --help.
COLUMNS = ("method", "skip", "space", "data", "setting", "protocol", "epochs", "ranking", "allocation", "control")


def add_compare(verbs: Verbs) -> None:
    """Add the verb."""
    compare = verbs.add_parser(
        "compare",
        parents=[
            storage_options(),
            json_options("one JSON object: findings, groups, and differences with n, interval, p-values, effect size"),
            open_options(),
        ],
        help="compare the results of sweeps so far",
    )
    compare.add_argument("names", metavar="NAME", nargs="+", help=SWEEP_HELP)
    compare.add_argument(
        "--by",
        metavar="COLUMN",
        choices=COLUMNS,
        help="compare the values of a column with each other, all else being equal; sweeps may then differ in it",
    )
    compare.add_argument("--out", type=storage_path, help="folder of report, tables, plots (default: in the results)")
    compare.set_defaults(verb=_compare)


def _compare(options: argparse.Namespace) -> int:
    from aca_ray import api
    from aca_ray.comparison import compare_by
    from aca_ray.records.layout import report_page
    from aca_ray.report.as_json import by_column_json, comparison_json
    from aca_ray.report.by_column import by_column_text
    from aca_ray.report.terminal import to_text

    comparison, folder = api.compare(options.names, storage=options.storage, out=options.out, by=options.by)
    by_column = None if options.by is None else compare_by(comparison, options.by)
    page = report_page(folder)
    if options.json:
        value = {"report": str(page.resolve()), **comparison_json(comparison)}
        if by_column is not None:
            value |= by_column_json(by_column)
        print(json.dumps(value, indent=1, allow_nan=False))
    else:
        print(to_text(comparison) if by_column is None else by_column_text(by_column))
        print(f"files: {relative(folder)}")
        print(f"report: {linked(page)}")
    if options.open:
        open_page(page)
    return 0
