"""All checks of what a plug-in adds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from aca_ray.contract.channels import control_checks, ranker_checks, rule_checks
from aca_ray.contract.check import Check, Outcome, outcome_of
from aca_ray.contract.methods import method_checks
from aca_ray.contract.others import protocol_checks, source_checks, space_checks
from aca_ray.errors import ConfigError
from aca_ray.plugins import added_by, load_listed

_CHECKS: dict[str, Callable[[Any], Iterator[Check]]] = {
    "method": method_checks,
    "space": space_checks,
    "data": source_checks,
    "ranker": ranker_checks,
    "rule": rule_checks,
    "control": control_checks,
    "protocol": protocol_checks,
}


def checks_of(kind: str, entry: Any) -> Iterator[Check]:
    """Yield the checks of an object that is in its registry."""
    return _CHECKS[kind](entry)


def plugin_outcomes(written: str) -> Iterator[Outcome]:
    """Yield the outcome of every check of a plug-in, given by path of its file or name of its module.

    Raises:
        ConfigError: it can't be loaded, or defines nothing; lists all problems.
    """
    found, problems = load_listed(written, "plug-in", Path.cwd())
    if problems:
        raise ConfigError(problems)
    for kind, entry in added_by(found[0].name):
        for check in checks_of(kind, entry):
            yield outcome_of(f"{kind} {entry.name}", check)
