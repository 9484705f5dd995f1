"""The examples of CONTRIBUTING work as they stand there."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import aca_ray.methods
from aca_ray.channels import RANKERS
from aca_ray.comparison import SweepRows, compare
from aca_ray.config import parse_spec
from aca_ray.display import LiveView
from aca_ray.driver.local import local_pool
from aca_ray.driver.run import run_sweep
from aca_ray.methods.registry import find_method, methods
from aca_ray.nn import CellMixing, Mixing
from aca_ray.report.panel import make_sections
from aca_ray.report.panels import PANELS
from aca_ray.retraining import find_protocol
from aca_ray.retraining.protocols import PROTOCOLS
from aca_ray.search.search import Search
from aca_ray.space import SPACES
from aca_ray.sweep.manifest import create_sweep
from aca_ray.sweep.orders import all_orders
from aca_ray.sweep.vocabulary import vocabulary

TEXT = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text()
EXAMPLES = dict(re.findall(r"```python\n# (\w+)\n(.*?)```", TEXT, re.DOTALL))


def result_of(name: str) -> dict[str, Any]:
    """Run an example and return its names."""
    names: dict[str, Any] = {}
    exec(compile(EXAMPLES[name], f"CONTRIBUTING.md, example {name}", "exec"), names)
    return names


def test_every_example_has_a_test() -> None:
    assert set(EXAMPLES) == {"method", "ranker", "protocol", "panel", "metric", "tracker"}


def test_a_method_is_one_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, build_search: Callable[..., Search]
) -> None:
    (tmp_path / "tempered_darts.py").write_text(EXAMPLES["method"])
    monkeypatch.setattr(aca_ray.methods, "__path__", [*aca_ray.methods.__path__, str(tmp_path)])
    methods.cache_clear()
    try:
        search = build_search(find_method("tempered_darts"), SPACES["nasbench201"])
        search.step(0, 0)
        plain = build_search(find_method("darts"), SPACES["nasbench201"])
        plain.step(0, 0)
    finally:
        methods.cache_clear()
    spreads = [float(one.mixing().normal.operations.std()) for one in (search, plain)]
    assert 0 < spreads[0] < spreads[1]


def test_a_ranker_is_one_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    before = dict(RANKERS)
    try:
        result_of("ranker")
        problems = vocabulary(Path()).ranker
        assert set(RANKERS) - set(before) == {"first"} <= set(problems)
    finally:
        RANKERS.clear()
        RANKERS.update(before)


def test_a_protocol_is_one_entry() -> None:
    before = dict(PROTOCOLS)
    try:
        result_of("protocol")
        assert find_protocol("short").epochs == find_protocol({"base": "short", "channels": 16}).epochs == 60
    finally:
        PROTOCOLS.clear()
        PROTOCOLS.update(before)


def test_a_panel_is_one_file_and_a_line() -> None:
    panel = result_of("panel")["PANEL"]
    *_, section = make_sections(compare(SweepRows(sweep="none")), (*PANELS, panel))
    assert (section.key, len(section.tables)) == ("sizes", 1)


def test_a_metric_is_one_entry() -> None:
    space = SPACES["nasbench201"]
    weights = torch.full((len(space.normal), 5), 0.2)
    weights[2, 3] = 0.7
    found = result_of("metric")["largest_weight"](Mixing(CellMixing(weights), CellMixing(weights[:0])), space)
    assert found == {"arch/largest_weight": pytest.approx(0.7)}


@pytest.mark.slow
def test_a_tracker_is_one_class(tmp_path: Path) -> None:
    text = f"""name: mirrored
experiment:
  methods: darts
  skip: searched
  spaces: nasbench201
  data: {{name: digits, max_train_images: 32, max_test_images: 16}}
  seeds: [0, 1]
  epochs: 2
  network: {{channels: 4, cells: 3}}
  batch_size: 16
  table: nasbench201
description: two searches
runtime: {{storage: {tmp_path / "results"}}}
"""
    sweep = create_sweep(parse_spec(text, vocabulary(tmp_path)), tmp_path, text)
    view = LiveView(io.StringIO(), in_place=False)
    outcome = run_sweep(
        sweep,
        lambda interrupt, say: local_pool(sweep.spec.runtime, interrupt),
        result_of("tracker")["LineFile"],
        view,
    )
    assert outcome.tracked
    assert outcome.comparison is not None
    first, *lines = (tmp_path / "results" / "mirrored" / "trials.txt").read_text().splitlines()
    assert first == "two searches"
    assert {line.split()[1] for line in lines} == {order.trial.short for order in all_orders(sweep)}
    assert len(lines) == 4
