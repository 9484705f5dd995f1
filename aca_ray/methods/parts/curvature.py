"""Curvature of a loss at the current architecture parameters."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

# Bound on a Ritz value's residual, 100 times below the allowed error: a start vector nearly orthogonal to the leading
# eigenvector gives small residuals early.
RELATIVE_RESIDUAL = 1e-5
ROUNDING = 1e-12


def largest_curvature(loss: Tensor, parameters: Sequence[Tensor], weight_decay: float = 0.0) -> float:
    """Return the largest eigenvalue of the Hessian of loss + weight_decay/2 * ||parameters||^2.

    Args:
        loss: a scalar, differentiable twice in the parameters.
        parameters: the variables of the Hessian, taken as one vector.
        weight_decay: coefficient of the quadratic term.

    Source: Zela et al. 2020 (RobustDARTS), and its official code; avoiding the explicit Hessian is ours.
    """
    total = loss + weight_decay / 2 * sum(parameter.square().sum() for parameter in parameters)
    gradient = _flat(torch.autograd.grad(total, parameters, create_graph=True, materialize_grads=True))

    def times_hessian(vector: Tensor) -> Tensor:
        direction = vector.to(gradient)
        product = torch.autograd.grad(gradient @ direction, parameters, retain_graph=True, materialize_grads=True)
        return _flat(product).to(vector)

    return largest_eigenvalue(times_hessian, gradient.numel())


def _flat(tensors: Sequence[Tensor]) -> Tensor:
    return torch.cat([tensor.flatten() for tensor in tensors])


def largest_eigenvalue(product: Callable[[Tensor], Tensor], size: int) -> float:
    """Return the algebraically largest eigenvalue of a symmetric matrix, to a thousandth or better.

    The Lanczos method with full reorthogonalization. The eigenvalue is exact after `size` products, or as soon as the
    directions span an invariant subspace. The first direction is fixed.

    Args:
        product: the matrix times a (size,) vector, float64 on the CPU.
        size: rows of the matrix, at least 1.

    Returns:
        The eigenvalue; NaN if a product is not finite.

    Source: Lanczos 1950; Parlett 1998 (The Symmetric Eigenvalue Problem), chapter 13.
    """
    direction = torch.randn(size, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    basis = direction.new_empty(0, size)
    diagonal: list[Tensor] = []
    beside: list[Tensor] = []
    largest = math.nan
    for _ in range(size):
        unit = direction / direction.norm()
        basis = torch.cat((basis, unit[None]))
        direction = product(unit)
        if not bool(direction.isfinite().all()):
            return math.nan
        diagonal.append(unit @ direction)
        for _ in range(2):  # one pass leaves rounding errors that grow
            direction = direction - basis.T @ (basis @ direction)
        ritz, vectors = torch.linalg.eigh(_tridiagonal(diagonal, beside))
        largest = float(ritz[-1])
        residual = float(direction.norm() * vectors[-1, -1].abs())
        if residual <= max(RELATIVE_RESIDUAL * abs(largest), ROUNDING * float(ritz.abs().max())):
            break
        beside.append(direction.norm())
    return largest


def _tridiagonal(diagonal: Sequence[Tensor], beside: Sequence[Tensor]) -> Tensor:
    matrix = torch.diag(torch.stack(list(diagonal)))
    if beside:
        off = torch.diag(torch.stack(list(beside)), 1)
        matrix = matrix + off + off.T
    return matrix
