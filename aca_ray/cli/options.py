"""Options that several verbs share, as parents of their parsers."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aca_ray.arguments import cluster_address
from aca_ray.storage import storage_path

Verbs = Any  # argparse's type of sub-parsers is private
Verb = Callable[[argparse.Namespace], int]

SWEEP_HELP = "name of a sweep, or path or URI of its folder"
_ADDRESS: dict[str, Any] = {
    "type": cluster_address,
    "help": "running Ray cluster (host:port or auto); overrides runtime.address",
}


def storage_options() -> argparse.ArgumentParser:
    """Return the parent with --storage."""
    parent = argparse.ArgumentParser(add_help=False)
    parent.add_argument(
        "--storage",
        type=storage_path,
        default=Path("results"),
        help="folder or URI of all sweeps (s3://bucket/prefix, gs://bucket/prefix; default: results)",
    )
    return parent


def cluster_options() -> argparse.ArgumentParser:
    """Return the parent with --address."""
    parent = argparse.ArgumentParser(add_help=False)
    parent.add_argument("--address", **_ADDRESS)
    return parent


def process_options() -> argparse.ArgumentParser:
    """Return the parent with --address and --local, which exclude each other."""
    parent = argparse.ArgumentParser(add_help=False)
    where = parent.add_mutually_exclusive_group()
    where.add_argument("--address", **_ADDRESS)
    where.add_argument(
        "--local", action="store_true", help="run all trials in this process, one after the other, without Ray"
    )
    return parent


def server_options() -> argparse.ArgumentParser:
    """Return the parent with the --address of a job server."""
    parent = argparse.ArgumentParser(add_help=False)
    parent.add_argument("--address", required=True, help="job server of a Ray cluster, such as http://HEAD:8265")
    return parent


def json_options(what: str) -> argparse.ArgumentParser:
    """Return the parent with --json, which prints something."""
    parent = argparse.ArgumentParser(add_help=False)
    parent.add_argument("--json", action="store_true", help=f"print {what}; messages go to standard error")
    return parent


def open_options() -> argparse.ArgumentParser:
    """Return the parent with --open."""
    parent = argparse.ArgumentParser(add_help=False)
    parent.add_argument("--open", action="store_true", help="open the report in the web browser ($BROWSER) at the end")
    return parent
