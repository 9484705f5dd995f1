"""Ranking of the channels of a trained supernet, which it does not change."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor
from torch.nn import functional

from aca_ray.channels.accumulators import EdgeBatch, ScoreAccumulator
from aca_ray.channels.rankers import RANKERS, RankedEdge
from aca_ray.channels.scores import ChannelScores, EdgeScores
from aca_ray.errors import ConfigError, DataError, TrialError, unknown_name
from aca_ray.nn.edges import EdgeObservation, SearchEdge
from aca_ray.nn.mixing import Mixing
from aca_ray.nn.skeleton import Cell
from aca_ray.nn.supernet import Supernet
from aca_ray.space.candidates import NONE
from aca_ray.space.genotype import Genotype, KeptEdge
from aca_ray.space.spaces import Space
from aca_ray.space.topology import CellType, stage_of_cell


def rank_channels(
    supernet: Supernet,
    mixing: Mixing,
    space: Space,
    genotype: Genotype,
    batches: Iterable[tuple[Tensor, Tensor]],
    ranker: str,
    seed: int,
) -> ChannelScores:
    """Return the scores of every channel of every kept edge in every cell of a supernet.

    One forward pass per batch, and one backward pass if the ranker needs gradients, covers all cells and edges. The
    supernet is in evaluation mode meanwhile, so the scores do not depend on how images are batched, except for
    rounding. Parameters, buffers, training flags and the state of torch's random numbers are restored. Bit-for-bit
    repeatable for equal arguments on one device.

    Args:
        supernet: the trained supernet.
        mixing: the mixing weights with which the genotype was derived.
        space: the space that the supernet was built from.
        genotype: the edges and operations to rank.
        batches: (B, C, H, W) normalized images and (B,) labels, moved to the supernet's device; read once, or not at
            all if no edge's scores come from images.
        ranker: a name in RANKERS.
        seed: seed of random scores and of operations that draw noise.

    Raises:
        ConfigError: an unknown ranker, or a genotype that the space does not contain.
        DataError: no images although the ranker needs some.
        TrialError: a score is not finite.

    Source: arXiv 2204.04681, abstract (channels are ranked by importance); everything else ours.
    """
    if ranker not in RANKERS:
        raise ConfigError(unknown_name("ranking", "ranker", ranker, RANKERS))
    if genotype.num_inputs != space.topology.num_inputs:
        raise ConfigError(
            f"ranking: genotype: space {space.name} has cells of {space.topology.num_inputs} inputs, found "
            f"{genotype.num_inputs}; rank with the space that was searched"
        )
    kept = pass_images(supernet, mixing, space, genotype, batches, ranker, seed)
    return ChannelScores(ranker, tuple(edge.finish() for edge in kept))


def pass_images(
    supernet: Supernet,
    mixing: Mixing,
    space: Space,
    genotype: Genotype,
    batches: Iterable[tuple[Tensor, Tensor]],
    ranker: str,
    seed: int,
) -> list[EdgeRanking]:
    """Return all kept edges after all passes; see `rank_channels`.

    No value is read from the device: that waits until the edges are finished.
    """
    mixing = mixing.detach()
    generator = torch.Generator().manual_seed(seed)
    kept = [
        _start(supernet, mixing, space, cell, index, edge, ranker, generator)
        for cell in range(len(supernet.cells))
        for index, edge in enumerate(genotype.cell(_cell(supernet, cell).cell_type).edges)
    ]
    if any(edge.accumulator.needs_data for edge in kept):
        with _undisturbed(supernet, seed):
            num_images = _pass_batches(supernet, mixing, kept, batches, needs_gradient=RANKERS[ranker].needs_gradient)
        if num_images == 0:
            raise DataError(f"ranking: {ranker} needs images, found none; pass at least one batch of the search's data")
    return kept


@dataclass(frozen=True)
class EdgeRanking:
    """A kept edge of one cell while it is being ranked.

    Attributes:
        cell: index of the cell.
        stage: stage of the cell.
        space_edge: index of the edge in the space.
        genotype_edge: index of the edge in the genotype's cell.
        edge: the kept edge.
        candidates: names of the edge's candidates.
        weights: mixing weights of the candidates.
        accumulator: scores of the edge's channels.
    """

    cell: int
    stage: int
    space_edge: int
    genotype_edge: int
    edge: KeptEdge
    candidates: tuple[str, ...]
    weights: Tensor
    accumulator: ScoreAccumulator

    @property
    def column(self) -> int:
        """Index of the kept operation among the candidates."""
        return self.candidates.index(self.edge.operation)

    def finish(self) -> EdgeScores:
        """Return the scores; reads them from the device.

        Raises:
            TrialError: a score is not finite.
        """
        scores, errors = self.accumulator.estimate()
        if not bool(torch.isfinite(scores).all()):
            raise TrialError(
                f"ranking: cell {self.cell}, edge {self.edge.source}-{self.edge.target} ({self.edge.operation}): "
                "scores are not finite: the supernet's activations or its loss diverged; rank an earlier checkpoint"
            )
        return EdgeScores(
            cell=self.cell,
            stage=self.stage,
            genotype_edge=self.genotype_edge,
            operation=self.edge.operation,
            source=self.edge.source,
            target=self.edge.target,
            strength=_strength(self.weights.tolist(), self.candidates, self.column),
            scores=tuple(scores.tolist()),
            standard_errors=None if errors is None else tuple(errors.tolist()),
        )


def _cell(supernet: Supernet, index: int) -> Cell:
    return cast(Cell, supernet.cells[index])


def _start(
    supernet: Supernet,
    mixing: Mixing,
    space: Space,
    cell_index: int,
    genotype_edge: int,
    edge: KeptEdge,
    ranker: str,
    generator: torch.Generator,
) -> EdgeRanking:
    cell = _cell(supernet, cell_index)
    space_edge = _find_edge(space, cell.cell_type, genotype_edge, edge)
    candidates = cast(SearchEdge, cell.edges[space_edge]).candidates
    return EdgeRanking(
        cell=cell_index,
        stage=stage_of_cell(cell_index, len(supernet.cells)),
        space_edge=space_edge,
        genotype_edge=genotype_edge,
        edge=edge,
        candidates=space.candidates(cell.cell_type)[space_edge],
        weights=mixing.cell(cell.cell_type).operations[space_edge],
        accumulator=RANKERS[ranker].start(
            RankedEdge(
                candidates.operations[edge.operation],
                candidates.channels,
                supernet.classifier.out_features,
                generator,
            )
        ),
    )


def _find_edge(space: Space, cell_type: CellType, genotype_edge: int, edge: KeptEdge) -> int:
    """Return the edge's index in the space; raise ConfigError unless the space has the edge and the operation there."""
    place = f"ranking: genotype, {cell_type} edge {genotype_edge}"
    if edge.edge not in space.topology.edges:
        raise ConfigError(
            f"{place}: space {space.name} has no edge {edge.source}-{edge.target}; "
            "rank with the space that was searched"
        )
    space_edge = space.topology.edges.index(edge.edge)
    names = space.candidates(cell_type)[space_edge]
    if edge.operation not in names:
        raise ConfigError(
            f"{place}: space {space.name} offers {', '.join(names)} on edge {edge.source}-{edge.target}, found "
            f"{edge.operation}; rank with the space that was searched"
        )
    return space_edge


def _strength(weights: list[float], names: tuple[str, ...], column: int) -> float:
    """Return the operation's share of the edge's mixing weights without `none`; 0 if all weights are 0."""
    total = sum(weight for name, weight in zip(names, weights, strict=False) if name != NONE)
    return min(1.0, max(0.0, weights[column] / total)) if total > 0.0 else 0.0


def _pass_batches(
    supernet: Supernet,
    mixing: Mixing,
    kept: list[EdgeRanking],
    batches: Iterable[tuple[Tensor, Tensor]],
    *,
    needs_gradient: bool,
) -> int:
    """Add every batch to every accumulator and return the number of images."""
    watched: dict[tuple[int, int], list[EdgeRanking]] = {}
    for edge in kept:
        watched.setdefault((edge.cell, edge.space_edge), []).append(edge)
    device = next(supernet.parameters()).device
    num_images = 0
    for batch_images, batch_labels in batches:
        images, labels = batch_images.detach().to(device), batch_labels.to(device)
        num_images += len(labels)
        hooks: list[_GradientHook] = []

        def observe(
            cell: int,
            space_edge: int,
            seen: EdgeObservation,
            labels: Tensor = labels,
            hooks: list[_GradientHook] = hooks,
        ) -> None:
            for edge in watched.get((cell, space_edge), ()):
                output = seen.outputs[edge.edge.operation].detach()
                batch = EdgeBatch(seen.input.detach(), output, edge.weights[edge.column], labels, None)
                if not needs_gradient:
                    edge.accumulator.add(batch)
                    continue
                # Nothing else requires a gradient, so the graph begins at the first kept edges.
                if not seen.mixed.requires_grad:
                    seen.mixed.requires_grad_()
                hooks.append(_GradientHook(edge.accumulator, batch))
                seen.mixed.register_hook(hooks[-1])

        with torch.set_grad_enabled(needs_gradient):
            logits = supernet(images, mixing, observe)
            if needs_gradient:
                # A sum, so that an image's gradient is that of its own loss.
                loss = functional.cross_entropy(logits, labels, reduction="sum")
                if loss.requires_grad:
                    torch.autograd.backward(loss)
                for hook in hooks:
                    hook.add_zeros_if_not_reached()
    return num_images


class _GradientHook:
    """Adds a batch once the backward pass has computed its gradient, without changing the gradient.

    Args:
        accumulator: takes the batch.
        batch: the batch without its gradient.
    """

    def __init__(self, accumulator: ScoreAccumulator, batch: EdgeBatch) -> None:
        self._accumulator, self._batch, self._reached = accumulator, batch, False

    def __call__(self, gradient: Tensor) -> None:
        self._reached = True
        self._accumulator.add(self._batch._replace(gradient=gradient))

    def add_zeros_if_not_reached(self) -> None:
        """Add the gradient 0 of an edge that the loss does not depend on, such as one to a node that nothing reads."""
        if not self._reached:
            self(torch.zeros_like(self._batch.output))


@contextlib.contextmanager
def _undisturbed(supernet: Supernet, seed: int) -> Iterator[None]:
    """Use evaluation mode, frozen parameters, deterministic kernels and seeded random numbers; restore all of them."""
    training = [(module, module.training) for module in supernet.modules()]
    trainable = [(parameter, parameter.requires_grad) for parameter in supernet.parameters()]
    cudnn = torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark
    device = next(supernet.parameters()).device
    supernet.eval()
    for parameter, _ in trainable:
        parameter.requires_grad_(False)
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False
    try:
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            torch.manual_seed(seed)
            yield
    finally:
        torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = cudnn
        for parameter, required in trainable:
            parameter.requires_grad_(required)
        for module, flag in training:
            module.training = flag
