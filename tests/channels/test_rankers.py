"""Every ranker against a direct computation, image by image."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from aca_ray.channels.counts import participation
from aca_ray.nn.trace_ratio import trace_ratio_scores


def per_image(search) -> Iterator[dict[tuple[int, int, int, str], tuple[Tensor, Tensor]]]:
    """Yield for every image each candidate's output and the derivative of the loss with respect to its edge's sum."""
    supernet = search.supernet.eval()
    try:
        for image, label in zip(search.images, search.labels, strict=True):
            seen = {}
            logits = supernet(
                image[None].clone().requires_grad_(),
                search.mixing,
                lambda cell, edge, observed, seen=seen: seen.__setitem__((cell, edge), observed),
            )
            loss = functional.cross_entropy(logits, label[None])
            gradients = torch.autograd.grad(loss, [observed.mixed for observed in seen.values()])
            yield {
                (cell, *search.space.topology.edges[edge], name): (output[0].detach(), gradient[0])
                for ((cell, edge), observed), gradient in zip(seen.items(), gradients, strict=True)
                for name, output in observed.outputs.items()
            }
    finally:
        supernet.train()


def key(edge) -> tuple[int, int, int, str]:
    return edge.cell, edge.source, edge.target, edge.operation


def weight(search, edge) -> Tensor:
    cell_type = "reduce" if edge.stage % 2 else "normal"
    index = search.space.topology.edges.index((edge.source, edge.target))
    column = search.space.candidates(cell_type)[index].index(edge.operation)
    return search.mixing.cell(cell_type).operations[index, column]


def gradient_score(ranker: str):
    def score(output: Tensor, gradient: Tensor, p: Tensor) -> Tensor:
        change = (gradient * p * output).sum(dim=(1, 2))
        return change.abs() if ranker == "taylor" else change**2 / 2

    return score


@pytest.mark.parametrize(
    ("ranker", "score"),
    [
        ("taylor", gradient_score("taylor")),
        ("fisher", gradient_score("fisher")),
        ("activation", lambda output, gradient, p: output.abs().mean(dim=(1, 2))),
    ],
)
def test_is_the_mean_over_images_with_its_standard_error(search, ranker, score) -> None:
    images = list(per_image(search))
    for edge in search.rank(ranker).edges:
        values = torch.stack([score(*image[key(edge)], weight(search, edge)) for image in images])
        expected_error = values.std(dim=0) / len(images) ** 0.5
        assert edge.scores == pytest.approx(values.mean(dim=0).tolist(), rel=1e-9)
        assert edge.standard_errors == pytest.approx(expected_error.tolist(), rel=1e-7)


def test_strength_is_the_share_of_the_weight_without_none(search) -> None:
    for edge in search.rank("random").edges:
        cell_type = "reduce" if edge.stage % 2 else "normal"
        row = search.mixing.cell(cell_type).operations[search.space.topology.edges.index((edge.source, edge.target))]
        assert edge.strength == pytest.approx((weight(search, edge) / row[1:].sum()).item())


def test_l1_is_the_norm_of_the_last_filters_or_the_activation_of_poolings(search) -> None:
    activation = {key(edge): edge for edge in search.rank("activation").edges}
    for edge in search.rank("l1").edges:
        if edge.operation.endswith("pool_3x3"):
            assert edge == activation[key(edge)]
            continue
        index = search.space.topology.edges.index((edge.source, edge.target))
        operation = search.supernet.cells[edge.cell].edges[index].candidates.operations[edge.operation]
        filters = operation[-2].weight
        assert filters.shape[2:] == (1, 1)
        assert edge.scores == pytest.approx([sum(map(abs, row.flatten().tolist())) for row in filters])
        assert edge.standard_errors is None


def test_l1_scores_every_channel_of_a_factorized_reduction(skipping_search) -> None:
    widths = {edge.stage: len(edge.scores) for edge in skipping_search.rank("l1").edges}
    assert widths == {0: 4, 1: 8, 2: 8, 3: 16, 4: 16}


def test_l1_reads_no_images_if_every_operation_has_filters(search) -> None:
    from dataclasses import replace

    from aca_ray.space import CellGenotype, Genotype, KeptEdge

    convolutions = CellGenotype((KeptEdge("sep_conv_3x3", 0, 2), KeptEdge("dil_conv_3x3", 1, 2)), (2,))
    bare = replace(search, genotype=Genotype(convolutions, convolutions), batches=[])
    assert len(bare.rank("l1").edges) == 10


def test_catro_scores_pooled_features_by_the_trace_ratio(search) -> None:
    images = list(per_image(search))
    for edge in search.rank("catro").edges:
        features = torch.stack([image[key(edge)][0].mean(dim=(1, 2)) for image in images])
        b, w = torch.zeros(features.shape[1]).double(), torch.zeros(features.shape[1]).double()
        for label in range(3):
            members = features[search.labels == label]
            b += len(members) * (members.mean(dim=0) - features.mean(dim=0)) ** 2
            w += ((members - members.mean(dim=0)) ** 2).sum(dim=0)
        expected = trace_ratio_scores(b, w + 1e-8, max(1, participation(b.tolist())))
        assert edge.scores == pytest.approx(expected.tolist(), rel=1e-8, abs=1e-12)
        assert edge.standard_errors is None


def test_random_depends_on_the_seed_alone_and_has_both_signs(search) -> None:
    first = search.rank("random", seed=3)
    assert first == search.rank("random", seed=3)
    assert first != search.rank("random", seed=4)
    everything = [score for edge in first.edges for score in edge.scores]
    assert -1.0 <= min(everything) < -0.8
    assert 0.8 < max(everything) < 1.0
    assert len(set(everything)) == len(everything)
