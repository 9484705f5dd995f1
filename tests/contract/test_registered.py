"""Everything that is registered keeps the contract that `aca-ray check-plugin` checks."""

from __future__ import annotations

import pytest

from aca_ray.contract import checks_of, outcome_of
from aca_ray.plugins.registries import REGISTRIES

SLOW = ("method", "space", "protocol")
CASES = [
    pytest.param(kind, name, id=f"{kind} {name}", marks=[pytest.mark.slow] if kind in SLOW else [])
    for kind, registry in REGISTRIES.items()
    if kind != "data"
    for name in registry.known()
]


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_what_is_registered_keeps_its_contract(kind: str, name: str) -> None:
    outcomes = [outcome_of(name, check) for check in checks_of(kind, REGISTRIES[kind].known()[name])]
    assert outcomes
    assert {outcome.title: outcome.problem for outcome in outcomes if outcome.problem is not None} == {}


def test_digits_keep_the_contract_of_data() -> None:
    (check,) = checks_of("data", REGISTRIES["data"].known()["digits"])
    assert outcome_of("digits", check).problem is None
