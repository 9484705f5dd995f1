"""Exact weight counts of published supernets and networks.

Sources: the counts come from the official repositories where they state one, otherwise from an independent counter.
"""

from __future__ import annotations

from functools import cache

import pytest
import torch

from aca_ray.nn import DerivedNetwork, Supernet, num_parameters
from aca_ray.nn.edges import EdgeBuilder, FullEdge, attended_channels, partial_channels, ranked_partial_channels
from aca_ray.nn.image_scale import IMAGENET_SCALE
from aca_ray.space import PUBLISHED, SPACES, Genotype
from aca_ray.space.nasbench201 import parse_architecture_string
from aca_ray.space.published import parse_cell


@pytest.mark.parametrize(
    ("space", "build_edge", "channels", "num_cells", "num_classes", "expected"),
    [
        pytest.param("darts", FullEdge, 16, 8, 10, 1_930_618, id="darts"),
        pytest.param("darts_without_none", FullEdge, 16, 8, 10, 1_930_618, id="darts-without-none"),
        pytest.param("darts", FullEdge, 16, 8, 100, 1_953_748, id="darts-100-classes"),
        pytest.param("darts", FullEdge, 16, 5, 10, 1_275_834, id="darts-5-cells"),
        pytest.param("darts", partial_channels(4), 16, 8, 10, 299_578, id="pc-darts"),
        pytest.param("darts", ranked_partial_channels(4), 16, 8, 10, 299_578, id="pc-darts-ranked"),
        pytest.param("darts", attended_channels(4), 16, 8, 10, 521_786, id="adarts"),
        pytest.param("s1", FullEdge, 16, 8, 10, 405_146, id="s1"),
        pytest.param("s2", FullEdge, 16, 8, 10, 665_466, id="s2"),
        pytest.param("s3", FullEdge, 16, 8, 10, 665_466, id="s3"),
        pytest.param("s4", FullEdge, 16, 8, 10, 624_506, id="s4"),
        pytest.param("nasbench201", FullEdge, 16, 17, 10, 1_686_106, id="nasbench201"),
        pytest.param("darts_without_none", partial_channels(6), 36, 20, 10, 2_221_750, id="drnas-stage-1"),
    ],
)
def test_supernets(
    space: str, build_edge: EdgeBuilder, channels: int, num_cells: int, num_classes: int, expected: int
) -> None:
    with torch.device("meta"):
        supernet = Supernet(
            SPACES[space], channels=channels, num_cells=num_cells, num_classes=num_classes, build_edge=build_edge
        )
    assert num_parameters(supernet) == expected


ALL_SKIP, ALL_SEP3 = (parse_cell(" | ".join([f"{name}-0 {name}-1"] * 4)) for name in ("sk", "s3"))
NETWORKS = {
    "DARTS_V1": 3_169_414,
    "DARTS_V2": 3_349_342,
    "PC_DARTS_CIFAR": 3_634_678,
    "P_DARTS": 3_433_798,
    "DRNAS_CIFAR": 4_099_294,
    "ADARTS_V1": 2_897_902,
    "PR_DARTS": 3_444_814,
    "OPP_DARTS": 3_359_062,
    "FAIR_DARTS_A": 2_360_782,
}


@cache
def count(genotype: Genotype, *, num_classes: int = 10, auxiliary: bool = False) -> int:
    with torch.device("meta"):
        network = DerivedNetwork(
            genotype, None, channels=36, num_cells=20, num_classes=num_classes, auxiliary=auxiliary
        )
    return num_parameters(network)


@pytest.mark.parametrize(
    ("genotype", "expected"),
    [
        *(pytest.param(PUBLISHED[name], expected, id=name) for name, expected in NETWORKS.items()),
        pytest.param(Genotype(ALL_SKIP, ALL_SKIP), 1_580_950, id="all-skip"),
        pytest.param(Genotype(ALL_SEP3, ALL_SEP3), 4_701_718, id="all-sep3"),
    ],
)
def test_derived_networks(genotype: Genotype, expected: int) -> None:
    assert count(genotype) == expected


@pytest.mark.parametrize(("operation", "expected"), [("none", 73_306), ("nor_conv_3x3", 1_531_546)])
def test_networks_of_nasbench201(operation: str, expected: int) -> None:
    text = "|op~0|+|op~0|op~1|+|op~0|op~1|op~2|".replace("op", operation)
    with torch.device("meta"):
        network = DerivedNetwork(parse_architecture_string(text), None, channels=16, num_cells=17, num_classes=10)
    assert num_parameters(network) == expected


@pytest.mark.parametrize("name", NETWORKS)
def test_the_auxiliary_tower(name: str) -> None:
    # It follows cell 13, a reduction with four nodes of 144 channels each in all of these.
    assert count(PUBLISHED[name], auxiliary=True) - count(PUBLISHED[name]) == 476_426


def test_100_classes_widen_only_the_last_layer() -> None:
    # 4 nodes of 4 * 36 channels each, and a bias.
    assert count(PUBLISHED["DARTS_V2"], num_classes=100) - count(PUBLISHED["DARTS_V2"]) == 90 * (4 * 144 + 1)


@cache
def count_at_imagenet_scale(genotype: Genotype, num_classes: int = 1000, *, auxiliary: bool = False) -> int:
    with torch.device("meta"):
        network = DerivedNetwork(
            genotype,
            None,
            channels=48,
            num_cells=14,
            num_classes=num_classes,
            auxiliary=auxiliary,
            scale=IMAGENET_SCALE,
        )
    return num_parameters(network)


def added_up_at_imagenet_scale(genotype: Genotype, num_classes: int) -> int:
    """Return the parameters by layer: 14 cells, those with index 4 and 9 reductions, C = 48, 96, 192."""

    def norm(channels: int) -> int:
        return 2 * channels

    def operation(name: str, c: int, stride: int) -> int:
        depthwise = {kernel: kernel**2 * c + c * c + norm(c) for kernel in (3, 5)}
        if name == "skip_connect":
            return 0 if stride == 1 else 2 * (c * c // 2) + norm(c)
        if name.endswith("pool_3x3"):
            return 0
        return depthwise[int(name[-1])] * (2 if name.startswith("sep") else 1)

    total = 27 * 24 + norm(24) + 9 * 24 * 48 + norm(48) + 9 * 48 * 48 + norm(48)
    before = previous = 48
    for index in range(14):
        c = 48 * 2 ** ((index >= 4) + (index >= 9))
        cell = genotype.reduce if index in (4, 9) else genotype.normal
        total += before * c + norm(c) + previous * c + norm(c)
        for edge in cell.edges:
            total += operation(edge.operation, c, 2 if index in (4, 9) and edge.source < 2 else 1)
        before, previous = previous, len(cell.concat) * c
    return total + (previous + 1) * num_classes


# In millions, as the papers print them: 14 cells, 48 channels, 1000 classes.
@pytest.mark.parametrize(("name", "published"), [("DARTS_V2", 4.7), ("PC_DARTS_IMAGENET", 5.3), ("P_DARTS", 4.9)])
@pytest.mark.parametrize("num_classes", [10, 100, 1000])
def test_networks_at_imagenet_scale(name: str, published: float, num_classes: int) -> None:
    expected = added_up_at_imagenet_scale(PUBLISHED[name], num_classes)
    assert count_at_imagenet_scale(PUBLISHED[name], num_classes) == expected
    if num_classes == 1000:
        assert round(expected / 1e6, 1) == published


@pytest.mark.parametrize("num_classes", [10, 100, 1000])
def test_auxiliary_towers_by_layer(num_classes: int) -> None:
    genotype = PUBLISHED["DARTS_V2"]
    # They read a reduction of 4 nodes; for ImageNet there is no second norm.
    cifar = 4 * 144 * 128 + 2 * 128 + 4 * 128 * 768 + 2 * 768 + (768 + 1) * num_classes
    assert count(genotype, num_classes=num_classes, auxiliary=True) - count(genotype, num_classes=num_classes) == cifar
    imagenet = 4 * 192 * 128 + 2 * 128 + 4 * 128 * 768 + (768 + 1) * num_classes
    with_tower = count_at_imagenet_scale(genotype, num_classes, auxiliary=True)
    assert with_tower - count_at_imagenet_scale(genotype, num_classes) == imagenet
