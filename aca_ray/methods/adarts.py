"""ADARTS: PC-DARTS whose channels pass through the candidates by their attention."""

from __future__ import annotations

from dataclasses import replace

from aca_ray.methods import pc_darts
from aca_ray.methods.recipe import Recipe
from aca_ray.nn.attention import attended_channels

METHOD = replace(
    pc_darts.METHOD,
    name="adarts",
    title="ADARTS",
    source="Xue & Qin 2022, arXiv 2208.00791, and its official code",
    differs=(
        "in evaluation the channels are chosen by a running mean of the attention, not by the batch; the cosine "
        "of the learning rate begins at epoch 0 (there one epoch ahead with PyTorch 1.1 and later)"
    ),
    changes="as PC-DARTS, but the 1/4 of the channels with most attention is searched, and none is shuffled",
    build_edge=attended_channels(pc_darts.CHANNEL_SHARE),
    recipe=Recipe(weight_lr_min=0.0, arch_lr=6e-4, arch_start=15 / 80),
)
