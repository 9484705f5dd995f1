"""The error tree: every failure that a user can cause or meet derives from AcaRayError.

A message says where (the path in the spec, the file, the argument), what is required, what was found, and what to do.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from reprlib import Repr

_MOST_SHOWN = 120
_SHORT = Repr()
_SHORT.maxstring = _SHORT.maxother = 100
_SHORT.maxlevel = 3


class AcaRayError(Exception):
    """Base of all errors that this package raises on purpose."""


class ConfigError(AcaRayError):
    """A spec, an argument or a name is wrong; lists every problem found, not only the first.

    Attributes:
        problems: one sentence per problem, each beginning with its place.
    """

    def __init__(self, problems: str | Iterable[str]) -> None:
        self.problems: tuple[str, ...] = (problems,) if isinstance(problems, str) else tuple(problems)
        super().__init__("\n".join(self.problems))


class StorageError(AcaRayError):
    """A file of a sweep can't be written or read (full disk, missing permission, lost mount)."""


class MalformedFileError(StorageError, ConfigError):
    """A file can't be used: it is not a regular file, is too large, is not JSON, or has a value that breaks a rule.

    This is bad input, like a wrong spec: commands exit with code 2, and waiting does not help.
    """


class CheckpointError(AcaRayError):
    """A checkpoint is missing, damaged, of another program, trial or version, or unsafe to load."""


class DataError(AcaRayError):
    """A data set is missing, malformed or too small; the message names the file and the row."""


class ExportError(AcaRayError):
    """A network can't be written in a format, or the export computes something else."""


class TrialError(AcaRayError):
    """One trial cannot continue (a diverged loss, for example); the sweep continues without it."""


class SweepError(AcaRayError):
    """The sweep as a whole has to stop."""


def shortened(value: object) -> str:
    """Return the `repr` of a value, cut to fit into a message, however large or deeply nested the value is."""
    text = _SHORT.repr(value)  # formats part of the value: all of it may not fit into memory
    return text if len(text) <= _MOST_SHOWN else f"{text[: _MOST_SHOWN - 3]}..."


def unknown_name(place: str, kind: str, found: object, known: Iterable[str]) -> str:
    """Return the message for a name that is not in a registry, with the nearest known name.

    Args:
        place: where the name was read, for example ``experiment.methods[1]``.
        kind: kind of name, for example ``method``.
        found: the name as read.
        known: every valid name.
    """
    names = sorted(known)
    folded = {name.lower(): name for name in names}
    text = str(found)[:100]
    near = difflib.get_close_matches(text.replace("-", "_").lower(), list(folded), n=1, cutoff=0.6)
    hint = f" Did you mean {folded[near[0]]}?" if near else ""
    return f"{place}: unknown {kind} {shortened(found)}.{hint} Known: {', '.join(names)}"
