"""Parsers of command-line arguments."""

from __future__ import annotations

import argparse
import json
from typing import Any

from aca_ray.errors import ConfigError


def positive(text: str) -> int:
    """Return an integer of at least 1."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, found {value}")
    return value


def not_negative(text: str) -> int:
    """Return an integer of at least 0."""
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"must be at least 0, found {value}")
    return value


def cluster_address(text: str) -> str:
    """Return host:port or auto, and refuse an address of another service."""
    if "/" in text:
        raise argparse.ArgumentTypeError(
            f"must be the host:port of a cluster that this machine belongs to, or auto; found {text}. From another "
            "machine, send the sweep as a job: aca-ray submit SPEC --address http://HEAD:8265"
        )
    return text


def data_mapping(text: str) -> dict[str, Any]:
    """Return the data mapping that a name or a JSON text describes."""
    try:
        value: dict[str, Any] = json.loads(text) if text.lstrip().startswith("{") else {"name": text}
    except ValueError as error:
        raise ConfigError(f"--data: is neither a name nor a JSON mapping ({error})") from error
    return value


def protocol_value(text: str) -> str | dict[str, Any]:
    """Return a retraining protocol as written in a spec: a name, or a mapping such as `{base: cifar, epochs: 100}`."""
    from aca_ray.config.yaml_text import read_yaml

    if not text.lstrip().startswith("{"):
        return text
    try:
        value: dict[str, Any] = read_yaml(text)
    except ConfigError as error:
        raise ConfigError(f"--protocol: {problem}" for problem in error.problems) from error
    return value
