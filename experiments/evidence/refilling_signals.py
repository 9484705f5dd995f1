"""Print which signals tell, before any retraining, that an edge had better be a skip connection.

    python experiments/evidence/refilling_signals.py results/nb201

Written down on 2026-11-30, before any skip-free search of nb201 had ended: edge_effects.py had shown on the quickstart
that the default ranker's signs do not go with the benchmark's true effects. The signals below follow from possible
reasons. Every signal gives each edge of a found cell a number; the lower it is, the sooner the edge is refilled.

    share of signs       what `sign` and `rounded` use: the share of channels whose score (taylor_identity) is positive
    share not decided    the share of channels whose score is not below -1.96 standard errors: only decided ones refill
    total                the sum of the scores: an edge is one decision, not one per channel
    replaced             the change in the supernet's validation loss when skips take all channels of the edge's
                         operation: the scores are its first-order estimate
    searched skip        the implicit search taken at its word: operation and skip share the operation's mixing weight,
                         channel by channel, from equal logits; the method's architecture optimizer moves the logits for
                         one epoch on search_valid while the weights are held. The mean share of the operation
    warm: share, total,  the same in the derived network without the other candidates, trained from new weights for
    replaced             20 epochs
    l1                   sum of the filters' norms; the best of the totals that edge_effects.py looked at
    operation            the number of the operation's weights, which needs no search: a signal that does not tell more
                         than this says nothing about the trained supernet

Tests, with the search as the unit: Spearman's rho between the signal and the benchmark's effect of refilling one edge
(negative where the signal predicts it), against 0, Holm over the signals. A signal that also has a sign of its own says
which edges to refill: the change in the benchmark's accuracy when it is obeyed, against 0. For comparison: the change
when the best of all subsets of the edges is refilled, which is what a perfect signal could gain.
"""

from __future__ import annotations

import copy
import itertools
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import torch
from edge_effects import BATCH, CPU, Edge, accuracy, effects, mean_over_cells
from scipy import stats
from torch import Tensor, nn
from torch.nn import functional

from aca_ray.channels import ChannelScores, EdgeScores, rank_channels
from aca_ray.channels.scores import DECIDED_STANDARD_ERRORS
from aca_ray.comparison import holm
from aca_ray.data import evaluation_batches
from aca_ray.nn import num_parameters
from aca_ray.nn.image_scale import scale_of_images
from aca_ray.nn.mixing import CellMixing, Mixing
from aca_ray.nn.supernet import Supernet
from aca_ray.records import TrialFolder, TrialRecord
from aca_ray.search.search import Search
from aca_ray.space import Genotype
from aca_ray.space.candidates import NONE
from aca_ray.storage import StoragePath, read_checkpoint
from aca_ray.sweep.manifest import find_sweep
from aca_ray.sweep.orders import SearchOrder, search_orders
from aca_ray.training.meter import evaluate_network
from aca_ray.training.randomness import seed_everything
from aca_ray.trials.datasets import DataRef
from aca_ray.trials.searching import build_search

WARM_UP_EPOCHS = 20
Signals = dict[str, dict[Edge, float]]

# Below which value an edge is refilled, of the signals that have such a value by themselves.
THRESHOLDS = {
    "share of signs": 0.5,
    "share not decided": 0.5,
    "total": 0.0,
    "replaced": 0.0,
    "searched skip": 0.5,
    "warm: share of signs": 0.5,
    "warm: total": 0.0,
    "warm: replaced": 0.0,
}


class Shared(nn.Module):
    """An operation that gives up a share of every channel to a skip connection; stride 1.

    Attributes:
        logits: (C,) of the operation's share of every channel.
    """

    def __init__(self, operation: nn.Module, channels: int, logit: float) -> None:
        super().__init__()
        self.operation, self.logits = operation, nn.Parameter(torch.full((channels,), logit))

    def forward(self, x: Tensor) -> Tensor:
        share = self.logits.sigmoid()[:, None, None]
        return share * self.operation(x) + (1 - share) * x


def share_edges(network: Supernet, genotype: Genotype, edges: Iterable[Edge], logit: float) -> dict[Edge, list[Shared]]:
    """Let operations of a genotype's edges share their channels in every cell; return the new modules."""
    wanted, topology = set(edges), network.space.topology
    made: dict[Edge, list[Shared]] = {edge: [] for edge in wanted}
    for kept in genotype.normal.edges:
        if kept.edge not in wanted:
            continue
        for cell in network.cells:
            if cell.cell_type != "normal":
                continue
            candidates = cell.edges[topology.edges.index(kept.edge)].candidates
            shared = Shared(candidates.operations[kept.operation], candidates.channels, logit)
            candidates.operations[kept.operation] = shared
            made[kept.edge].append(shared)
    return made


class Valid:
    """The images of search_valid, and what a network makes of them."""

    def __init__(self, search: Search) -> None:
        self._search = search

    def batches(self) -> Iterable[tuple[Tensor, Tensor]]:
        """Return all images in order."""
        return evaluation_batches(self._search.data.valid, self._search.data.info, BATCH, CPU)

    def loss(self, network: Supernet, mixing: Mixing) -> float:
        """Return the mean cross-entropy in evaluation mode."""
        return evaluate_network(network, lambda images: network(images, mixing), self.batches(), CPU)[0]


def from_scores(scores: ChannelScores, genotype: Genotype) -> Signals:
    """Return the signals that are totals of channel scores."""

    def not_decided(edge: EdgeScores) -> float:
        assert edge.standard_errors is not None
        return fmean(s > -DECIDED_STANDARD_ERRORS * e for s, e in zip(edge.scores, edge.standard_errors, strict=True))

    totals: dict[str, Callable[[EdgeScores], float]] = {
        "share of signs": lambda edge: fmean(score > 0 for score in edge.scores),
        "share not decided": not_decided,
        "total": lambda edge: sum(edge.scores),
    }
    return {name: mean_over_cells(scores.edges, genotype, total) for name, total in totals.items()}


def replaced(network: Supernet, mixing: Mixing, genotype: Genotype, valid: Valid) -> dict[Edge, float]:
    """Return, by edge, the change in validation loss when skips take all of its channels."""
    plain, found = valid.loss(network, mixing), {}
    for kept in genotype.normal.edges:
        changed = copy.deepcopy(network)
        share_edges(changed, genotype, [kept.edge], logit=-torch.inf)
        found[kept.edge] = valid.loss(changed, mixing) - plain
    return found


def searched_skip(search: Search, genotype: Genotype) -> dict[Edge, float]:
    """Return, by edge, the operation's mean share after an epoch of the method's architecture optimizer."""
    network, mixing = copy.deepcopy(search.network), search.mixing()
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    shared = share_edges(network, genotype, [kept.edge for kept in genotype.normal.edges], logit=0.0)
    logits = [module.logits for modules in shared.values() for module in modules]
    recipe = search.method.recipe
    optimizer = torch.optim.Adam(logits, recipe.arch_lr, betas=recipe.arch_betas, weight_decay=recipe.arch_weight_decay)
    network.train()
    batches = search.batches["search_valid"]
    for index in range(batches.batches_per_pass):
        images, labels = batches.batch(index)
        optimizer.zero_grad()
        functional.cross_entropy(network(images, mixing), labels).backward()
        nn.utils.clip_grad_norm_(logits, recipe.arch_clip_norm)
        optimizer.step()
    return {
        edge: fmean(float(module.logits.detach().sigmoid().mean()) for module in modules)
        for edge, modules in shared.items()
    }


def on_a_path(genotype: Genotype) -> Genotype:
    """Return the genotype without edges that lie on no path from the cell's input to its output."""
    kept = genotype.normal.edges
    output = max(edge.target for edge in kept)
    while True:
        reached = {0} | {edge.target for edge in kept}
        read = {output} | {edge.source for edge in kept}
        rest = tuple(edge for edge in kept if edge.source in reached and edge.target in read)
        if rest == kept:
            return replace(genotype, normal=replace(genotype.normal, edges=kept))
        kept = rest


def warmed_up(search: Search, genotype: Genotype, seed: int) -> tuple[Supernet, Mixing]:
    """Return the derived network as a supernet of one candidate per edge, trained for a while from new weights."""
    operations = {kept.edge: kept.operation for kept in genotype.normal.edges}
    edges = search.space.topology.edges
    space = replace(search.space, name="derived", normal=tuple((operations.get(tuple(e), NONE),) for e in edges))
    mixing = Mixing(CellMixing(torch.ones(len(edges), 1)), search.mixing().reduce)
    info, recipe = search.data.info, search.method.recipe
    seed_everything(seed)
    network = Supernet(
        space,
        channels=search.network.cells[0].out_channels,
        num_cells=len(search.network.cells),
        num_classes=info.num_classes,
        in_channels=info.channels,
        scale=scale_of_images(info.height, info.width),
    )
    optimizer = torch.optim.SGD(
        network.parameters(), recipe.weight_lr, momentum=recipe.momentum, weight_decay=recipe.weight_decay
    )
    batches = search.batches["search_train"]
    steps = WARM_UP_EPOCHS * batches.batches_per_pass
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for index in range(steps):
        images, labels = batches.batch(index)
        optimizer.zero_grad()
        functional.cross_entropy(network(images, mixing), labels).backward()
        nn.utils.clip_grad_norm_(network.parameters(), recipe.clip_norm)
        optimizer.step()
        schedule.step()
    return network.eval(), mixing


def signals(search: Search, genotype: Genotype, seed: int) -> Signals:
    """Return all signals of a trained search."""
    valid, network, mixing = Valid(search), search.network.eval(), search.mixing()

    def score(network: Supernet, mixing: Mixing, genotype: Genotype, ranker: str) -> ChannelScores:
        return rank_channels(network, mixing, network.space, genotype, valid.batches(), ranker, seed)

    found = from_scores(score(network, mixing, genotype, "taylor_identity"), genotype)
    found["replaced"] = replaced(network, mixing, genotype, valid)
    found["searched skip"] = searched_skip(search, genotype)
    warm, one = warmed_up(search, genotype, seed)
    # No gradient reaches an edge that lies on no path; refilling it changes nothing.
    connected = on_a_path(genotype)
    warm_signals = from_scores(score(warm, one, connected, "taylor_identity"), connected)
    warm_signals["replaced"] = replaced(warm, one, connected, valid)
    for name in ("share of signs", "total", "replaced"):
        title = f"warm: {name}"
        found[title] = {edge: warm_signals[name].get(edge, THRESHOLDS[title]) for edge in found["total"]}
    found["l1"] = mean_over_cells(score(network, mixing, genotype, "l1").edges, genotype, lambda edge: sum(edge.scores))
    found["operation"] = number_of_weights(network, genotype)
    return found


def number_of_weights(network: Supernet, genotype: Genotype) -> dict[Edge, float]:
    """Return, by edge, how many weights its operation has in all cells."""
    found: dict[Edge, float] = {}
    for kept in genotype.normal.edges:
        index = network.space.topology.edges.index(kept.edge)
        cells = [cell for cell in network.cells if cell.cell_type == "normal"]
        operations = [cell.edges[index].candidates.operations[kept.operation] for cell in cells]
        found[kept.edge] = sum(map(num_parameters, operations))
    return found


def best_subset(genotype: Genotype) -> float:
    """Return the largest change in accuracy (points) that turning a set of edges into skips can bring."""
    edges, plain = [kept.edge for kept in genotype.normal.edges], accuracy(genotype)
    sizes = range(len(edges) + 1)
    return max(accuracy(genotype, drawn) - plain for n in sizes for drawn in itertools.combinations(edges, n))


def interval(values: list[float]) -> str:
    """Return mean and 95 % t interval."""
    mean = fmean(values)
    half = float(stats.t.ppf(0.975, len(values) - 1)) * stdev(values) / len(values) ** 0.5
    return f"{mean:+6.2f} [{mean - half:+.2f}, {mean + half:+.2f}]"


def main(name: str) -> None:
    """Print the tables for a sweep on NAS-Bench-201's space.

    What was measured of each search is kept in the sweep's folder, and not measured again.
    """
    torch.set_num_threads(1)
    sweep = find_sweep(name, Path("results"))
    kept = Path(str(sweep.folder.path)) / "refilling_signals.jsonl"
    lines = kept.read_text().splitlines() if kept.exists() else []
    measured = {line["search"]: line for line in map(json.loads, lines)}
    for order in search_orders(sweep):
        record = TrialRecord.read(order.folder)
        checkpoint = TrialFolder(order.folder).milestone(order.trial.epochs)
        if order.trial.skip != "allocated" or record is None or record.state != "finished" or not checkpoint.exists():
            continue
        if order.trial.fingerprint not in measured:
            line = measure(order, checkpoint, sweep.base)
            measured[line["search"]] = line
            with open(kept, "a") as file:
                file.write(json.dumps(line) + "\n")
    report(list(measured.values()))


def measure(order: SearchOrder, checkpoint: StoragePath, base: Path) -> dict[str, Any]:
    """Return what one search tells: by signal, rho, the edges that it refills, and the change when it is obeyed."""
    search = build_search(replace(order.trial, precision="float32"), DataRef(order.trial.data, base).for_search(), CPU)
    search.load_state_dict(read_checkpoint(checkpoint)[1]["work"])
    genotype = search.genotype()
    effect, plain = effects(genotype), accuracy(genotype)
    edges = sorted(effect)
    rhos: dict[str, float] = {}
    refilled: dict[str, int] = {}
    obeyed: dict[str, float] = {}
    for title, values in signals(search, genotype, order.trial.seed).items():
        if len(edges) > 2 and len(set(values.values())) > 1 and len(set(effect.values())) > 1:
            pairs = [values[edge] for edge in edges], [effect[edge] for edge in edges]
            rhos[title] = float(stats.spearmanr(*pairs).statistic)
        if title in THRESHOLDS:
            chosen = [edge for edge in edges if values[edge] < THRESHOLDS[title]]
            refilled[title], obeyed[title] = len(chosen), accuracy(genotype, chosen) - plain
    print(f"{order.trial.fingerprint} {order.trial.method} {order.trial.seed}: {plain:.2f} %", file=sys.stderr)
    place = {"search": order.trial.fingerprint, "method": order.trial.method, "seed": order.trial.seed}
    return {**place, "best": best_subset(genotype), "rhos": rhos, "refilled": refilled, "obeyed": obeyed}


def report(measured: list[dict[str, Any]]) -> None:
    """Print the tables of measured searches."""
    methods = Counter(line["method"] for line in measured)
    print("searches:", ", ".join(f"{method} {number}" for method, number in methods.items()))
    print(f"the best subset of edges refilled: {interval([line['best'] for line in measured])} points\n")
    titles = dict.fromkeys(title for line in measured for title in line["rhos"])
    rhos = {title: [line["rhos"][title] for line in measured if title in line["rhos"]] for title in titles}
    p_values = {title: float(stats.ttest_1samp(values, 0).pvalue) for title, values in rhos.items()}
    adjusted = dict(zip(p_values, holm(tuple(p_values.values())), strict=True))
    print("signal                 n   rho [95 %]             p      Holm    edges  obeyed, points [95 %]     p")
    for title, values in rhos.items():
        line = f"{title:20} {len(values):3} {interval(values)}  {p_values[title]:.3f}  {adjusted[title]:.3f}"
        if title in THRESHOLDS:
            obeyed = [own["obeyed"][title] for own in measured]
            refilled = fmean(own["refilled"][title] for own in measured)
            line += f"  {refilled:5.1f}  {interval(obeyed)}  {float(stats.ttest_1samp(obeyed, 0).pvalue):.3f}"
        print(line)


if __name__ == "__main__":
    main(sys.argv[1])
