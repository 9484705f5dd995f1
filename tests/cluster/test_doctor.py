"""The data check of `doctor`, from the answers of the nodes."""

from __future__ import annotations

from pathlib import Path

import pytest

from aca_ray.cluster.doctor import agreed_data, look_at_data
from aca_ray.cluster.nodes import Node
from aca_ray.config import SweepSpec, parse_spec
from aca_ray.errors import DataError
from aca_ray.sweep.vocabulary import vocabulary

FIRST, SECOND = (Node(name, f"host-{name}", {}) for name in ("a", "b"))


def spec_of(protocol: str) -> SweepSpec:
    experiment = (
        "{methods: darts, skip: searched, spaces: nasbench201, data: {name: digits, max_train_images: 64}, seeds: 0, "
        f"epochs: 1, network: {{channels: 4, cells: 3}}, retraining: {{protocol: {protocol}}}}}"
    )
    return parse_spec(f"name: x\nexperiment: {experiment}\n", vocabulary(Path.cwd()))


def test_a_node_checks_the_data_as_check_does(tmp_path: Path) -> None:
    fine, sentence = look_at_data(spec_of("small"), tmp_path)
    assert fine
    assert "load_digits" in sentence
    fine, sentence = look_at_data(spec_of("cifar"), tmp_path)
    assert not fine
    assert sentence.startswith("experiment.data[0]: protocol cifar")


def test_nodes_that_differ_are_named() -> None:
    assert agreed_data({FIRST: (True, "digits"), SECOND: (True, "digits")}) == "digits"
    with pytest.raises(DataError) as same:
        agreed_data({FIRST: (False, "no val folder"), SECOND: (False, "no val folder")})
    assert str(same.value) == "no val folder"
    for second in ((True, "other digits"), (False, "no val folder")):
        with pytest.raises(DataError) as different:
            agreed_data({FIRST: (True, "digits"), SECOND: second})
        for text in (f"{FIRST}: digits", f"{SECOND}: {second[1]}", "Copy the same data"):
            assert text in str(different.value)
