"""The comparison as JSON for other programs: the rows of the report's files, with their names.

Accuracies and shares are fractions. Names are those of comparison.csv; `setting` is a mapping.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from itertools import chain
from typing import Any

from aca_ray.comparison import ColumnComparison, Comparison
from aca_ray.comparison.arms import Arm
from aca_ray.comparison.families import Tested
from aca_ray.report.findings import findings, pair_findings
from aca_ray.report.notes import notes_of
from aca_ray.report.panels.differences import ARM_FIELDS, COMPARISON_FIELDS
from aca_ray.report.table import value_of
from aca_ray.report.tested import DIFFERENCE_FIELDS


def comparison_json(comparison: Comparison) -> dict[str, Any]:
    """Return findings, groups and paired differences.

    Every entry of `groups` is one kind of networks of one method at one place: n, mean, sd, and the interval over
    search seeds. Every entry of `differences` is a row of comparison.csv: both sides, and the difference paired by seed
    with n, interval, p-values and effect size.
    """
    compared = chain.from_iterable(group.comparisons for group in comparison.groups)
    return {
        "sweeps": [sweep.sweep for sweep in comparison.sweeps],
        "unfinished": comparison.rows.unfinished,
        "failed": len(comparison.rows.failed),
        "findings": findings_of(comparison),
        "groups": [
            {
                **_with_setting(group.group._asdict()),
                "networks": networks,
                "ranking": value_of(group.pair, "ranking") if networks == "allocated" else None,
                "allocation": value_of(group.pair, "allocation") if networks == "allocated" else None,
                **arm_json(arm),
            }
            for group in comparison.groups
            for networks, arm in group.arms.items()
        ],
        "differences": [
            _with_setting({name: value_of(one, column.of) for name, column in COMPARISON_FIELDS.items()})
            for one in compared
            if one.difference is not None
        ],
        "notes": list(notes_of(comparison)),
    }


def findings_of(comparison: Comparison) -> list[str]:
    """Return the findings as sentences."""
    return [*findings(comparison), *pair_findings(comparison)]


def by_column_json(compared: ColumnComparison) -> dict[str, Any]:
    """Return the values of a column and the differences between them, each with its context."""
    return {
        "by": compared.column,
        "values": [{**_context_json(row.context), "value": row.value, **arm_json(row.arm)} for row in compared.rows],
        "value_differences": [
            {**_context_json(one.context), "a": one.a, "b": one.b, **tested_json(one)} for one in compared.differences
        ],
    }


def _context_json(context: Any) -> dict[str, Any]:
    """Return what compared networks share; null where it is the column or does not apply."""
    own = {name: value for name, value in asdict(context).items() if name != "group"}
    return _with_setting({name: value or None for name, value in {**context.group._asdict(), **own}.items()})


def _with_setting(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row whose setting is a mapping instead of JSON text."""
    return {**row, "setting": json.loads(row["setting"])}


def arm_json(arm: Arm) -> dict[str, Any]:
    """Return n, mean, sd, interval, worst and best seed, and costs of networks, and every seed."""
    seeds = [{"seed": seed.seed, "test_accuracy": seed.test_accuracy} for seed in arm.seeds]
    return {**{name: value_of(arm, of) for name, (_, of) in ARM_FIELDS.items()}, "seeds": seeds}


def tested_json(compared: Tested) -> dict[str, Any]:
    """Return n, mean, interval, p-values and effect size of a difference."""
    return {name: value_of(compared, column.of) for name, column in DIFFERENCE_FIELDS.items()}
