"""Genotypes are read as other codebases print them, whatever surrounds them, and never evaluated."""

from __future__ import annotations

from pathlib import Path

import pytest

from aca_ray.errors import ConfigError
from aca_ray.space import PUBLISHED
from aca_ray.space.nasbench201 import parse_architecture_string
from aca_ray.space.printed import is_printed, parse_printed, printed_title
from aca_ray.trials.standalone import named_network, network_title

# As in genotypes.py of the official DARTS code.
DARTS_V2 = (
    "Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('sep_conv_3x3', 1), "
    "('sep_conv_3x3', 1), ('skip_connect', 0), ('skip_connect', 0), ('dil_conv_3x3', 2)], normal_concat=[2, 3, 4, 5], "
    "reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1), ('skip_connect', 2), ('max_pool_3x3', 1), ('max_pool_3x3', 0), "
    "('skip_connect', 2), ('skip_connect', 2), ('max_pool_3x3', 1)], reduce_concat=[2, 3, 4, 5])"
)
ARCHITECTURE = "|nor_conv_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|none~0|avg_pool_3x3~1|nor_conv_3x3~2|"


@pytest.mark.parametrize(
    "text",
    [
        DARTS_V2,
        f"DARTS_V2 = {DARTS_V2}\n",
        f"genotype = {DARTS_V2}",
        f"03/14 10:00:00 AM genotype = {DARTS_V2}",
        f"2026-03-14 10:00:00,123 - INFO - genotype: {DARTS_V2} (epoch 49)",
        DARTS_V2.replace(", ", ",\n    "),
        DARTS_V2.replace("'", '"'),
        DARTS_V2.replace("[2, 3, 4, 5]", "range(2, 6)"),
        DARTS_V2.replace("[2, 3, 4, 5]", "list(range(2, 6))"),
        DARTS_V2.replace("[2, 3, 4, 5]", "(2, 3, 4, 5)"),
        DARTS_V2.replace(", 0)", ", np.int64(0))"),
        DARTS_V2.replace("normal_concat=", "")
        .replace("reduce_concat=", "")
        .replace("normal=", "")
        .replace("reduce=", ""),
        f"epoch 1: {DARTS_V2}\nepoch 2: {DARTS_V2.replace('[2, 3, 4, 5]', 'range(2, 6)')}\n",
    ],
)
def test_genotypes_of_the_darts_space(text: str) -> None:
    assert is_printed(text)
    assert parse_printed(text) == PUBLISHED["DARTS_V2"]


@pytest.mark.parametrize(
    "text",
    [ARCHITECTURE, f"arch_str = '{ARCHITECTURE}'", f"Structure(4 nodes with {ARCHITECTURE})", f"(0) {ARCHITECTURE}"],
)
def test_architecture_strings(text: str) -> None:
    assert is_printed(text)
    assert parse_printed(text) == parse_architecture_string(ARCHITECTURE)


@pytest.mark.parametrize(
    "text", ["DARTS_V2", "results/small", "Genotype", "a|b", "file.txt", "", "genotype.json", "x" * 900_000]
)
def test_names_and_paths_are_not_printed_genotypes(text: str) -> None:
    assert not is_printed(text)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (DARTS_V2[:-1], "is not closed"),
        (DARTS_V2.replace("reduce_concat=", "reduced="), "needs normal, normal_concat, reduce, reduce_concat"),
        (DARTS_V2.replace("sep_conv_3x3", "sepconv"), "unknown operation 'sepconv'"),
        (DARTS_V2.replace("('sep_conv_3x3', 0), ", "", 1), "normal .*found 7"),
        (DARTS_V2.replace("('sep_conv_3x3', 0)", "('sep_conv_3x3', 0, 2)", 1), r"normal\[0\] must be a pair"),
        (DARTS_V2.replace("('sep_conv_3x3', 0)", "('sep_conv_3x3', 9)", 1), "reads node 9"),
        (DARTS_V2.replace("('sep_conv_3x3', 0)", "('sep_conv_3x3', True)", 1), "found True"),
        (DARTS_V2.replace("[2, 3, 4, 5]", "range(2, 10**9)"), r"found 10 ?\*\* ?9"),
        (DARTS_V2.replace("[2, 3, 4, 5]", "range(2, 1000000)"), "concat must be"),
        (DARTS_V2.replace("[2, 3, 4, 5]", "open('x')"), "concat must be"),
        ("Genotype(" + "(" * 5000 + ")" * 5001, "cannot be read|needs normal"),
        ("Genotype(normal=1 2)", "cannot be read"),
        ("Genotype()", "needs normal"),
        (f"ONE = {DARTS_V2}\nTWO = {DARTS_V2.replace('skip_connect', 'sep_conv_5x5')}", r" 2 .*\(ONE, TWO\)"),
        ("x" * 2_000_000, "at most 1,000,000"),
        ("nothing", "contains none"),
        (ARCHITECTURE.replace("none~0", "nothing~0"), "unknown operation 'nothing'"),
    ],
)
def test_texts_without_exactly_one_genotype(text: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        parse_printed(text)


def test_nothing_is_evaluated(tmp_path: Path) -> None:
    call = f"__import__('pathlib').Path({str(tmp_path / 'made')!r}).touch()"
    with pytest.raises(ConfigError):
        parse_printed(DARTS_V2.replace("[2, 3, 4, 5]", call))
    assert list(tmp_path.iterdir()) == []


def test_titles() -> None:
    assert printed_title(f"MINE = {DARTS_V2}") == "MINE"
    assert printed_title(f"genotype = {DARTS_V2}").startswith("genotype_")
    assert printed_title(DARTS_V2) == printed_title(DARTS_V2.replace(", ", ",\n"))
    assert network_title("DARTS_V2") == "DARTS_V2"
    assert network_title(ARCHITECTURE) == ARCHITECTURE
    assert len(network_title(DARTS_V2)) < 30


def test_files(tmp_path: Path) -> None:
    (tmp_path / "log.txt").write_text(f"03/14 genotype = {DARTS_V2}\n")
    assert named_network(str(tmp_path / "log.txt")) == (PUBLISHED["DARTS_V2"], None)
    (tmp_path / "other.txt").write_text("nothing")
    with pytest.raises(ConfigError, match=r"other\.txt: genotype: .*contains none"):
        named_network(str(tmp_path / "other.txt"))
    with pytest.raises(ConfigError, match=r"network: unknown genotype 'xxx.*no file"):
        named_network("x" * 5000)
