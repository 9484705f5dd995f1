"""Times of actions that take turns in one process, and rows of tables with the ratios of their medians."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch


def seconds(action: Callable[[], None], device: torch.device) -> float:
    """Return how long an action and what it leaves to the device take."""
    start = time.perf_counter()
    action()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def measure(actions: dict[str, Callable[[], None]], repeats: int, device: torch.device) -> dict[str, list[float]]:
    """Return the seconds of every action, each in turn, after one round that is not counted."""
    rounds = [{name: seconds(action, device) for name, action in actions.items()} for _ in range(repeats + 1)]
    return {name: [own[name] for own in rounds[1:]] for name in actions}


def row(what: str, target: str, over: list[float], under: list[float]) -> None:
    """Print a row: what, the seconds of both sides, the ratio of their medians, and its target."""
    ratio = statistics.median(over) / statistics.median(under)
    print(f"| {what} | {_shown(over)} | {_shown(under)} | {ratio:.2f} | {target} |", flush=True)


def _shown(times: list[float]) -> str:
    return f"{statistics.median(times):.4f} ({min(times):.4f} to {max(times):.4f})"
