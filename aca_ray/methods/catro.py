"""CATRO: PC-DARTS that searches the channels that together separate the classes best."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn

from aca_ray.methods import pc_darts
from aca_ray.methods.core import Stage
from aca_ray.methods.parts.freeze import after_share_of_search
from aca_ray.methods.views import StageStart, StageView
from aca_ray.nn.edges import RankedPartialEdge, ranked_partial_channels
from aca_ray.nn.trace_ratio import ClassStatistics, trace_ratio_scores
from aca_ray.nn.transfer import same_names


def best_channels(view: StageView) -> dict[str, Tensor]:
    """Return the input channels of every edge with the largest trace ratio, by the name of the edge's buffer.

    The features are the input's means over positions, for every image of search_train, in evaluation mode.

    Source: arXiv 2110.10921 in our reading.
    """
    network = view.network.eval()
    edges = {name: edge for name, edge in network.named_modules() if isinstance(edge, RankedPartialEdge)}
    statistics = {name: ClassStatistics(network.classifier.out_features) for name in edges}
    features: dict[str, Tensor] = {}

    def keep(name: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        return lambda _, inputs: features.update({name: inputs[0].mean(dim=(2, 3))})

    # The bypass reads all channels of the edge's input.
    hooks = [edge.bypass.register_forward_pre_hook(keep(name)) for name, edge in edges.items()]
    with torch.no_grad():
        for images, labels in view.train_batches():
            network(images, view.mixing)
            for name, pooled in features.items():
                statistics[name].add(pooled, labels)
    for hook in hooks:
        hook.remove()
    best = {}
    for name, edge in edges.items():
        num_passing = len(edge.passing)
        scores = trace_ratio_scores(*statistics[name].scatter(), num_passing)
        best[f"{name}.passing"] = scores.argsort(descending=True, stable=True)[:num_passing].sort().values
    return best


def rank(view: StageView) -> StageStart:
    """Return the unchanged search, except that the best channels of every edge now pass through its candidates.

    Source: ours.
    """
    best = best_channels(view)

    def with_best(old: Mapping[str, Tensor], new: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return same_names(best, same_names(old, new))

    return StageStart(view.space, with_best, keep_momentum=True, keep_architecture=True, keep_moments=True)


METHOD = replace(
    pc_darts.METHOD,
    name="catro",
    title="PC-DARTS with CATRO",
    source="Hu et al. 2021, arXiv 2110.10921, and Xu et al. 2020 (PC-DARTS)",
    differs=(
        "our reading (no code, and only the abstract was available): ranks the channels of every edge by trace ratio "
        "once, after 15 of 50 epochs, when PC-DARTS starts to update the architecture"
    ),
    changes="PC-DARTS, but searches the 1/4 of the channels that separates the classes best",
    build_edge=ranked_partial_channels(pc_darts.CHANNEL_SHARE),
    stages=lambda space: (Stage(epochs=15), Stage(epochs=35, begin=rank)),
    architecture_moves=after_share_of_search,
)
