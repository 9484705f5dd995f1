"""check-plugin: the contract of what a plug-in adds."""

from __future__ import annotations

import argparse

from aca_ray.cli.checking import use_one_thread
from aca_ray.cli.codes import FAILED
from aca_ray.cli.options import Verbs


def add_check_plugin(verbs: Verbs) -> None:
    """Add the verb."""
    check = verbs.add_parser(
        "check-plugin", help="test what a plug-in adds (methods, rankers, ...) on tiny images; runs its code"
    )
    check.add_argument("plugin", metavar="FILE|MODULE", help="Python file (NAME.py), or dotted name of a module")
    check.set_defaults(verb=_check_plugin)


def _check_plugin(options: argparse.Namespace) -> int:
    from aca_ray.contract import plugin_outcomes

    use_one_thread()
    failed = 0
    for outcome in plugin_outcomes(options.plugin):
        state = "ok" if outcome.problem is None else "failed"
        reason = "" if outcome.problem is None else f": {' '.join(outcome.problem.split())}"
        print(f"{state:8}{outcome.subject}: {outcome.title}{reason}", flush=True)
        failed += outcome.problem is not None
    print(f"{failed} checks failed" if failed else "no problems found")
    return FAILED if failed else 0
