"""Metrics of an architecture, against values computed by hand."""

from __future__ import annotations

import math

import pytest
import torch

from aca_ray.nn import CellMixing, Mixing
from aca_ray.search.probes import architecture_probes
from aca_ray.space import PUBLISHED, SPACES, Space, Topology

GENOTYPE = PUBLISHED["DARTS_V1"]  # 6 skips, 5 operations with weights
PAIR = ("skip_connect", "sep_conv_3x3")
SPACE = Space("tiny", Topology(num_inputs=2, num_nodes=1), normal=(PAIR, ("noise",)), reduce=((*PAIR, "none"), PAIR))


def entropy(normal: list[list[float]], reduce: list[list[float]]) -> float:
    mixing = Mixing(CellMixing(torch.tensor(normal)), CellMixing(torch.tensor(reduce)))
    return architecture_probes(mixing, SPACE, GENOTYPE)["arch/entropy"]


def test_undecided_is_one_and_decided_is_zero() -> None:
    third = 1 / 3
    assert entropy([[0.5, 0.5], [1.0, 0.0]], [[third, third, third], [0.5, 0.5, 0.0]]) == pytest.approx(1.0)
    assert entropy([[1.0, 0.0], [1.0, 0.0]], [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0]]) == pytest.approx(0.0)


def test_edges_are_averaged_and_normalized_by_their_own_number_of_candidates() -> None:
    quarter = -(0.25 * math.log(0.25) + 0.75 * math.log(0.75)) / math.log(2)
    halves = math.log(2) / math.log(3)
    found = entropy([[0.25, 0.75], [1.0, 0.0]], [[0.5, 0.5, 0.0], [1.0, 0.0, 0.0]])
    assert found == pytest.approx((quarter + halves + 0.0) / 3)
    # Independent gates need not add up to 1; shares count.
    assert entropy([[0.3, 0.9], [0.2, 0.0]], [[0.8, 0.8, 0.0], [0.1, 0.0, 0.0]]) == pytest.approx(found)


def test_with_nothing_to_decide_entropy_is_zero() -> None:
    space = Space("single", SPACE.topology, normal=(("noise",),) * 2, reduce=(("noise",),) * 2)
    mixing = Mixing(*(CellMixing(torch.ones(2, 1)) for _ in range(2)))
    assert architecture_probes(mixing, space, GENOTYPE)["arch/entropy"] == 0.0


def test_counts_are_the_genotypes() -> None:
    mixing = Mixing(*(CellMixing(torch.rand(14, 8)) for _ in range(2)))
    probes = architecture_probes(mixing, SPACES["darts"], GENOTYPE)
    assert (probes["arch/skip_count"], probes["arch/parametric_count"]) == (6.0, 5.0)
