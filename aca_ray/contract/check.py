"""A check of a contract, and its outcome."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass

from aca_ray.errors import AcaRayError


class BrokenContractError(AcaRayError):
    """An object does not do what its kind promises."""


@dataclass(frozen=True)
class Check:
    """A check.

    Attributes:
        title: what must hold.
        run: raises an error if it does not.
    """

    title: str
    run: Callable[[], object]


@dataclass(frozen=True)
class Outcome:
    """The outcome of a check.

    Attributes:
        subject: kind and name of the object.
        title: what must hold.
        problem: why it does not, or None.
    """

    subject: str
    title: str
    problem: str | None


def require(holds: bool, problem: str) -> None:
    """Raise BrokenContractError unless a condition holds."""
    if not holds:
        raise BrokenContractError(problem)


def outcome_of(subject: str, check: Check) -> Outcome:
    """Run a check; any error is a broken contract, with the line that raised it."""
    try:
        check.run()
    except AcaRayError as error:
        return Outcome(subject, check.title, str(error))
    except Exception as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        return Outcome(
            subject, check.title, f"{type(error).__name__}: {error} (line {frame.lineno} of {frame.filename})"
        )
    return Outcome(subject, check.title, None)
