"""ADARTS: PC-DARTS that selects the channels to search by attention."""

from __future__ import annotations

from dataclasses import replace

from aca_ray.methods import pc_darts
from aca_ray.methods.recipe import Recipe
from aca_ray.nn.edges import attended_channels

METHOD = replace(
    pc_darts.METHOD,
    name="adarts",
    title="ADARTS",
    source="Xue & Qin 2022, arXiv 2208.00791, and its official code",
    differs=(
        "evaluation selects the channels by a running mean of the attention instead of the batch's own; the cosine "
        "learning rate starts at epoch 0 (one epoch ahead in the official code with PyTorch 1.1 and later)"
    ),
    changes="PC-DARTS, but searches the 1/4 of the channels with the most attention, without channel shuffle",
    build_edge=attended_channels(pc_darts.CHANNEL_SHARE),
    recipe=Recipe(weight_lr_min=0.0, arch_lr=6e-4, arch_start=15 / 80),
)
