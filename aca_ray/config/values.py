"""Checks of single values of a spec, whose sentences name the rule, the value found and the fix."""

from __future__ import annotations

import re
from typing import Any

from aca_ray.config.problems import PLACE, ProblemError
from aca_ray.config.several import MAX_ENTRIES
from aca_ray.errors import shortened

_MOST_NAME = 100  # characters


def clean_name(text: str) -> str:
    """Return a text without what the name of a sweep can't have; empty if nothing is left."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", text).strip("_.-")[:_MOST_NAME]


def sweep_name(value: str) -> str:
    """Return the name of a sweep; raise ProblemError if it can't name a folder and an experiment."""
    if re.fullmatch(rf"[A-Za-z0-9][A-Za-z0-9_.-]{{0,{_MOST_NAME - 1}}}", value):
        return value
    raise ProblemError(
        [
            f"{PLACE}: must be 1 to {_MOST_NAME} letters, digits, `_`, `.` and `-`, the first a letter or a digit; "
            f"found {shortened(value)}. Write {clean_name(value) or 'another name'}"
        ]
    )


def retraining_section(value: Any) -> Any:
    """Return the section `retraining`; raise ProblemError if it is a text, which is meant as a protocol."""
    if isinstance(value, str):
        raise ProblemError(
            [
                f"{PLACE}: must be a mapping with the keys protocol and seeds; found {shortened(value)}. Write "
                f"{{protocol: {value[:_MOST_NAME]}}}"
            ]
        )
    return value


def gpu_share(value: Any) -> Any:
    """Return the number of GPUs of a trial; raise ProblemError unless it is one GPU, a share of one, or 0."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number and 0 <= value <= 1:
        return value
    fix = (
        "Set 1; other trials run on the other GPUs at the same time"
        if is_number and value > 1
        else "Write 1 for a GPU per trial, a share such as 0.5, or 0 for none"
    )
    raise ProblemError(
        [
            f"{PLACE}: must be a number from 0 to 1, since a trial uses one GPU or a share of one; found "
            f"{shortened(value)}. {fix}"
        ]
    )


def pack_size(value: Any) -> Any:
    """Return the number of seeds that a process searches; raise ProblemError unless it is one, or auto."""
    if value == "auto" or (type(value) is int and 1 <= value <= MAX_ENTRIES):
        return value
    raise ProblemError([f"{PLACE}: must be an integer of at least 1, or auto; found {value!r}"])


def ray_address(value: str) -> str:
    """Return the address of a Ray cluster; raise ProblemError if it is a URL, or empty."""
    if value and "/" not in value:
        return value
    host = re.sub(r":\d+$", "", value.partition("://")[2].partition("/")[0]) or "HOST"
    fix = f"Write {host}:6379, the port of `ray start --head`"
    if value.startswith(("http://", "https://")):
        fix += f"; or leave it out and run the sweep as a job: aca-ray submit SPEC --address {value[:_MOST_NAME]}"
    raise ProblemError(
        [f"{PLACE}: must be the HOST:PORT of a running Ray cluster, or auto; found {shortened(value)}. {fix}"]
    )
