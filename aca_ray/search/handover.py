"""Transfer of architecture parameters and optimizer states to the next stage of a search."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from aca_ray.methods.views import ArchitectureParameters
from aca_ray.nn.supernet import Supernet
from aca_ray.nn.transfer import Transfer, same_candidates
from aca_ray.space.spaces import Space


def carry_parameters(
    old_space: Space, new_space: Space, old: Mapping[str, Tensor], fresh: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Return the fresh architecture parameters, with the old values of edges and candidates that are in both spaces."""
    carried = {}
    for name, values in fresh.items():
        kind = next((kind for kind in new_space.cell_types if name == f"alpha_{kind}"), None)
        carried[name] = (
            old[name] if kind is None else same_candidates(old_space, new_space, kind, old[name], values.to(old[name]))
        )
    return carried


def carry_momentum(
    old: Supernet, old_optimizer: torch.optim.SGD, new: Supernet, new_optimizer: torch.optim.SGD, transfer: Transfer
) -> None:
    """Transfer SGD's momentum of the old weights, like the weights."""
    old_buffers = {
        name: state["momentum_buffer"]
        for name, weight in old.named_parameters()
        if (state := old_optimizer.state[weight]).get("momentum_buffer") is not None
    }
    if not old_buffers:
        return
    zeros = {name: torch.zeros_like(weight) for name, weight in new.named_parameters()}
    for name, buffer in transfer(old_buffers, zeros).items():
        new_optimizer.state[new.get_parameter(name)]["momentum_buffer"] = buffer.detach().clone()


def carry_moments(
    old_space: Space,
    new_space: Space,
    old: ArchitectureParameters,
    old_optimizer: torch.optim.Adam,
    new: ArchitectureParameters,
    new_optimizer: torch.optim.Adam,
) -> None:
    """Transfer Adam's moments of the old architecture parameters; those of new candidates are 0."""
    for name, parameter in new.items():
        state = old_optimizer.state[old[name]]
        if not state:
            continue
        moments = {key: state[key] for key in ("exp_avg", "exp_avg_sq")}
        zeros = dict.fromkeys([name], torch.zeros_like(parameter))
        carried = {
            key: carry_parameters(old_space, new_space, {name: value}, zeros)[name] for key, value in moments.items()
        }
        new_optimizer.state[parameter] = {
            "step": state["step"].clone(),
            **{key: value.detach().clone() for key, value in carried.items()},
        }
