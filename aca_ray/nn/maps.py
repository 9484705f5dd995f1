"""How feature maps lie in memory; on a CPU that decides how fast they are computed.

States are (B, C, H, W). On a CPU small ones have their images next to one another in memory, all others their channels;
on other devices they lie as torch has them. What
several operations compute at once are maps: (N, C, H, W, B) tensors of N operations; N is 1 for as long as all see the
same.

Source: ours.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

_ALL = slice(None)
LARGEST_SMALL = 64  # positions; measured: on 16x16 dense matrices lose to convolution kernels


def on_cpu(maps: Tensor) -> bool:
    """Return whether work takes the time, and how maps lie decides how long; elsewhere the number of calls does."""
    return maps.device.type == "cpu"


def is_small(maps: Tensor) -> bool:
    """Return whether (B, C, H, W) or (N, C, H, W, B) are fastest as in `small_maps`."""
    return on_cpu(maps) and maps.shape[2] * maps.shape[3] <= LARGEST_SMALL


def is_channels_last(maps: Tensor) -> bool:
    """Return whether (B, C, H, W) lie on a CPU with the channels next to one another in memory."""
    return on_cpu(maps) and maps.is_contiguous(memory_format=torch.channels_last)


def channels_last(images: Tensor) -> Tensor:
    """Return (B, C, H, W), on a CPU with the channels next to one another in memory: layers keep to that."""
    return images.contiguous(memory_format=torch.channels_last) if on_cpu(images) else images


def laid_out(state: Tensor) -> Tensor:
    """Return (B, C, H, W) as it is computed with fastest: on a CPU, images last where it is small, else channels."""
    return as_state(as_maps(state)[0].contiguous()) if is_small(state) else channels_last(state)


def as_maps(state: Tensor) -> Tensor:
    """Return (B, C, H, W) as (1, C, H, W, B), the same memory."""
    return state.permute(1, 2, 3, 0)[None]


def as_state(maps: Tensor) -> Tensor:
    """Return one operation's (C, H, W, B) as (B, C, H, W), the same memory."""
    return maps.permute(3, 0, 1, 2)


def as_states(maps: Tensor) -> list[Tensor]:
    """Return the (B, C, H, W) of each of N operations, the same memory."""
    if is_small(maps):
        return [as_state(own) for own in maps.unbind()]
    return list(stacked(maps).split(maps.shape[1], dim=1))


def stacked(maps: Tensor) -> Tensor:
    """Return (N, C, H, W, B) as (B, N*C, H, W), the same memory unless the images are next to one another."""
    return maps.permute(4, 0, 1, 2, 3).flatten(1, 2)


def unstacked(maps: Tensor, num_operations: int) -> Tensor:
    """Return (B, N*C, H, W) as (N, C, H, W, B), the same memory."""
    return maps.unflatten(1, (num_operations, -1)).permute(1, 2, 3, 4, 0)


def concatenate_channels(states: Sequence[Tensor]) -> Tensor:
    """Return the (B, sum of C, H, W) concatenation, in memory as the states are."""
    if is_small(states[0]):
        return as_state(torch.cat([as_maps(state)[0] for state in states]))
    return torch.cat([with_dense_gradient(state) for state in states], dim=1)


def shuffle_channels(state: Tensor, groups: int) -> Tensor:
    """Return (B, C, H, W) with its channels, seen as a (groups, C/groups) table, read column by column."""
    if groups == 1:
        return state
    if is_small(state):
        return as_state(as_maps(state)[0].unflatten(0, (groups, -1)).transpose(0, 1).flatten(0, 1))
    return torch.channel_shuffle(state, groups)


def part(state: Tensor, *, channels: slice = _ALL, positions: slice = _ALL) -> Tensor:
    """Return some channels, rows and as many columns of (B, C, H, W), the same memory; gradients lie as states do."""
    # Sliced in the order of memory, since the gradient of a slice is laid out in the order of the axes.
    if is_small(state):
        return as_state(as_maps(state)[0][channels, positions, positions])
    if is_channels_last(state):
        return state.permute(0, 2, 3, 1)[:, positions, positions, channels].permute(0, 3, 1, 2)
    return state[:, channels, positions, positions]


def with_dense_gradient(state: Tensor) -> Tensor:
    """Return (B, C, H, W) unchanged; its gradient, where it is a part of a larger map, is copied out of that's.

    On a CPU batch norms are eight times slower with gradients whose channels leave gaps in memory.
    """
    state = state.view_as(state)
    if state.requires_grad and on_cpu(state) and not is_small(state):
        state.register_hook(channels_last)
    return state
