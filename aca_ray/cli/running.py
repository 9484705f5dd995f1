"""run and resume: drive a sweep and say how it ended."""

from __future__ import annotations

import argparse
import logging
import shlex
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from aca_ray.cli.checking import CHECKING, use_one_thread
from aca_ray.cli.codes import FAILED, INTERRUPTED
from aca_ray.cli.idle_gpus import idle_gpus
from aca_ray.cli.options import SWEEP_HELP, Verbs, open_options, process_options, storage_options
from aca_ray.cli.places import linked, open_page, relative
from aca_ray.terminal import say, told_when_slow

if TYPE_CHECKING:
    from aca_ray.display import EventView, View
    from aca_ray.driver.run import SweepOutcome
    from aca_ray.sweep.manifest import Sweep


def add_run(verbs: Verbs) -> None:
    """Add the verb."""
    run = verbs.add_parser(
        "run",
        parents=[process_options(), _output_options(), open_options()],
        help="run everything in a sweep spec that is not done yet",
    )
    run.add_argument("spec", metavar="SPEC", help="sweep spec (YAML)")
    run.set_defaults(verb=_run)


def add_resume(verbs: Verbs) -> None:
    """Add the verb."""
    resume = verbs.add_parser(
        "resume",
        parents=[storage_options(), process_options(), _output_options(), open_options()],
        help="resume an unfinished sweep",
    )
    resume.add_argument("name", metavar="NAME", help=SWEEP_HELP)
    resume.set_defaults(verb=_resume)


def _output_options() -> argparse.ArgumentParser:
    parent = argparse.ArgumentParser(add_help=False)
    how = parent.add_mutually_exclusive_group()
    events = "a JSON object per event and a summary at the end, one a line (keys: docstring of aca_ray.display.events)"
    how.add_argument("--json", action="store_true", help=f"print {events}; messages go to standard error")
    how.add_argument("--quiet", action="store_true", help="print only the closing lines and errors")
    how.add_argument(
        "--verbose",
        action="store_true",
        help="print lines instead of a table, and the driver's messages and tracebacks to standard error",
    )
    return parent


def _run(options: argparse.Namespace) -> int:
    from aca_ray import api

    use_one_thread()
    with told_when_slow(CHECKING):
        sweep = api.create(options.spec)
    return _drive(sweep, options)


def _resume(options: argparse.Namespace) -> int:
    from aca_ray import api

    return _drive(api.reopen(options.name, options.storage), options)


def _drive(sweep: Sweep, options: argparse.Namespace) -> int:
    """Drive a sweep, print how it ended, and return the exit code."""
    from aca_ray import api
    from aca_ray.display import EventView

    view = _view(options)
    view.say(f"report: {linked(sweep.folder.report)}; it shows the progress while the sweep runs")
    if idle := idle_gpus(sweep.spec.runtime, options.address, local=options.local):
        view.say(idle)
    with _logging(options):
        outcome = api.drive(sweep, options.address, local=options.local, view=view)
    if isinstance(view, EventView):
        _end_events(sweep, outcome, view)
    code = _close(sweep, outcome, options, view)
    if options.open:
        open_page(sweep.folder.report)
    return code


def _view(options: argparse.Namespace) -> View:
    from aca_ray.display import EventView, LiveView, QuietView

    if options.json:
        return EventView(sys.stdout, lambda line: say(line, error=True))
    if options.quiet:
        return QuietView()
    return LiveView(sys.stdout, in_place=sys.stdout.isatty() and not options.verbose)


def _end_events(sweep: Sweep, outcome: SweepOutcome, view: EventView) -> None:
    """Print the last event."""
    from aca_ray.report.as_json import findings_of

    counts = Counter(line.state for line in view.progress.lines)
    state = "interrupted" if outcome.interrupted else "failed" if outcome.failures else "finished"
    view.write(
        "summary",
        {
            "sweep": sweep.spec.name,
            "state": state,
            "folder": str(sweep.folder.path),
            "report": None if outcome.comparison is None else str(sweep.folder.report),
            "counts": dict(sorted(counts.items())),
            "findings": [] if outcome.comparison is None else findings_of(outcome.comparison),
            "failures": list(outcome.failures),
            "tracked": outcome.tracked,
        },
    )


def _close(sweep: Sweep, outcome: SweepOutcome, options: argparse.Namespace, view: View) -> int:
    """Print the closing lines, to standard error if standard output is for programs; return the exit code."""
    from aca_ray.report.terminal import to_text

    folder, tracking = sweep.folder.path, sweep.spec.runtime.tracking
    name, storage = folder.name, relative(folder.parent)
    option = "" if str(storage) == "results" else f" --storage {shlex.quote(str(storage))}"
    place = " --local" if options.local else f" --address {options.address}" if options.address else ""
    again = f"aca-ray resume {name}{option}{place}"
    if outcome.comparison is not None and not options.json:
        say(to_text(outcome.comparison))
    for failure in outcome.failures:
        say(failure, error=True)
    if options.verbose:
        for problem in _tracebacks(sweep):
            say(problem, error=True)
    say(f"files: {relative(folder)} (report, tables and plots in comparison/)", error=options.json)
    if outcome.comparison is not None:
        say(f"report: {linked(sweep.folder.report)}", error=options.json)
    if not outcome.tracked:
        say(f"some results are not in MLflow yet; to log the rest: {again}", error=True)
    if outcome.interrupted:
        say(f"interrupted; finished work is kept. To continue: {again}", error=options.json)
        return INTERRUPTED
    say(f"MLflow: {tracking or f'aca-ray ui{option}'}", error=options.json)
    if outcome.failures:
        say(f"to retry what failed: {again}", error=options.json)
        return FAILED
    return 0


def _tracebacks(sweep: Sweep) -> Iterator[str]:
    """Yield the tracebacks of the trials that failed."""
    from aca_ray.records import TrialRecord
    from aca_ray.sweep.orders import all_orders

    for order in all_orders(sweep):
        record = TrialRecord.read(order.folder)
        if record is not None and record.state == "failed" and record.error:
            yield f"{record.kind} {order.trial.short}:\n{record.error.rstrip()}"


@contextmanager
def _logging(options: argparse.Namespace) -> Iterator[None]:
    """Print the package's warnings, or also its messages with their times (--verbose), or only errors (--quiet)."""
    package = logging.getLogger("aca_ray")
    handler = _ToUser()
    handler.setLevel(logging.INFO if options.verbose else logging.ERROR if options.quiet else logging.WARNING)
    if options.verbose:
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    before = package.level, package.propagate
    package.addHandler(handler)
    package.setLevel(logging.INFO)  # for the log in the sweep's folder
    package.propagate = False  # libraries may give the root logger a handler
    try:
        yield
    finally:
        package.removeHandler(handler)
        package.level, package.propagate = before


class _ToUser(logging.Handler):
    """Prints to standard error."""

    def emit(self, record: logging.LogRecord) -> None:
        say(self.format(record), error=True)
