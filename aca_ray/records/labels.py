"""How the accuracy of a network was found, in the words of tables and tags."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def is_looked_up(label: str) -> bool:
    """Return whether an `evaluation_label` is of an accuracy that a benchmark's table holds."""
    return label.startswith("table ")


def evaluation_label(trial: Mapping[str, Any]) -> str:
    """Return how an evaluation trial, as JSON, is evaluated: its protocol's label, or such as `table nasbench201`."""
    table, protocol = trial.get("table"), trial.get("protocol")
    if table is not None:
        return f"table {table.get('name') or table['path']}"
    return protocol_label(protocol)


def protocol_label(protocol: Any) -> str:
    """Return the name of a retraining protocol by name or value, such as `cifar` or `cifar(channels=16, epochs=100)`.

    Equal protocols have one label if they are in the spelling that `aca_ray.evaluation.read_protocol` returns.
    """
    if not isinstance(protocol, Mapping):
        return str(protocol)
    fields = (f"{key}={_text(value)}" for key, value in sorted(protocol.items()) if key != "base")
    return f"{protocol.get('base')}({', '.join(fields)})"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
