"""The command line: parsing and printing. Verbs call aca_ray.api and import heavy packages when they run."""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Sequence

from aca_ray.cli.codes import BAD_INPUT, FAILED, INTERRUPTED, PIPE_CLOSED
from aca_ray.cli.parser import build_parser
from aca_ray.errors import AcaRayError, ConfigError
from aca_ray.terminal import is_of_closed_output, show_every_character, silence_closed, use_utf8

__all__ = ["build_parser", "main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code.

    The code is 0 for success, 1 for a failure, 2 for bad input, 130 for an interrupt, and 141 for a closed output pipe,
    as in `aca-ray show DARTS_V2 | head -1`.
    """
    if arguments is None:
        use_utf8()
    show_every_character()
    try:
        try:
            return _carry_out(arguments)
        finally:
            sys.stdout.flush()
    except OSError as error:
        if not (is_of_closed_output(error) and silence_closed()):
            raise
        return PIPE_CLOSED


def _carry_out(arguments: Sequence[str] | None) -> int:
    options = argparse.Namespace()
    try:
        build_parser().parse_args(arguments, options)
        code: int = options.verb(options)
        return code
    except AcaRayError as error:
        if getattr(options, "verbose", False):
            traceback.print_exc()
        problems = error.problems if isinstance(error, ConfigError) else (error,)
        for problem in problems:
            print(problem, file=sys.stderr)
        return BAD_INPUT if isinstance(error, ConfigError) else FAILED
    except KeyboardInterrupt:
        print("interrupted; finished work is kept. To continue, run the same command again", file=sys.stderr)
        return INTERRUPTED
