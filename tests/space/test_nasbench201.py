"""The space of NAS-Bench-201, and its architecture strings."""

from __future__ import annotations

import random

import pytest

from aca_ray.errors import ConfigError
from aca_ray.space import PUBLISHED, SPACES, CellGenotype, Genotype, KeptEdge, without_skip
from aca_ray.space.genotype import RESIDUAL_BLOCK
from aca_ray.space.nasbench201 import architecture_string, parse_architecture_string

SPACE = SPACES["nasbench201"]
NAMES = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")


def genotype(*edges: tuple[str, int, int], concat: tuple[int, ...] = (3,)) -> Genotype:
    return Genotype(CellGenotype(tuple(KeptEdge(*edge) for edge in edges), concat, 1), RESIDUAL_BLOCK)


def test_the_space() -> None:
    # The benchmark sorts edges by their names, which start with the target.
    by_name = sorted(f"{target}<-{source}" for target in (1, 2, 3) for source in range(target))
    assert [f"{target}<-{source}" for source, target in SPACE.topology.edges] == by_name
    assert list(SPACE.topology.output_nodes) == [3]
    assert SPACE.normal == ((*NAMES[:4], "plain_avg_pool_3x3"),) * 6
    assert SPACE.cell_types == ("normal",)
    assert SPACES["s1"].cell_types == ("normal", "reduce")
    assert list(SPACES["darts"].topology.output_nodes) == [2, 3, 4, 5]


def test_without_skip() -> None:
    stripped = without_skip(SPACE)
    assert stripped.normal == (("none", "nor_conv_1x1", "nor_conv_3x3", "plain_avg_pool_3x3"),) * 6
    assert (stripped.reduce, stripped.cell_types) == ((), ("normal",))


def test_a_string_read_by_eye() -> None:
    text = "|nor_conv_3x3~0|+|none~0|avg_pool_3x3~1|+|skip_connect~0|none~1|nor_conv_1x1~2|"
    read = parse_architecture_string(text)
    assert read.normal.edges == (
        ("nor_conv_3x3", 0, 1),
        ("plain_avg_pool_3x3", 1, 2),
        ("skip_connect", 0, 3),
        ("nor_conv_1x1", 2, 3),
    )
    assert (read.normal.concat, read.normal.nodes, read.num_inputs) == ((3,), (1, 2, 3), 1)
    assert read.reduce == RESIDUAL_BLOCK
    assert (read.num_skips, read.num_parametric) == (1, 2)
    assert architecture_string(read) == text


def test_strings_and_json_round_trip() -> None:
    draw = random.Random(0)
    genotypes = set()
    for _ in range(300):
        a, b, c, d, e, f = draw.choices(NAMES, k=6)
        text = f"|{a}~0|+|{b}~0|{c}~1|+|{d}~0|{e}~1|{f}~2|"
        read = parse_architecture_string(text)
        assert len(read.normal.edges) == 6 - (a, b, c, d, e, f).count("none")
        assert architecture_string(read) == text
        assert Genotype.from_json(read.to_json()) == read
        genotypes.add((text, read))
    assert len({text for text, _ in genotypes}) == len({read for _, read in genotypes}) > 250


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "needs the form"),
        ("|none~0|+|none~0|none~1|+|none~0|none~1|none~2", "needs the form"),
        ("|none~0|+|none~0|none~1|+|none~0|none~1|", "needs the form"),
        ("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|+|none~0|", "needs the form"),
        ("|none~0|+|none~1|none~0|+|none~0|none~1|none~2|", "needs the form"),
        ("|none~0||none~0|none~1|+|none~0|none~1|none~2|", "needs the form"),
        ("|none~0|+|none~0|none~1|+|none~0|none~1|none|", "needs the form"),
        ("|nor_conv_5x5~0|+|none~0|none~1|+|none~0|none~1|none~2|", "unknown operation 'nor_conv_5x5'. Did you mean"),
        ("|plain_avg_pool_3x3~0|+|none~0|none~1|+|none~0|none~1|none~2|", "unknown operation 'plain_avg_pool_3x3'"),
    ],
)
def test_malformed_strings_are_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=f"^architecture string: .*{message}"):
        parse_architecture_string(text)


@pytest.mark.parametrize(
    "other",
    [
        PUBLISHED["DARTS_V1"],
        genotype(("nor_conv_1x1", 0, 1), ("nor_conv_3x3", 0, 1)),
        genotype(("sep_conv_3x3", 0, 1)),
        genotype(("avg_pool_3x3", 0, 1)),  # with a batch norm in the supernet: a candidate of DARTS
        genotype(("nor_conv_1x1", 0, 1), concat=(2,)),
    ],
)
def test_genotypes_of_other_spaces_have_no_string(other: Genotype) -> None:
    with pytest.raises(ConfigError, match=r"^architecture string: .*found CellGenotype"):
        architecture_string(other)
