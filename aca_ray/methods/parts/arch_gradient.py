"""Gradients of the architecture parameters.

| symbol | meaning |
|---|---|
| w, a | network weights, architecture parameters |
| L_tr, L_va | loss on the batch of search_train, of search_valid |
| lr, mu, wd, m | learning rate, momentum, weight decay and momentum buffer of the weights' SGD |
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.func import functional_call

from aca_ray.methods.loss import batch_loss
from aca_ray.methods.parts.fixed_weights import logits_at_fixed_weights
from aca_ray.methods.views import LOOK_AHEAD_WEIGHT_DECAY, ArchStep, Batch
from aca_ray.nn.mixing import Mixing

FINITE_DIFFERENCE_SCALE = 0.01  # Liu et al. 2019, footnote 2: epsilon = 0.01 / ||dL_va/dw'||


def first_order(step: ArchStep) -> tuple[Tensor, ...]:
    """Return dL_va(w, a)/da at the current weights.

    Source: Liu et al. 2019 (DARTS), section 2.3, xi = 0.
    """
    images, labels = step.valid
    mixing = step.mixing()
    logits = logits_at_fixed_weights(step.network, images, mixing)
    step.report(logits)
    loss = batch_loss(logits, labels) + step.penalty(mixing)
    # If every edge of a cell offers only `none`, the loss does not depend on the cell's parameters.
    if not loss.requires_grad:
        return tuple(torch.zeros_like(parameter) for parameter in step.parameters.values())
    return torch.autograd.grad(loss, tuple(step.parameters.values()), materialize_grads=True)


def unrolled(step: ArchStep) -> tuple[Tensor, ...]:
    """Return dL_va(w', a)/da with w' one SGD step from w, and the second derivative by a central difference.

    w' = w - lr*(mu*m + dL_tr/dw + wd*w); v = dL_va/dw' at w'; eps = 0.01/||v||;
    gradient = dL_va(w', a)/da - lr*(dL_tr(w + eps*v, a)/da - dL_tr(w - eps*v, a)/da) / (2*eps).

    The passes at w and at w +- eps*v update the running statistics of the batch norms; the pass at w' updates copies.

    Source: Liu et al. 2019 (DARTS), equations 6 to 8, and its official code (momentum and weight decay in w').
    """
    network, parameters = step.network, tuple(step.parameters.values())
    names, weights = zip(*network.named_parameters(), strict=True)
    (group,) = step.optimizer.param_groups
    lr, momentum = group["lr"], group["momentum"]
    weight_decay = group.get(LOOK_AHEAD_WEIGHT_DECAY, group["weight_decay"])

    train_gradient = torch.autograd.grad(_loss_at(step, names, weights, step.train, step.mixing().detach()), weights)
    ahead = []
    for weight, gradient in zip(weights, train_gradient, strict=True):
        direction = gradient + weight_decay * weight.detach()
        buffer = step.optimizer.state[weight].get("momentum_buffer")
        if buffer is not None:
            direction = direction + momentum * buffer
        ahead.append((weight.detach() - lr * direction).requires_grad_())

    buffers = {name: buffer.clone() for name, buffer in network.named_buffers()}
    images, labels = step.valid
    mixing = step.mixing()
    logits = functional_call(network, (dict(zip(names, ahead, strict=True)), buffers), (images, mixing))
    step.report(logits)
    valid_loss = batch_loss(logits, labels) + step.penalty(mixing)
    gradients = torch.autograd.grad(valid_loss, (*parameters, *ahead))
    direct, v = gradients[: len(parameters)], gradients[len(parameters) :]

    eps = FINITE_DIFFERENCE_SCALE / torch.cat([part.flatten() for part in v]).norm()
    sides = []
    for sign in (1.0, -1.0):
        moved = tuple(weight.detach() + sign * eps * part for weight, part in zip(weights, v, strict=True))
        sides.append(torch.autograd.grad(_loss_at(step, names, moved, step.train, step.mixing()), parameters))
    return tuple(first - lr * (above - below) / (2 * eps) for first, above, below in zip(direct, *sides, strict=True))


def _loss_at(
    step: ArchStep, names: tuple[str, ...], weights: tuple[Tensor, ...], batch: Batch, mixing: Mixing
) -> Tensor:
    images, labels = batch
    return batch_loss(functional_call(step.network, dict(zip(names, weights, strict=True)), (images, mixing)), labels)
