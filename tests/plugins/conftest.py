"""Plug-ins in files, and specs that use them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from aca_ray.config import SweepSpec, parse_spec
from aca_ray.display import QuietView
from aca_ray.driver.local import local_pool
from aca_ray.driver.run import SweepOutcome, run_sweep
from aca_ray.plugins.loaded import active, deactivate
from aca_ray.sweep.growing import start_sweep
from aca_ray.sweep.manifest import Sweep
from aca_ray.sweep.vocabulary import vocabulary

ROOT = Path(__file__).parents[2]

RANKER = """
import torch
from aca_ray.channels.rankers import FixedScores, Ranker

first = Ranker("first", "minus the number", "ours", needs_data=False, needs_gradient=False,
               start=lambda edge: FixedScores(1.5 - torch.arange(edge.channels, dtype=torch.float64)))
"""
PROTOCOL = """
from dataclasses import replace
from aca_ray.retraining.protocols import CIFAR, PROTOCOLS

tiny = replace(PROTOCOLS["small"], name="tiny", source="ours", epochs=1)
"""
EXPERIMENT: dict[str, str] = {
    "methods": "darts",
    "skip": "searched",
    "spaces": "nasbench201",
    "data": "{name: digits, max_train_images: 32, max_test_images: 16}",
    "seeds": "0",
    "epochs": "1",
    "network": "{channels: 4, cells: 3}",
    "batch_size": "16",
    "retraining": "{protocol: {base: small, epochs: 1}}",
}


@pytest.fixture(autouse=True)
def without_plugins() -> Iterator[None]:
    """End every test as a new process begins: without plug-ins."""
    yield
    deactivate(list(active()))


@pytest.fixture
def tempered(tmp_path: Path) -> Path:
    """The example of experiments/plugins, copied to the folder of the specs."""
    path = tmp_path / "tempered_darts.py"
    path.write_bytes((ROOT / "experiments" / "plugins" / path.name).read_bytes())
    return path


@pytest.fixture
def ranker(tmp_path: Path) -> Path:
    """A file with the ranker `first`, in the folder of the specs."""
    path = tmp_path / "ranks.py"
    path.write_text(RANKER)
    return path


@pytest.fixture
def protocol(tmp_path: Path) -> Path:
    """A file with the protocol `tiny`, of one epoch, in the folder of the specs."""
    path = tmp_path / "protocols.py"
    path.write_text(PROTOCOL)
    return path


@pytest.fixture
def spec_text(tmp_path: Path) -> Callable[..., str]:
    """Return a function from changes of an experiment to the text of a spec."""

    def text(**changes: str) -> str:
        experiment = "".join(f"  {key}: {value}\n" for key, value in {**EXPERIMENT, **changes}.items())
        return f"name: plugged\nexperiment:\n{experiment}runtime: {{storage: {tmp_path / 'results'}}}\n"

    return text


@pytest.fixture
def parse(tmp_path: Path, spec_text: Callable[..., str]) -> Callable[..., SweepSpec]:
    """Return a function from changes of an experiment to a spec."""
    return lambda **changes: parse_spec(spec_text(**changes), vocabulary(tmp_path))


@pytest.fixture
def start(tmp_path: Path, spec_text: Callable[..., str]) -> Callable[..., Sweep]:
    """Return a function from changes of an experiment to its sweep."""

    def begin(**changes: str) -> Sweep:
        text = spec_text(**changes)
        return start_sweep(parse_spec(text, vocabulary(tmp_path)), tmp_path, text)

    return begin


class NoMirror:
    """Tracks nothing."""

    def __init__(self, sweep: Sweep) -> None:
        pass

    def __getattr__(self, name: str) -> Callable[..., bool]:
        return lambda *arguments: True


@pytest.fixture
def run() -> Callable[[Sweep], SweepOutcome]:
    """Return a function that runs a sweep in this process."""

    def drive(sweep: Sweep) -> SweepOutcome:
        def pool(interrupt: Any, say: Any) -> Any:
            return local_pool(sweep.spec.runtime, interrupt)

        return run_sweep(sweep, pool, NoMirror, QuietView())

    return drive
