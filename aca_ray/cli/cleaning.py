"""gc: deletes files of a sweep that are no longer needed."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING

from aca_ray.cli.options import SWEEP_HELP, Verbs, json_options, storage_options
from aca_ray.errors import ConfigError
from aca_ray.terminal import say

if TYPE_CHECKING:
    from aca_ray.sweep.garbage import Garbage

_CHOICES = {  # the classes of aca_ray.sweep.garbage, which is too heavy for --help
    "abandoned": "also checkpoints of unfinished trials that the newest spec no longer contains",
    "milestones": "also milestones of finished searches: other rankers and rules are then no longer possible",
    "weights": "also trained weights of finished retrainings: they can then no longer be exported",
}


def add_gc(verbs: Verbs) -> None:
    """Add the verb."""
    gc = verbs.add_parser(
        "gc",
        parents=[storage_options(), json_options("one JSON object: the classes of files, and what was deleted")],
        help="delete files of a sweep that are no longer needed; asks first",
    )
    gc.add_argument("name", metavar="SWEEP", help=SWEEP_HELP)
    for choice, about in _CHOICES.items():
        gc.add_argument(f"--{choice}", action="store_true", help=about)
    gc.add_argument("--dry-run", action="store_true", help="show what can be deleted, and delete nothing")
    gc.add_argument("--yes", action="store_true", help="do not ask; needed where standard input is no terminal")
    gc.set_defaults(verb=_gc)


def _gc(options: argparse.Namespace) -> int:
    from aca_ray import api
    from aca_ray.sweep.garbage import find_garbage, undriven

    sweep = api.find(options.name, options.storage)
    with undriven(sweep, read_only=options.dry_run):
        found = find_garbage(sweep)
        chosen = [one for one in found if one.name not in _CHOICES or getattr(options, one.name)]
        files, freed = sum(len(one.files) for one in chosen), sum(one.num_bytes for one in chosen)
        if not options.json:
            print("\n".join(line for one in found for line in _described(one, chosen=one in chosen)))
        deletes = files > 0 and not options.dry_run and _is_confirmed(options, files, freed)
        if deletes:
            for one in chosen:
                one.delete()
    if options.json:
        classes = [_as_json(one, chosen=one in chosen) for one in found]
        value = {"sweep": sweep.spec.name, "classes": classes, "deleted": deletes, "freed_bytes": freed * deletes}
        print(json.dumps(value, indent=1))
    elif deletes:
        print(f"deleted {_count(files)}, {_size(freed)} freed")
    else:
        print(f"nothing was deleted; {_size(freed)} in {_count(files)} can be freed with these options")
    return 0


def _is_confirmed(options: argparse.Namespace, files: int, freed: int) -> bool:
    if options.yes:
        return True
    if not sys.stdin.isatty():
        raise ConfigError(
            f"gc: can't ask without a terminal whether to delete {_count(files)}; give --yes or --dry-run"
        )
    say(f"delete {_count(files)} and free {_size(freed)}? [y/N] ", error=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _described(garbage: Garbage, *, chosen: bool) -> list[str]:
    option = "" if garbage.name not in _CHOICES else " (chosen)" if chosen else f" (kept; --{garbage.name} deletes)"
    return [
        f"{garbage.name}{option}: {_count(len(garbage.files))}, {_size(garbage.num_bytes)}",
        f"  {garbage.what}",
        f"  lost by deleting: {garbage.loss}",
    ]


def _as_json(garbage: Garbage, *, chosen: bool) -> dict[str, object]:
    return {
        "name": garbage.name,
        "what": garbage.what,
        "loss": garbage.loss,
        "chosen": chosen,
        "files": [str(path) for path in garbage.files],
        "bytes": garbage.num_bytes,
    }


def _count(number: int) -> str:
    return "1 file" if number == 1 else f"{number} files"


def _size(num_bytes: int) -> str:
    """Return a size in bytes, kB, MB or GB (powers of 1000)."""
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if num_bytes >= factor:
            return f"{num_bytes / factor:.1f} {unit}"
    return f"{num_bytes} B"
