"""export --all: every finished network of a sweep."""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

from aca_ray.cli.codes import FAILED
from aca_ray.cli.places import relative
from aca_ray.errors import ConfigError
from aca_ray.terminal import say


def export_all(options: argparse.Namespace) -> int:
    """Carry out `export --all` and return the exit code, that of a failure if any network failed."""
    from aca_ray import api
    from aca_ray.sweep.exporting_all import INDEX

    given = [f"--{name}" for name in ("mlflow", "register", "protocol", "data") if getattr(options, name)]
    if options.network is not None:
        given.insert(0, options.network)
    if given:
        raise ConfigError(f"{', '.join(given)}: does not apply to --all, which exports a sweep as it is; leave it out")
    sweep = api.find(options.all, options.storage)
    out = options.out or Path("exports", sweep.spec.name)
    done = []
    for network in api.export_all(options.all, format=options.format or "python", out=out, storage=options.storage):
        done.append(network)
        accuracy = "" if network.test_accuracy is None else f"  {100 * network.test_accuracy:.2f} %"
        say(f"{network.outcome:9}  {network.name}{accuracy}")
    progress, _ = api.status(options.all, storage=options.storage)
    if unfinished := sum(line.state != "finished" for line in progress.lines):
        say(f"{unfinished} trials of the sweep are not finished; their networks are not exported")
    counts = Counter(network.outcome for network in done)
    words = ", ".join(f"{counts[name]} {name}" for name in ("written", "unchanged", "failed") if counts[name])
    where = f"; index: {relative(out / INDEX)}" if counts["written"] or counts["unchanged"] else ""
    say(f"{len(done)} networks{': ' if words else ''}{words}{where}")
    for network in done:
        if network.error is not None:
            say(f"{network.name}: {network.error}", error=True)
    return FAILED if counts["failed"] else 0
