"""Networks for people who want only the model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

import aca_ray
from aca_ray.nn import num_parameters
from aca_ray.space import PUBLISHED, EdgePlan, network_json
from aca_ray.space.topology import stage_cell_type

TINY = {"base": "cifar", "channels": 4, "cells": 3}
PRINTED = (
    "genotype = Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('sep_conv_3x3', 1), "
    "('sep_conv_3x3', 1), ('skip_connect', 0), ('skip_connect', 0), ('dil_conv_3x3', 2)], normal_concat=[2, 3, 4, 5], "
    "reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1), ('skip_connect', 2), ('max_pool_3x3', 1), ('max_pool_3x3', 0), "
    "('skip_connect', 2), ('skip_connect', 2), ('max_pool_3x3', 1)], reduce_concat=[2, 3, 4, 5])"
)


def plan_of(genotype: aca_ray.Genotype, kept: float) -> aca_ray.ChannelPlan:
    """Return a plan in which every operation keeps a share of its channels."""
    order = tuple(range(4))
    stages = tuple(
        tuple(EdgePlan(kept, order) for _ in genotype.cell(stage_cell_type(stage)).edges) for stage in range(5)
    )
    return aca_ray.ChannelPlan("drawn", "drawn", stages)


def test_the_published_network_has_the_published_size() -> None:
    network = aca_ray.build("DARTS_V2", num_classes=10)
    assert isinstance(network, aca_ray.DerivedNetwork)
    assert isinstance(network, torch.nn.Module)
    assert network.training
    assert round(num_parameters(network) / 1e6, 2) == 3.35  # Liu et al. 2019 print 3.3 M


@pytest.mark.parametrize(("classes", "channels"), [(10, 3), (7, 1)])
def test_images_in_and_logits_out(classes: int, channels: int) -> None:
    network = aca_ray.build("DARTS_V2", classes, protocol=TINY, in_channels=channels)
    logits = network(torch.randn(2, channels, 16, 16))
    assert logits.shape == (2, classes)
    logits.sum().backward()
    assert all(weight.grad is not None for weight in network.parameters())


def test_a_genotype_in_every_form_is_the_same_network(tmp_path: Path) -> None:
    genotype = PUBLISHED["DARTS_V2"]
    (tmp_path / "printed.txt").write_text(PRINTED)
    (tmp_path / "network.json").write_text(json.dumps(network_json(genotype, None)))
    forms: list[Any] = ["DARTS_V2", genotype, PRINTED, tmp_path / "printed.txt", str(tmp_path / "network.json")]
    images, found = torch.randn(1, 3, 16, 16), []
    for form in forms:
        torch.manual_seed(0)
        found.append(aca_ray.build(form, protocol=TINY).eval()(images))
    for logits in found:
        assert torch.equal(logits, found[0])


def test_architecture_strings() -> None:
    text = "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_3x3~1|skip_connect~2|"
    network = aca_ray.build(text, num_classes=4, protocol="nasbench201")
    assert network(torch.randn(2, 3, 8, 8)).shape == (2, 4)


def test_plans_of_files_and_of_arguments(tmp_path: Path) -> None:
    genotype = PUBLISHED["DARTS_V2"]
    half, none = plan_of(genotype, 0.5), plan_of(genotype, 0.0)
    (tmp_path / "network.json").write_text(json.dumps(network_json(genotype, half)))
    forms = [
        (genotype, None),
        (genotype, half),
        (genotype, none),
        (tmp_path / "network.json", None),
        (tmp_path / "network.json", none),
    ]
    plain, halved, emptied, of_file, over_file = (
        num_parameters(aca_ray.build(form, protocol=TINY, plan=plan)) for form, plan in forms
    )
    assert len({plain, halved, emptied}) == 3
    assert (of_file, over_file) == (halved, emptied)


def test_the_auxiliary_tower_is_for_training() -> None:
    network = aca_ray.build("DARTS_V2", 5, protocol=TINY, auxiliary=True)
    images = torch.randn(2, 3, 32, 32)
    logits, auxiliary = network.forward_with_auxiliary(images)
    assert auxiliary is not None
    assert logits.shape == auxiliary.shape == network(images).shape == (2, 5)
    assert network.eval().forward_with_auxiliary(images)[1] is None


def test_all_problems_are_reported_at_once() -> None:
    plan = plan_of(PUBLISHED["FAIR_DARTS_A"], 0.5)
    with pytest.raises(aca_ray.ConfigError) as caught:
        aca_ray.build("DARTS_V2", 0, protocol={"base": "cifar", "cell": 3}, plan=plan, in_channels=1.5)  # type: ignore[arg-type]
    places = [problem.partition(":")[0] for problem in caught.value.problems]
    assert places == ["num_classes", "in_channels", "protocol.cell", "channel plan"]


@pytest.mark.parametrize(
    ("genotype", "problem"),
    [
        ("DARTS_V3", "Did you mean DARTS_V"),
        (3, "must be a name, a text, a path or a Genotype, found 3"),
        ("Genotype(normal=[", "not closed"),
    ],
)
def test_what_is_no_genotype(genotype: Any, problem: str) -> None:
    with pytest.raises(aca_ray.ConfigError, match=problem):
        aca_ray.build(genotype)
