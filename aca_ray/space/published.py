"""Published genotypes by name.

Source: the genotype files of the official repositories of Liu et al. 2019 (DARTS), Xu et al. 2020 (PC-DARTS), Chen et
al. 2019 (P-DARTS), Chen et al. 2021 (DrNAS), Xue & Qin 2022 (ADARTS), Zhou et al. 2020 (PR-DARTS), Zhu et al. 2023
(OPP-DARTS) and Chu et al. 2020 (FairDARTS).
"""

from __future__ import annotations

from aca_ray.space.candidates import SKIP
from aca_ray.space.genotype import CellGenotype, Genotype, KeptEdge

_SHORT = {
    "s3": "sep_conv_3x3",
    "s5": "sep_conv_5x5",
    "d3": "dil_conv_3x3",
    "d5": "dil_conv_5x5",
    "sk": SKIP,
    "mp": "max_pool_3x3",
    "ap": "avg_pool_3x3",
}


def parse_cell(text: str) -> CellGenotype:
    """Return the cell that a short text describes.

    Nodes from 2 on are separated by ``|``; each is a list of operation-source pairs, and an empty one is not computed.
    Example: ``s3-1 s3-0 | sk-0 s3-1 | sk-0 s3-1 | s3-0 sk-2``.
    """
    edges: list[KeptEdge] = []
    for node, pairs in enumerate(text.split("|"), start=2):
        for pair in pairs.split():
            short, source = pair.split("-")
            edges.append(KeptEdge(_SHORT[short], int(source), node))
    return CellGenotype(tuple(edges), tuple(dict.fromkeys(edge.target for edge in edges)))


def _genotype(normal: str, reduce: str) -> Genotype:
    return Genotype(parse_cell(normal), parse_cell(reduce))


PUBLISHED: dict[str, Genotype] = {
    "DARTS_V1": _genotype(
        "s3-1 s3-0 | sk-0 s3-1 | sk-0 s3-1 | s3-0 sk-2",
        "mp-0 mp-1 | sk-2 mp-0 | mp-0 sk-2 | sk-2 ap-0",
    ),
    "DARTS_V2": _genotype(
        "s3-0 s3-1 | s3-0 s3-1 | s3-1 sk-0 | sk-0 d3-2",
        "mp-0 mp-1 | sk-2 mp-1 | mp-0 sk-2 | sk-2 mp-1",
    ),
    "PC_DARTS_CIFAR": _genotype(
        "s3-1 sk-0 | s3-0 d3-1 | s5-0 s3-1 | ap-0 d3-1",
        "s5-1 mp-0 | s5-1 s5-2 | s3-0 s3-3 | s3-1 s3-2",
    ),
    "PC_DARTS_IMAGENET": _genotype(
        "sk-1 s3-0 | s3-0 sk-1 | s3-1 s3-3 | s3-1 d5-4",
        "s3-0 sk-1 | d5-2 mp-1 | s3-2 s3-1 | s5-0 s3-3",
    ),
    "P_DARTS": _genotype(
        "sk-0 d3-1 | sk-0 s3-1 | s3-1 s3-3 | s3-0 d5-4",
        "ap-0 s5-1 | s3-0 d5-2 | mp-0 d3-1 | d3-1 d5-3",
    ),
    "DRNAS_CIFAR": _genotype(
        "s3-0 s5-1 | s3-1 s3-2 | sk-0 s3-1 | s3-2 d5-3",
        "mp-0 s5-1 | d5-2 s5-1 | s5-1 d5-3 | sk-4 s5-1",
    ),
    "DRNAS_IMAGENET": _genotype(
        "s3-1 s3-0 | s3-0 s3-1 | s3-0 d3-3 | sk-0 s3-1",
        "mp-0 s3-1 | s3-0 sk-2 | s3-0 s3-2 | s3-3 s3-1",
    ),
    "ADARTS_V1": _genotype(
        "s3-1 s3-0 | sk-0 d3-1 | sk-0 s3-1 | mp-0 d3-1",
        "mp-0 d5-1 | d3-2 mp-0 | sk-2 sk-3 | d3-2 ap-0",
    ),
    "PR_DARTS": _genotype(
        "sk-0 s3-1 | d3-2 s3-0 | d3-3 s3-1 | d3-4 d3-1",
        "ap-0 d5-1 | s3-0 d5-2 | s5-1 d3-3 | d5-4 d5-1",
    ),
    "OPP_DARTS": _genotype(
        "s3-0 sk-1 | sk-2 s3-0 | d5-1 d5-2 | d5-2 d5-1",
        "s3-0 s3-1 | s3-0 s3-2 | s3-0 s3-2 | s3-0 s3-1",
    ),
    "FAIR_DARTS_A": _genotype(
        "s3-0 s5-1 | | mp-0 | s3-0",
        "mp-0 ap-1 | ap-0 d5-1 | ap-0 s5-1 | sk-0 sk-1",
    ),
}
