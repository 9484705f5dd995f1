"""Sweep folders as the trials write them, and rows built by hand."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import pytest

from aca_ray.comparison import NetworkRow
from aca_ray.records import SweepFolder
from aca_ray.space import PUBLISHED, CellGenotype, Genotype
from aca_ray.space.genotype import RESIDUAL_BLOCK

LOOKED_UP = {"regret": 0.1, "rank": 2, "table": {"architectures": 15_625, "best": 0.94, "all_skips": None}}
NO_EDGES = Genotype(CellGenotype((), (3,), num_inputs=1), RESIDUAL_BLOCK).to_json()
DATA_INFO = {
    **{"name": "digits", "num_classes": 10, "class_names": [], "channels": 1, "height": 16, "width": 16},
    **{"mean": [0.3], "std": [0.4], "digest": "d" * 64, "source": "sklearn", "augmentation": "crop"},
    "num_images": 1437,
}


@dataclass(frozen=True)
class SweepWriter:
    """Writes the files of a sweep in the layout that all stages share."""

    path: Path

    @property
    def folder(self) -> SweepFolder:
        return SweepFolder(self.path)

    def search(
        self,
        method: str = "darts",
        skip: str = "searched",
        seed: int = 0,
        epochs: int = 2,
        state: str = "finished",
        error: str | None = None,
        skip_count: Callable[[int], float] = float,
        architecture: Callable[[int], dict[str, Any] | None] = lambda _: None,
        record: dict[str, Any] | None = None,
        **trial: Any,
    ) -> str:
        """Write the record of a search with one row per epoch, and return its fingerprint."""
        trial = {
            "method": method,
            "skip": skip,
            "space": "darts",
            "seed": seed,
            "epochs": epochs,
            "data": {"name": "digits", "valid_share": 0.5},
            "network": {"channels": 8, "cells": 5},
            "batch_size": 32,
            **trial,
        }
        rows = [
            {
                "epoch": epoch,
                "time_ms": 1790000000000 + epoch,
                "metrics": {
                    "search_train/accuracy": 0.5 + 0.1 * epoch / epochs,
                    "search_valid/accuracy": 0.4 + 0.1 * epoch / epochs,
                    "search_valid/loss": None,
                    "arch/skip_count": skip_count(epoch),
                    "arch/parametric_count": 16 - skip_count(epoch),
                    "arch/entropy": 1.5,
                    "time/epoch_seconds": 10.0,
                    "memory/peak_bytes": 1e6 * epoch,
                },
                **({} if architecture(epoch) is None else {"architecture": architecture(epoch)}),
            }
            for epoch in range(1, epochs + 1)
        ]
        return self._record("searches", "search", trial, state, error, rows=rows, milestones=[epochs], **(record or {}))

    def allocation(self, search: str, epoch: int, plans: dict[str, Any], **values: Any) -> Path:
        """Write the allocation.json of one milestone and ranker."""
        ranking = values.get("ranking", "taylor_identity")
        folder = self.path / "searches" / search[:12] / "allocations" / f"epoch_{epoch:04d}" / ranking
        file = folder / "allocation.json"
        network = {"channels": 8, "cells": 5}
        content = {
            "question": {"fingerprint": search, "epoch": epoch, "ranking": ranking, "main": "sign", "network": network},
            "epoch": epoch,
            "ranking": "taylor_identity",
            "genotype": NO_EDGES,
            "plans": {name: {**plan, "kept_share": plan["kept_share"] or [[]] * 5} for name, plan in plans.items()},
            "agreement": None,
            "decided_share": 0.6,
            "seconds": 1.0,
            **values,
        }
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(content))
        return file

    def network(
        self,
        search: str,
        test_accuracy: float,
        method: str = "darts",
        seed: int = 0,
        retrain_seed: int = 0,
        rule: tuple[str | None, str] | None = None,
        control: str | None = None,
        state: str = "finished",
        error: str | None = None,
        result: dict[str, Any] | None = None,
        record: dict[str, Any] | None = None,
        **trial: Any,
    ) -> str:
        """Write the record of a retraining or look-up; return its fingerprint (rule: ranking, allocation)."""
        kept_whole = rule is None or rule[1] == "all"
        trial = {
            "search": search,
            "method": method,
            "skip": "allocated" if rule else "searched",
            "space": "darts",
            "seed": seed,
            "epochs": 2,
            "data": {"name": "digits", "valid_share": 0.5},
            **({} if "table" in trial else {"protocol": "tiny", "retrain_seed": retrain_seed}),
            "ranking": rule[0] if rule else None,
            "allocation": rule[1] if rule else None,
            "network": {"channels": 16, "cells": 8},
            **({} if control is None else {"control": control}),
            **trial,
        }
        full_result = {
            "test_accuracy": test_accuracy,
            "best_test_accuracy": test_accuracy + 0.01,
            "parameters": 100_000 if kept_whole else 80_000,
            "macs": 3_000_000,
            "num_skips": 0 if rule else 4,
            "num_parametric": 10,
            "refilled_share": 0.0 if kept_whole else 0.4,
            **({} if trial.get("table") is None else LOOKED_UP),
            **(result or {}),
        }
        outcome = {"result": full_result if state == "finished" else None, **(record or {})}
        folder, kind = ("look_ups", "look-up") if "table" in trial else ("retrainings", "retraining")
        return self._record(folder, kind, trial, state, error, **outcome)

    def _record(self, folder: str, kind: str, trial: dict[str, Any], state: str, error: str | None, **more: Any) -> str:
        fingerprint = hashlib.sha256(json.dumps(trial, sort_keys=True).encode()).hexdigest()
        record = {
            "schema": "aca_ray.record",
            "version": 1,
            "kind": kind,
            "fingerprint": fingerprint,
            "trial": trial,
            "state": state,
            "epoch": 2,
            "num_epochs": 2,
            "rows": [],
            "genotype": PUBLISHED["DARTS_V2"].to_json(),
            "mixing": None,
            "result": {"num_skips": 4, "num_parametric": 10} if kind == "search" and state == "finished" else None,
            "error": error,
            "resumes": 0,
            "device": "cpu",
            "process": "node1:77",
            "threads": 1,
            "data_info": DATA_INFO,
            "environment": {"aca_ray": "0.1.0", "python": "3.11.7", "torch": "2.14.1", "device": "GPU A"},
            "seconds": 12.5,
            **more,
        }
        file = self.path / folder / fingerprint[:12] / "record.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(record))
        return fingerprint


@pytest.fixture
def sweep_folder(tmp_path: Path) -> SweepWriter:
    """An empty sweep named `toy`."""
    folder = tmp_path / "toy"
    folder.mkdir()
    return SweepWriter(folder)


_ROW = NetworkRow(
    sweep="toy",
    method="darts",
    skip="searched",
    space="darts",
    data="digits",
    setting="{}",
    epochs=8,
    seed=0,
    retrain_seed=0,
    protocol="tiny",
    ranking=None,
    allocation=None,
    control=None,
    test_accuracy=0.9,
    best_test_accuracy=0.91,
    parameters=100_000,
    macs=3_000_000,
    num_skips=4,
    num_parametric=10,
    refilled_share=0.0,
    search_seconds=20.0,
    ranking_seconds=None,
    retraining_seconds=30.0,
    search_valid_accuracy=0.6,
    search_device="GPU A",
    device="GPU A",
    search_peak_bytes=2e9,
    peak_bytes=1e9,
    data_digest="d" * 64,
    search="s",
    fingerprint="",
)


@pytest.fixture
def network_row() -> Callable[..., NetworkRow]:
    """Builds rows; a `rule` (ranking and allocation) makes a row allocated. Fingerprints are hashes of the values."""

    def build(test_accuracy: float, rule: tuple[str | None, str] | None = None, **values: Any) -> NetworkRow:
        if rule:
            values = {"num_skips": 0, **values}
        if rule and rule[0]:
            values = {"refilled_share": 0.4, "parameters": 80_000, "ranking_seconds": 1.0, **values}
        row = replace(
            _ROW,
            test_accuracy=test_accuracy,
            skip="allocated" if rule else "searched",
            ranking=rule[0] if rule else None,
            allocation=rule[1] if rule else None,
            **values,
        )
        if "search" not in values:
            found_by = (row.method, row.skip, row.space, row.data, row.setting, row.epochs, row.seed)
            row = replace(row, search=hashlib.sha256(repr(found_by).encode()).hexdigest())
        return replace(row, fingerprint=hashlib.sha256(repr(row).encode()).hexdigest())

    return build


class Box(NamedTuple):
    """A text of a drawing and its box in pixels, for characters of average width."""

    text: str
    left: float
    top: float
    right: float
    bottom: float

    @staticmethod
    def of(element: Element) -> Box:
        text = "".join(element.itertext())
        size, x, baseline = (float(element.attrib[name]) for name in ("font-size", "x", "y"))
        width = 0.6 * size * len(text)
        left = x - {"start": 0.0, "middle": 0.5, "end": 1.0}[element.get("text-anchor", "middle")] * width
        return Box(text, left, baseline - 0.75 * size, left + width, baseline + 0.2 * size)

    def is_apart(self, other: Box) -> bool:
        beside = self.right <= other.left or other.right <= self.left
        return beside or self.bottom <= other.top or other.bottom <= self.top


@pytest.fixture
def parse_svg() -> Callable[[str], Element]:
    """Parse a drawing; check that it is legible, self-contained and embeddable in any page."""

    def parse(svg: str) -> Element:
        root = ElementTree.fromstring(svg)
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert root.get("role") == "img"
        assert [child.tag.partition("}")[2] for child in root[:3]] == ["title", "desc", "rect"]
        assert root[0].text
        assert root[1].text
        _, _, width, height = root.get("viewBox", "").split()
        assert (root.get("width"), root.get("height")) == (width, height)
        assert [root[2].get(name) for name in ("width", "height", "fill")] == [width, height, "white"]
        for element in root.iter():
            assert "id" not in element.attrib
            assert not any("href" in name or "url(" in value for name, value in element.attrib.items())
        boxes = [Box.of(text) for text in root.iterfind(".//{*}text")]
        assert len(boxes) > 5
        for box in boxes:
            assert min(box.left, box.top) >= 0, box
            assert box.right <= float(width), box
            assert box.bottom <= float(height), box
        for one, other in combinations(boxes, 2):
            assert one.is_apart(other), f"{one} overlaps {other}"
        return root

    return parse
