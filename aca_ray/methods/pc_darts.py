"""PC-DARTS: searches a quarter of the channels, with edge weights."""

from __future__ import annotations

from aca_ray.methods.core import SearchMethod
from aca_ray.methods.parts.arch_gradient import first_order
from aca_ray.methods.parts.derivation import top_two
from aca_ray.methods.parts.relaxation import softmax_incoming_edges, softmax_operations
from aca_ray.methods.recipe import Recipe
from aca_ray.nn.edges import partial_channels

CHANNEL_SHARE = 4  # section 4.1: K = 4 on CIFAR-10

METHOD = SearchMethod(
    name="pc_darts",
    title="PC-DARTS",
    source="Xu et al. 2020, arXiv 1907.05737, and its official code",
    differs="",
    changes="searches 1/4 of the channels, with edge weights; architecture frozen for the first 30 % of the epochs",
    relax_operations=softmax_operations,
    relax_edges=softmax_incoming_edges,
    build_edge=partial_channels(CHANNEL_SHARE),
    arch_gradient=first_order,
    derive=top_two,
    channel_divisor=CHANNEL_SHARE,
    recipe=Recipe(batch_size=256, weight_lr=0.1, weight_lr_min=0.0, arch_lr=6e-4, arch_start=15 / 50),
)
