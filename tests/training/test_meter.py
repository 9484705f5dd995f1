"""Means over images do not depend on the batches."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from aca_ray.training import Meter, evaluate_network

CPU = torch.device("cpu")


@pytest.mark.parametrize("sizes", [(10,), (4, 4, 2), (1, 9)])
def test_means_do_not_depend_on_the_batches(sizes: tuple[int, ...]) -> None:
    logits, labels = torch.randn(10, 3), torch.arange(10) % 3
    meter = Meter(CPU)
    for part, expected in zip(logits.split(sizes), labels.split(sizes), strict=True):
        meter.add(functional.cross_entropy(part, expected), part, expected)
    loss, accuracy = meter.read()
    by_image = [-float(row.log_softmax(dim=0)[label]) for row, label in zip(logits, labels, strict=True)]
    assert loss == pytest.approx(sum(by_image) / 10, rel=1e-6)
    hits = sum(
        row.tolist().index(max(row.tolist())) == label for row, label in zip(logits, labels.tolist(), strict=True)
    )
    assert accuracy == pytest.approx(hits / 10)


@pytest.mark.parametrize("training", [True, False])
def test_evaluation_uses_running_statistics_and_restores_the_mode(training: bool) -> None:
    network = nn.Sequential(nn.BatchNorm1d(2), nn.Linear(2, 3)).train(training)
    with torch.no_grad():
        network[0].running_mean.fill_(5.0)
    images, labels = torch.randn(7, 2), torch.arange(7) % 3
    batches = list(zip(images.split(3), labels.split(3), strict=True))
    loss, accuracy = evaluate_network(network, network, batches, CPU)
    assert network.training is training
    assert int(network[0].num_batches_tracked) == 0
    with torch.no_grad():
        logits = network[1]((images - 5.0) / (1.0 + 1e-5) ** 0.5)
    assert loss == pytest.approx(float(functional.cross_entropy(logits, labels)), rel=1e-5)
    assert accuracy == pytest.approx(float((logits.argmax(dim=1) == labels).double().mean()))
