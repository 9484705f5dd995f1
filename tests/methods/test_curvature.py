"""The largest eigenvalue of a Hessian, against matrices of known spectrum and against the explicit Hessian."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from aca_ray.methods.darts import METHOD
from aca_ray.methods.moment import Moment
from aca_ray.methods.parts.curvature import largest_curvature, largest_eigenvalue
from aca_ray.nn.supernet import Supernet
from aca_ray.space import Space, Topology

NAMES = ("none", "max_pool_3x3", "skip_connect", "sep_conv_3x3")
SPACE = Space("tiny", Topology(num_inputs=2, num_nodes=2), normal=(NAMES,) * 5, reduce=(NAMES[1:],) * 5)


@pytest.fixture(autouse=True)
def repeatable() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


def with_spectrum(*eigenvalues: float) -> Tensor:
    size = len(eigenvalues)
    rotation, _ = torch.linalg.qr(torch.randn(size, size, dtype=torch.float64))
    return rotation @ torch.diag(torch.tensor(eigenvalues, dtype=torch.float64)) @ rotation.T


SPECTRA = {
    "one row": (3.0,),
    "one negative row": (-3.0,),
    "two": (1.0, 2.0),
    "largest in magnitude is negative": (-9.0, -4.0, 0.5, 2.0),
    "all negative": (-7.0, -5.0, -0.1),
    "repeated": (2.0, 2.0, 2.0, 1.0, 1.0, -1.0),
    "all equal": (4.0,) * 6,
    "zero beside repeated negatives": (0.0, -1.0, -1.0, -1.0),
    "zero": (0.0,) * 5,
    "clustered": tuple(1.0 + 0.01 * index for index in range(20)),
    "one ahead of many": (*(1.0,) * 220, 1.02),
    "many decades": tuple(10.0**-index for index in range(12)),
}


@pytest.mark.parametrize("name", SPECTRA)
def test_of_a_known_spectrum(name: str) -> None:
    matrix = with_spectrum(*SPECTRA[name])
    found = largest_eigenvalue(lambda vector: matrix @ vector, len(matrix))
    assert found == pytest.approx(max(SPECTRA[name]), rel=1e-3, abs=1e-12)


@pytest.mark.parametrize("size", [2, 5, 60, 224])
def test_of_random_matrices(size: int) -> None:
    matrix = torch.randn(size, size, dtype=torch.float64)
    matrix = matrix + matrix.T
    products = []

    def product(vector: Tensor) -> Tensor:
        products.append(vector)
        return matrix @ vector

    expected = float(torch.linalg.eigvalsh(matrix)[-1])
    assert largest_eigenvalue(product, size) == pytest.approx(expected, rel=1e-3)
    assert len(products) <= size
    again = largest_eigenvalue(lambda vector: matrix @ vector, size)
    assert again == largest_eigenvalue(lambda vector: matrix @ vector, size)


def test_few_products_are_enough_where_one_eigenvalue_leads() -> None:
    matrix = with_spectrum(5.0, *(torch.rand(223, dtype=torch.float64).tolist()))
    count = 0

    def product(vector: Tensor) -> Tensor:
        nonlocal count
        count += 1
        return matrix @ vector

    assert largest_eigenvalue(product, 224) == pytest.approx(5.0, rel=1e-4)
    assert count < 20


def test_of_values_that_are_not_finite() -> None:
    assert math.isnan(largest_eigenvalue(lambda vector: vector * math.inf, 4))


@pytest.mark.parametrize("weight_decay", [0.0, 0.25])
def test_of_a_quadratic_in_two_parameters(weight_decay: float) -> None:
    matrix = with_spectrum(-6.0, -1.0, 0.5, 1.5, 3.0)
    first, second = torch.randn(2, dtype=torch.float64), torch.randn(3, 1, dtype=torch.float64)
    parameters = first.requires_grad_(), second.requires_grad_()
    x = torch.cat((first, second.flatten()))
    loss = x @ matrix @ x / 2 + x.sum()
    assert largest_curvature(loss, parameters, weight_decay) == pytest.approx(3.0 + weight_decay, rel=1e-3)


def test_of_losses_without_curvature_or_independent_of_a_parameter() -> None:
    seen, unseen = torch.ones(3, requires_grad=True), torch.ones(2, requires_grad=True)
    assert largest_curvature(seen.sum(), (seen, unseen)) == 0.0
    assert largest_curvature(seen.sum(), (seen, unseen), 0.5) == pytest.approx(0.5)
    assert largest_curvature(-seen.square().sum(), (seen, unseen)) == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_of_a_supernet_against_its_exact_hessian(dtype: torch.dtype, weight_decay: float) -> None:
    network = Supernet(SPACE, channels=4, num_cells=3, num_classes=3).to(dtype)
    images, labels = torch.randn(8, 3, 8, 8, dtype=dtype), torch.arange(8) % 3
    shapes = {"alpha_normal": (5, 4), "alpha_reduce": (5, 3)}
    parameters = {name: torch.randn(shape, dtype=dtype, requires_grad=True) for name, shape in shapes.items()}

    def loss_at(*values: Tensor) -> Tensor:
        mixing = METHOD.settled_mixing(SPACE, dict(zip(shapes, values, strict=True)), Moment(0, 1))
        return functional.cross_entropy(network(images, mixing), labels)

    found = largest_curvature(loss_at(*parameters.values()), tuple(parameters.values()), weight_decay)
    network.double()
    images = images.double()
    values = tuple(parameter.detach().double() for parameter in parameters.values())
    blocks = torch.autograd.functional.hessian(loss_at, values)
    sizes = [value.numel() for value in values]
    hessian = torch.cat(
        [torch.cat([block.reshape(rows, -1) for block in row], 1) for rows, row in zip(sizes, blocks, strict=True)]
    )
    spectrum = torch.linalg.eigvalsh(hessian)
    assert spectrum[-1] > 1.1 * spectrum[-2]
    assert found == pytest.approx(float(spectrum[-1]) + weight_decay, rel=1e-3)
