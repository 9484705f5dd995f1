"""The registered spaces, with and without skip connections."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from aca_ray.errors import ConfigError
from aca_ray.space import CELL_TYPES, SPACES, Space, Topology, find_space, without_skip

EDGES = (("sep_conv_3x3",), ("max_pool_3x3", "skip_connect"))
VALID = Space("tiny", Topology(num_inputs=2, num_nodes=1), normal=EDGES, reduce=EDGES)


def counts(space: Space, cell_type: str) -> Counter[str]:
    return Counter(name for names in space.candidates(cell_type) for name in names)


def test_uniform_spaces() -> None:
    for name, candidates in {
        "darts": "none max_pool_3x3 avg_pool_3x3 skip_connect sep_conv_3x3 sep_conv_5x5 dil_conv_3x3 dil_conv_5x5",
        "darts_without_none": "max_pool_3x3 avg_pool_3x3 skip_connect sep_conv_3x3 sep_conv_5x5 dil_conv_3x3 "
        "dil_conv_5x5",
        "s2": "skip_connect sep_conv_3x3",
        "s3": "none skip_connect sep_conv_3x3",
        "s4": "noise sep_conv_3x3",
    }.items():
        assert SPACES[name].normal == SPACES[name].reduce == (tuple(candidates.split()),) * 14


def test_s1_offers_two_candidates_on_every_edge() -> None:
    space = SPACES["s1"]
    assert {len(names) for cell_type in CELL_TYPES for names in space.candidates(cell_type)} == {2}
    # Column sums of the published table.
    assert counts(space, "normal") == Counter(
        skip_connect=12, dil_conv_3x3=6, dil_conv_5x5=4, sep_conv_3x3=4, max_pool_3x3=2
    )
    assert counts(space, "reduce") == Counter(
        max_pool_3x3=8, avg_pool_3x3=6, skip_connect=6, dil_conv_5x5=5, dil_conv_3x3=2, sep_conv_3x3=1
    )
    assert space.normal[5] == ("max_pool_3x3", "skip_connect")
    assert space.reduce[6] == ("max_pool_3x3", "sep_conv_3x3")


def test_names_are_the_registry_keys() -> None:
    assert all(find_space(name).name == name for name in SPACES)


@pytest.mark.parametrize("name", SPACES)
def test_without_skip_removes_every_skip_and_nothing_else(name: str) -> None:
    space = SPACES[name]
    stripped = without_skip(space)
    for cell_type in CELL_TYPES:
        before, after = counts(space, cell_type), counts(stripped, cell_type)
        assert after["skip_connect"] == 0
        del before["skip_connect"], after["skip_connect"]
        assert after == before
        for names, left in zip(space.candidates(cell_type), stripped.candidates(cell_type), strict=True):
            assert [candidate for candidate in names if candidate in left] == list(left)  # same order
    assert without_skip(stripped) is stripped


def test_without_skip_of_s4_is_the_same_object() -> None:
    assert without_skip(SPACES["s4"]) is SPACES["s4"]


def test_without_skip_says_so_in_the_name() -> None:
    assert without_skip(SPACES["darts"]).name == "darts_without_skip"


def test_without_skip_of_s2_and_s3() -> None:
    assert without_skip(SPACES["s2"]).normal == (("sep_conv_3x3",),) * 14
    assert without_skip(SPACES["s3"]).reduce == (("none", "sep_conv_3x3"),) * 14


@pytest.mark.parametrize("alone", [("skip_connect",), ("none", "skip_connect")])
def test_an_edge_with_nothing_else_keeps_its_skip(alone: tuple[str, ...]) -> None:
    stripped = without_skip(replace(VALID, normal=(alone, ("none", "skip_connect", "noise"))))
    assert stripped.normal == (alone, ("none", "noise"))


@pytest.mark.parametrize(
    ("edges", "message"),
    [
        ((("noise",),), r"space tiny\.normal: needs 2 edges, has 1"),
        ((("noise",), ()), r"space tiny\.normal\[1\]: needs at least one candidate"),
        ((("noise", "noise"), ("noise",)), r"space tiny\.normal\[0\]: .* none twice"),
        ((("noise",), ("sep_conv_3",)), r"space tiny\.normal\[1\]: unknown operation .* mean sep_conv_3x3\?"),
    ],
)
def test_malformed_spaces_are_refused(edges: tuple[tuple[str, ...], ...], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        replace(VALID, normal=edges)
    with pytest.raises(ConfigError, match=message.replace("normal", "reduce")):
        replace(VALID, reduce=edges)


def test_a_space_of_one_input_cells_has_no_reduction_cell() -> None:
    with pytest.raises(ConfigError, match=r"space tiny\.reduce: needs 0 edges, has 1"):
        Space("tiny", Topology(num_inputs=1, num_nodes=1), normal=(("noise",),), reduce=(("noise",),))
    with pytest.raises(ConfigError, match=r"space tiny\.reduce: needs 2 edges, has 0"):
        replace(VALID, reduce=())


def test_unknown_space_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"^experiment\.spaces\[0\]: unknown space 'dart'\. Did you mean darts\?"):
        find_space("dart", "experiment.spaces[0]")
