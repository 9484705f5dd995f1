from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

import pytest

from aca_ray.errors import ConfigError
from aca_ray.report.mixing import draw_mixing, mixing_svg
from aca_ray.space import find_space

GRAY = "#d9d9d9"

Parse = Callable[[str], Element]


def alphas_of(space_name: str) -> dict[str, Any]:
    """Return weights of 1, 2, ... hundredths, edge by edge, and their names."""
    space = find_space(space_name)
    cells = {cell_type: space.candidates(cell_type) for cell_type in space.cell_types}
    weights = {
        cell: [[0.01 * (1 + i) for i, _ in enumerate(names)] for names in edges] for cell, edges in cells.items()
    }
    return {**weights, "candidates": {cell: [list(names) for names in edges] for cell, edges in cells.items()}}


def luminance(color: str) -> float:
    values = (int(color[index : index + 2], 16) / 255 for index in (1, 3, 5))
    red, green, blue = (v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("space", ["darts", "s1", "s2", "s3", "s4", "nasbench201"])
def test_every_weight_has_a_field_and_a_number(space: str, parse_svg: Parse) -> None:
    alphas = alphas_of(space)
    root = parse_svg(mixing_svg(alphas))
    weights = [weight for cell in ("normal", "reduce") for row in alphas.get(cell, ()) for weight in row]
    fields = root.findall("{*}path")
    assert sum(field.get("fill") != GRAY for field in fields) == len(weights)
    below = {text.text for text in root.iterfind(".//{*}text")}
    assert {f"{weight:.2f}" for weight in weights} <= below
    assert ("Reduction cell" in below) == ("reduce" in alphas)
    assert f"{max(weights):.2f} mixing weight" in below
    description = root.findtext("{*}desc") or ""
    for name in alphas["candidates"]["normal"][0]:
        assert name.removeprefix("plain_") in description


def test_candidates_that_an_edge_does_not_offer_are_gray(parse_svg: Parse) -> None:
    alphas = alphas_of("darts")
    alphas["candidates"]["normal"][0] = ["noise", "sep_conv_3x3"]
    alphas["normal"][0] = [0.25, 0.75]
    root = parse_svg(mixing_svg(alphas))
    fills = [field.get("fill") for field in root.findall("{*}path")]
    num_columns = 8 + 1
    assert [column for column in range(num_columns) if fills[column] != GRAY] == [4, 8]
    assert fills[:num_columns].count(GRAY) == 7
    assert fills[num_columns : 14 * num_columns].count(GRAY) == 13  # no other edge offers noise
    assert GRAY not in fills[14 * num_columns :]


def test_deleted_edges_are_gray_and_have_no_column(parse_svg: Parse) -> None:
    alphas = alphas_of("darts(skip_connect,sep_conv_5x5;normal 0->3=none)")
    alphas["normal"][2] = [1.0]
    root = parse_svg(mixing_svg(alphas))
    fills = [field.get("fill") for field in root.findall("{*}path")]
    assert len(fills) == 2 * 2 * 14
    assert [number for number, fill in enumerate(fills) if fill == GRAY] == [4, 5]
    assert "0.02 mixing weight" in {text.text for text in root.iterfind(".//{*}text")}
    assert "edge 0->3: deleted;" in (root.findtext("{*}desc") or "")


def test_larger_is_lighter_and_numbers_can_be_read(parse_svg: Parse) -> None:
    alphas = alphas_of("darts")
    alphas["normal"][0] = [0.0, 0.1, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0]
    root = parse_svg(mixing_svg(alphas))
    fields = [str(field.get("fill")) for field in root.findall("{*}path")]
    lightness = [luminance(color) for color in fields[:8]]
    assert lightness == sorted(lightness)
    assert (fields[0], fields[7]) == ("#00224e", "#fee838")
    numbers = [text for text in root.iterfind(".//{*}text") if (text.text or "")[1:2] == "."]
    for number, color in zip(numbers, fields[:8], strict=False):
        ground = luminance(color) + 0.05
        contrast = 1.05 / ground if number.get("fill") == "white" else ground / 0.05
        assert contrast >= 4.5, color


def test_weights_of_zero_are_drawn(tmp_path: Path, parse_svg: Parse) -> None:
    alphas = {"normal": [[0.0]], "candidates": {"normal": [["noise"]]}}
    first, second = draw_mixing(alphas, tmp_path / "first.svg"), draw_mixing(alphas, tmp_path / "second.svg")
    assert first.read_bytes() == second.read_bytes() == mixing_svg(alphas).encode()
    assert [field.get("fill") for field in parse_svg(mixing_svg(alphas)).findall("{*}path")] == ["#00224e"]


def test_weights_and_names_must_match(tmp_path: Path) -> None:
    alphas = alphas_of("s2")
    with pytest.raises(ConfigError, match=r"mixing\.png: .*\.svg, found '\.png'"):
        draw_mixing(alphas, tmp_path / "mixing.png")
    alphas["reduce"][3] = [1.0]
    with pytest.raises(ConfigError, match=r"alphas\.reduce: .*one weight per name"):
        draw_mixing(alphas, tmp_path / "mixing.svg")
    with pytest.raises(ConfigError, match=r"alphas: .*candidates\.normal"):
        draw_mixing({"normal": []}, tmp_path / "mixing.svg")
    alphas = {"normal": [[1.0]], "reduce": [[1.0]], "candidates": {"normal": [["noise"]], "reduce": [["noise"]]}}
    with pytest.raises(ConfigError, match=r"alphas\.normal: .*found 1 edges"):
        draw_mixing(alphas, tmp_path / "mixing.svg")
    assert not list(tmp_path.iterdir())
