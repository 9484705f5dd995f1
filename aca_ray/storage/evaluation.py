"""How the accuracy of a network was found, in the words of tables and tags."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def is_looked_up(label: str) -> bool:
    """Return whether an `evaluation_label` is of an accuracy that a benchmark's table holds."""
    return label.startswith("table ")


def evaluation_label(trial: Mapping[str, Any]) -> str:
    """Return how an evaluation trial, as JSON, is evaluated: `cifar`, `cifar(epochs=100)` or `table nasbench201`."""
    table, protocol = trial.get("table"), trial.get("protocol")
    if table is not None:
        return f"table {table.get('name') or table['path']}"
    if not isinstance(protocol, Mapping):
        return str(protocol)
    fields = ", ".join(f"{key}={value}" for key, value in sorted(protocol.items()) if key != "base")
    return f"{protocol['base']}({fields})"
