"""ui: MLflow's pages."""

from __future__ import annotations

import argparse
from pathlib import Path

from aca_ray.cli.options import Verbs, storage_options
from aca_ray.errors import ConfigError


def add_ui(verbs: Verbs) -> None:
    """Add the verb."""
    ui = verbs.add_parser("ui", parents=[storage_options()], help="serve the MLflow UI on 127.0.0.1")
    ui.add_argument("--port", type=int, default=5000, help="port (default: 5000)")
    ui.set_defaults(verb=_ui)


def _ui(options: argparse.Namespace) -> int:
    from aca_ray.tracking import open_store, serve_ui

    if isinstance(options.storage, Path) and not options.storage.is_dir():
        raise ConfigError(
            f"--storage: no folder {options.storage}; run a sweep first, or name the folder of its results"
        )
    print(f"MLflow on http://127.0.0.1:{options.port} (stop with Ctrl-C)", flush=True)
    serve_ui(open_store(None, options.storage), options.port)
    return 0
