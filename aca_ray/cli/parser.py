"""The parser of all verbs."""

from __future__ import annotations

import argparse

from aca_ray import __version__
from aca_ray.cli import (
    archiving,
    checking,
    cleaning,
    cluster,
    comparing,
    completing,
    differing,
    listing,
    networks,
    plugins,
    running,
    serving,
    status,
    writing,
)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all verbs; each sets `verb`, the function that runs it."""
    parser = argparse.ArgumentParser(
        prog="aca-ray", description="Sweeps of differentiable architecture search with Adaptive Channel Allocation."
    )
    parser.add_argument("--version", action="version", version=f"aca-ray {__version__}")
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    for add in (
        writing.add_init,
        checking.add_check,
        plugins.add_check_plugin,
        running.add_run,
        running.add_resume,
        status.add_status,
        networks.add_rank,
        networks.add_retrain,
        networks.add_export,
        networks.add_show,
        comparing.add_compare,
        differing.add_diff,
        archiving.add_archive,
        cleaning.add_gc,
        cluster.add_doctor,
        listing.add_list,
        cluster.add_submit,
        cluster.add_jobs,
        serving.add_ui,
        completing.add_completion,
    ):
        add(verbs)
    return parser
