"""archive: a sweep as one file, and back."""

from __future__ import annotations

import argparse
from pathlib import Path

from aca_ray.cli.options import SWEEP_HELP, Verbs, storage_options
from aca_ray.cli.places import relative
from aca_ray.errors import ConfigError
from aca_ray.storage import storage_path


def add_archive(verbs: Verbs) -> None:
    """Add the verb."""
    archive = verbs.add_parser(
        "archive", parents=[storage_options()], help="write a sweep into one file, or extract such a file"
    )
    archive.add_argument("name", metavar="SWEEP", nargs="?", help=SWEEP_HELP)
    archive.add_argument(
        "--out", type=storage_path, help="the archive, .tar.xz or .tar.gz, which is faster (default: SWEEP.tar.xz)"
    )
    archive.add_argument(
        "--with-checkpoints",
        action="store_true",
        help="add all checkpoints: to resume, rank, or export weights elsewhere",
    )
    archive.add_argument(
        "--extract", metavar="FILE", type=storage_path, help="extract this archive into the folder --storage instead"
    )
    archive.set_defaults(verb=_archive)


def _archive(options: argparse.Namespace) -> int:
    if (options.name is None) == (options.extract is None):
        raise ConfigError("archive: needs either the name of a SWEEP or --extract FILE; give one of them")
    if options.extract is not None:
        return _extract(options)
    from aca_ray import api
    from aca_ray.sweep.archiving import write_archive

    sweep = api.find(options.name, options.storage)
    out = options.out or Path(f"{sweep.folder.path.name}.tar.xz")
    made = write_archive(sweep, out, with_checkpoints=options.with_checkpoints)
    print(f"{made.num_files} files, {made.num_bytes:,} bytes: {relative(made.path)}")
    if not options.with_checkpoints:
        print("without checkpoints: status, compare, show and untrained exports work where it is extracted")
    print(f"to extract it: aca-ray archive --extract {made.path.name} --storage results")
    return 0


def _extract(options: argparse.Namespace) -> int:
    from aca_ray.sweep.archiving import extract_archive, missing_data

    if options.out is not None or options.with_checkpoints:
        raise ConfigError("--out, --with-checkpoints: do not apply to --extract; leave them out")
    sweep = extract_archive(options.extract, options.storage)
    print(f"sweep {sweep.spec.name}: {relative(sweep.folder.path)}")
    if missing := missing_data(sweep):
        print(f"its data are not on this machine: {', '.join(missing)}")
        print(
            "to continue it, put the data there; or, if its spec has relative paths, copy "
            f"{relative(sweep.folder.spec)} to where they fit, set runtime.storage to {sweep.storage.resolve()}, and "
            "`aca-ray run` the copy"
        )
    return 0
