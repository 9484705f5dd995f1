"""A sweep on a space and on class folders of one's own, from the spec to the report and an exported network."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

if TYPE_CHECKING:
    from conftest import SweepProcess

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1200)]

RAGGED = "darts(normal=skip_connect,sep_conv_3x3;reduce=noise,skip_connect;normal 0->2=none,skip_connect,dil_conv_3x3)"
DELETED = "darts(skip_connect,sep_conv_3x3;normal 0->3=none;normal 1->4=none)"
CELLS = "none,skip_connect,nor_conv_1x1,nor_conv_3x3,avg_pool_3x3"
WITHOUT_NODE_1 = f"nasbench201({CELLS};normal 0->1=none;normal 1->2=none;normal 1->3=none)"
SPEC = """\
name: small
experiment:
  methods: darts
  spaces:
    - {base: darts, operations: [skip_connect, nor_conv_3x3]}
    - {base: s2, normal: {0->2: [none, dil_conv_3x3, skip_connect]}, reduce: [skip_connect, noise]}
    - {base: s2, normal: {0->3: [], 1->4: []}}
    - {base: nasbench201, normal: {0->1: [], 1->2: [], 1->3: []}}
  data:
    - name: folders
      train: birds/train
      test: birds/holdout
      normalization: {mean: [0.5, 0.5, 0.5], std: [0.25, 0.25, 0.25]}
      augmentation: none
  seeds: 0
  epochs: 2
  batch_size: 8
  network: {channels: 4, cells: 3}
  retraining: {protocol: {base: small, epochs: 1, channels: 4, cells: 3, batch_size: 8}}
"""


def write_images(folder: Path) -> None:
    rng = np.random.default_rng(0)
    for split, count in (("train", 16), ("holdout", 5)):
        for level, name in enumerate(("a cat", "Emu, big")):
            (folder / split / name).mkdir(parents=True)
            for index in range(count):
                pixels = np.clip(rng.normal(80 + 80 * level, 30, (12, 8, 3)), 0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(folder / split / name / f"{index}.png")


def test_from_the_spec_to_an_exported_network(process: SweepProcess) -> None:
    (process.folder / "spec.yaml").write_text(SPEC)
    write_images(process.folder / "birds")
    code, output = process.run("check", "spec.yaml")
    assert code == 0, output
    labels = dict(
        line.removeprefix("space ").split(": ", 1) for line in output.splitlines() if line.startswith("space ")
    )
    assert sorted(labels.values()) == sorted([RAGGED, DELETED, WITHOUT_NODE_1])

    code, output = process.run("run", "spec.yaml", "--local")
    assert code == 0, output
    assert "could not be logged" not in output
    assert len(list(process.sweep.glob("searches/*/mixing*.svg"))) == 8
    records = process.records()
    assert {record["state"] for record in records} == {"finished"}
    assert {record["trial"]["space"] for record in records} == {
        *("darts(skip_connect,nor_conv_3x3)", RAGGED, DELETED, WITHOUT_NODE_1),
    }
    for record in records:
        if record["trial"].get("space") == DELETED:
            edges = {tuple(edge[1:]) for edge in record["genotype"]["normal"]["edges"]}
            assert len(edges) == 8
            assert not edges & {(0, 3), (1, 4)}
        if record["trial"].get("space") == WITHOUT_NODE_1:
            assert {tuple(edge[1:]) for edge in record["genotype"]["normal"]["edges"]} <= {(0, 2), (0, 3), (2, 3)}
    assert {tuple(record["data_info"]["mean"]) for record in records} == {(0.5, 0.5, 0.5)}
    assert {tuple(record["data_info"]["class_names"]) for record in records} == {("Emu, big", "a cat")}
    comparison = process.sweep / "comparison"
    with open(comparison / "networks.csv", newline="") as file:
        assert {row["space"] for row in csv.DictReader(file)} == {"darts(skip_connect,nor_conv_3x3)", *labels}
    with open(comparison / "provenance.csv", newline="") as file:
        facts = {row["topic"]: row["value"] for row in csv.DictReader(file)}
    assert {label: facts[f"space {label}"] for label in labels} == labels
    assert "augmentation none" in facts["data folders"]
    assert '"normalization":{"mean":[0.5,0.5,0.5],"std":[0.25,0.25,0.25]}' in facts["data folders"]

    retrained = {record["trial"]["space"]: record for record in records if record["kind"] == "retraining"}
    assert len(retrained) == 4
    for record in retrained.values():
        code, output = process.run("export", f"small/{record['fingerprint'][:12]}")
        assert code == 0, output

    code, output = process.run("run", "spec.yaml", "--local")  # the same spec: nothing is left to do
    assert code == 0, output
    assert process.records() == records
