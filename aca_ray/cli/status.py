"""status: the progress of a sweep, or all sweeps; without Ray."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from aca_ray.cli.codes import BAD_INPUT, INTERRUPTED
from aca_ray.cli.options import SWEEP_HELP, Verbs, json_options, storage_options
from aca_ray.errors import AcaRayError, ConfigError
from aca_ray.storage import StoragePath
from aca_ray.terminal import say

if TYPE_CHECKING:
    from aca_ray.display import Progress


def add_status(verbs: Verbs) -> None:
    """Add the verb."""
    status = verbs.add_parser(
        "status",
        parents=[storage_options(), json_options("one JSON object: the sweep with its trials, or all sweeps")],
        help="show the progress of a sweep, or list all sweeps",
    )
    status.add_argument("name", metavar="NAME", nargs="?", help=SWEEP_HELP)
    status.add_argument(
        "--watch",
        action="store_true",
        help="show the trials until the sweep ends, as run does; Ctrl-C stops watching, not the sweep",
    )
    status.set_defaults(verb=_status)


def _status(options: argparse.Namespace) -> int:
    if options.name is None:
        if options.watch:
            raise ConfigError("--watch: needs the NAME of a sweep; `aca-ray status` lists them")
        return show_sweeps(options.storage, as_json=options.json)
    if options.watch:
        try:
            _watch(options)
        except KeyboardInterrupt:
            say("no longer watching; the sweep continues", error=True)
            return INTERRUPTED
    if options.json:
        return _show_json(options.name, options.storage, ends_events=options.watch)
    return _show(options.name, options.storage, with_trials=not options.watch)


def _watch(options: argparse.Namespace) -> None:
    """Show a sweep until no process drives it."""
    from aca_ray import api
    from aca_ray.display import EventView, LiveView

    in_place = sys.stdout.isatty()
    view = EventView(sys.stdout) if options.json else LiveView(sys.stdout, in_place=in_place)
    if not api.watch(options.name, view, storage=options.storage):
        say("no process runs the sweep", error=True)


def _show(name: str, storage: StoragePath, *, with_trials: bool) -> int:
    from aca_ray import api
    from aca_ray.display import progress_lines

    progress, driven = api.status(name, storage=storage)
    if with_trials:
        print("\n".join(progress_lines(progress.lines)))
    if (checkpoints := progress.checkpoints()) is not None:
        print(checkpoints)
    print(f"{progress.summary()}; {_driven(driven)}")
    if len(versions := api.find(name, storage).versions) > 1:
        dates = (f"{datetime.fromtimestamp(version.written_ms / 1000):%Y-%m-%d %H:%M}" for version in versions)
        print(f"{len(versions)} versions of the spec: {', '.join(dates)}")
    return tell(progress.problems)


def _show_json(name: str, storage: StoragePath, *, ends_events: bool) -> int:
    from aca_ray import api

    sweep = api.find(name, storage)
    progress, driven = api.status(name, storage=storage)
    value = {
        **({"event": "summary"} if ends_events else {}),
        **_sweep_json(sweep.spec.name, sweep.folder.path, progress, driven),
        "report": str(sweep.folder.report) if sweep.folder.report.is_file() else None,
        "spec_written_ms": [version.written_ms for version in sweep.versions],
        **({} if ends_events else {"trials": trials_json(progress)}),
    }
    print(json.dumps(value, indent=None if ends_events else 1, allow_nan=False))
    return tell(progress.problems)


def show_sweeps(storage: StoragePath, *, as_json: bool) -> int:
    """Print a line per sweep, or all of them as JSON."""
    from aca_ray.sweep.manifest import sweep_names

    names = sweep_names(storage)
    problems: list[str] = []
    found = list(_read_sweeps(names, storage, problems))
    if as_json:
        sweeps = [_sweep_json(name, storage / name, progress, driven) for name, progress, driven in found]
        print(json.dumps({"storage": str(storage), "sweeps": sweeps}, indent=1, allow_nan=False))
        return tell(problems)
    for name, progress, driven in found:
        print(f"{name}: {progress.summary()}; {_driven(driven)}")
    if not names:
        print(f"no sweeps in {storage}")
    return tell(problems)


def _read_sweeps(
    names: Sequence[str], storage: StoragePath, problems: list[str]
) -> Iterator[tuple[str, Progress, bool]]:
    """Yield name, progress, and whether it runs, of every sweep that can be read; add the problems of the others."""
    from aca_ray import api

    for name in names:
        try:
            progress, driven = api.status(name, storage=storage)
        except AcaRayError as error:  # the other sweeps can be shown
            problems.append(str(error))
        else:
            problems += progress.problems
            yield name, progress, driven


def _sweep_json(name: str, folder: StoragePath, progress: Progress, driven: bool) -> dict[str, Any]:
    """Return a sweep: whether a process runs it, and its number of trials by state."""
    counts = Counter(line.state for line in progress.lines)
    return {"sweep": name, "folder": str(folder.resolve()), "running": driven, "counts": dict(sorted(counts.items()))}


def trials_json(progress: Progress) -> list[dict[str, Any]]:
    """Return the trials with the keys of the events of a run."""
    from aca_ray.display import trial_json

    return [trial_json(line) for line in progress.lines]


def tell(problems: Sequence[str]) -> int:
    """Print the problems of a sweep's files and return the exit code."""
    for problem in problems:
        print(problem, file=sys.stderr)
    return BAD_INPUT if problems else 0


def _driven(driven: bool) -> str:
    return "running" if driven else "not running"
