"""Cells as text."""

from __future__ import annotations

from aca_ray.report.cell_text import cell_text
from aca_ray.space import ChannelPlan, EdgePlan, Genotype
from aca_ray.space.nasbench201 import parse_architecture_string
from aca_ray.space.published import parse_cell


def test_kept_channels_as_bars() -> None:
    cell = parse_cell("s3-0 sk-1")
    shares = ((0.0, 1.0), (0.5, 0.25), (0.0625, 0.0), (1.0, 1.0), (1.0, 1.0))
    order = tuple(range(4))
    stages = tuple(tuple(EdgePlan(share, order) for share in stage) for stage in shares)
    text = cell_text(Genotype(cell, cell), ChannelPlan("x", "y", stages), {0: 16, 1: 32, 2: 32})
    assert text.splitlines() == [
        "normal cell, output of 2",
        "node  from  operation     stage 0 keeps   stage 2 keeps",
        "2     0     sep_conv_3x3           0/16   ▌        2/32",
        "2     1     skip_connect  ████████ 16/16           0/32",
        "",
        "reduction cell, output of 2",
        "node  from  operation     stage 1 keeps",
        "2     0     sep_conv_3x3  ████     16/32",
        "2     1     skip_connect  ██       8/32",
    ]


def test_cells_without_a_plan_have_no_bars() -> None:
    genotype = parse_architecture_string("|nor_conv_3x3~0|+|none~0|none~1|+|avg_pool_3x3~0|none~1|skip_connect~2|")
    assert cell_text(genotype, None, {0: 16, 1: 32, 2: 32}).splitlines() == [
        "normal cell, output of 3",
        "node  from  operation",
        "1     0     nor_conv_3x3",
        "3     0     avg_pool_3x3",
        "3     2     skip_connect",
    ]
