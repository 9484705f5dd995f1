"""Agreement of two rankings, on hand-made cases."""

from __future__ import annotations

from dataclasses import replace

import pytest

from aca_ray.channels import Agreement, ChannelScores, agreement, allocate
from aca_ray.errors import ConfigError
from aca_ray.space import Genotype


def compare(previous: ChannelScores, current: ChannelScores, before: Genotype, after: Genotype) -> Agreement:
    return agreement(
        previous, current, allocate(previous, before, "sign", seed=0), allocate(current, after, "sign", seed=0)
    )


@pytest.mark.parametrize(
    ("one", "other", "tau", "jaccard"),
    [
        ((1.0, 2.0, -3.0, 4.0), (1.0, 2.0, -3.0, 4.0), 1.0, 1.0),
        ((1.0, 2.0, 3.0, -4.0), (-1.0, -2.0, -3.0, 4.0), -1.0, 0.0),
        ((1.0, 2.0, 3.0, 4.0), (1.0, 2.0, 4.0, 3.0), 4 / 6, 1.0),  # one of six pairs swapped
        ((4.0, 3.0, -1.0, -2.0), (4.0, -3.0, -1.0, -2.0), 2 / 6, 0.5),  # 0-1 swapped with 2 and 3
        ((1.0, 1.0, 2.0), (1.0, 2.0, 3.0), 2 / 6**0.5, 1.0),  # one tie: 2 / sqrt(2 * 3)
        ((0.0, 0.0), (0.0, 0.0), None, 1.0),  # tau is undefined, two empty sets are equal
    ],
)
def test_known_values(hand_made, genotype, one, other, tau, jaccard) -> None:
    found = compare(
        hand_made(genotype, lambda cell, edge: one), hand_made(genotype, lambda cell, edge: other), genotype, genotype
    )
    assert found.kendall_tau == (None if tau is None else pytest.approx(tau))
    assert found.jaccard == pytest.approx(jaccard)


def test_only_common_edges_with_a_defined_tau_count(hand_made, genotype) -> None:
    def one(cell: int, edge: int) -> tuple[float, ...]:
        return (0.0, 0.0) if edge == 1 else (1.0, 2.0)

    def other(cell: int, edge: int) -> tuple[float, ...]:
        return (2.0, 1.0) if edge == 2 else (1.0, 2.0)

    kept = genotype.normal.edges
    # The later genotype keeps the first edge with another operation.
    normal = replace(genotype.normal, edges=(kept[0]._replace(operation="dil_conv_3x3"), *kept[1:3]))
    later = Genotype(
        normal, replace(genotype.reduce, edges=(genotype.reduce.edges[0]._replace(operation="noise"),), concat=(2,))
    )
    found = compare(hand_made(genotype, one), hand_made(later, other), genotype, later)
    # Common: normal edges 1 (tau undefined) and 2 (tau -1) of three cells; kept sets empty against full, and equal.
    assert found == Agreement(kendall_tau=-1.0, jaccard=0.5)


def test_edges_match_by_identity_not_by_position(hand_made, genotype) -> None:
    kept = genotype.normal.edges
    turned = Genotype(replace(genotype.normal, edges=(kept[1], kept[0], kept[2], kept[3])), genotype.reduce)
    values = {edge: (float(index), -1.0, 0.5) for index, edge in enumerate((*kept, *genotype.reduce.edges))}
    by_edge = [
        hand_made(
            shape, lambda cell, edge, shape=shape: values[shape.cell("reduce" if cell % 2 else "normal").edges[edge]]
        )
        for shape in (genotype, turned)
    ]
    assert compare(*by_edge, genotype, turned) == Agreement(kendall_tau=pytest.approx(1.0), jaccard=1.0)


def test_nothing_in_common(hand_made, genotype) -> None:
    other = Genotype(
        *(
            replace(cell, edges=tuple(edge._replace(operation="sep_conv_5x5") for edge in cell.edges))
            for cell in (genotype.normal, genotype.reduce)
        )
    )
    scores = [hand_made(shape, lambda cell, edge: (1.0, 2.0)) for shape in (genotype, other)]
    assert compare(*scores, genotype, other) == Agreement(kendall_tau=None, jaccard=None)


def test_refuses_supernets_of_different_width(hand_made, genotype) -> None:
    narrow, wide = (hand_made(genotype, lambda cell, edge, n=n: tuple(map(float, range(n)))) for n in (2, 4))
    with pytest.raises(ConfigError, match=r"^agreement: .*cell 0, edge 0-2 .*width.*found 2 and 4 channels"):
        compare(narrow, wide, genotype, genotype)
