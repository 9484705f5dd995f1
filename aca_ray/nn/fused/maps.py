"""Memory layout of feature maps, which determines their speed on a CPU.

States are (B, C, H, W). On a CPU, small states are images-last in memory and all others channels-last; on other devices
the layout is torch's default. Fused operations compute maps: (N, C, H, W, B) tensors of N operations, where N is 1 as
long as all of them read the same.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

_ALL = slice(None)
LARGEST_SMALL = 64  # positions; measured: on 16x16 dense matrices lose to convolution kernels


def on_cpu(maps: Tensor) -> bool:
    """Return whether maps are on a CPU, where their layout determines the time; elsewhere the number of calls does."""
    return maps.device.type == "cpu"


def is_small(maps: Tensor) -> bool:
    """Return whether `small_maps` is fastest for (B, C, H, W) or (N, C, H, W, B)."""
    return on_cpu(maps) and maps.shape[2] * maps.shape[3] <= LARGEST_SMALL


def is_channels_last(maps: Tensor) -> bool:
    """Return whether (B, C, H, W) is on a CPU and channels-last in memory."""
    return on_cpu(maps) and maps.is_contiguous(memory_format=torch.channels_last)


def channels_last(images: Tensor) -> Tensor:
    """Return (B, C, H, W), on a CPU channels-last in memory; layers preserve that layout."""
    return images.contiguous(memory_format=torch.channels_last) if on_cpu(images) else images


def laid_out(state: Tensor) -> Tensor:
    """Return (B, C, H, W) in its fastest layout: on a CPU images-last if it is small, else channels-last."""
    return as_state(as_maps(state)[0].contiguous()) if is_small(state) else channels_last(state)


def as_maps(state: Tensor) -> Tensor:
    """Return (B, C, H, W) as a (1, C, H, W, B) view."""
    return state.permute(1, 2, 3, 0)[None]


def as_state(maps: Tensor) -> Tensor:
    """Return one operation's (C, H, W, B) as a (B, C, H, W) view."""
    return maps.permute(3, 0, 1, 2)


def as_states(maps: Tensor) -> list[Tensor]:
    """Return a (B, C, H, W) view for each of N operations."""
    if is_small(maps):
        return [as_state(own) for own in maps.unbind()]
    return list(stacked(maps).split(maps.shape[1], dim=1))


def stacked(maps: Tensor) -> Tensor:
    """Return (N, C, H, W, B) as (B, N*C, H, W), a view unless the maps are images-last."""
    return maps.permute(4, 0, 1, 2, 3).flatten(1, 2)


def unstacked(maps: Tensor, num_operations: int) -> Tensor:
    """Return (B, N*C, H, W) as an (N, C, H, W, B) view."""
    return maps.unflatten(1, (num_operations, -1)).permute(1, 2, 3, 4, 0)


def concatenate_channels(states: Sequence[Tensor]) -> Tensor:
    """Return the (B, sum of C, H, W) concatenation in the layout of the states."""
    if is_small(states[0]):
        return as_state(torch.cat([as_maps(state)[0] for state in states]))
    return torch.cat([with_dense_gradient(state) for state in states], dim=1)


def shuffle_channels(state: Tensor, groups: int) -> Tensor:
    """Return (B, C, H, W) with its channels, as a (groups, C/groups) table, read column by column."""
    if groups == 1:
        return state
    if is_small(state):
        return as_state(as_maps(state)[0].unflatten(0, (groups, -1)).transpose(0, 1).flatten(0, 1))
    return torch.channel_shuffle(state, groups)


def part(state: Tensor, *, channels: slice = _ALL, positions: slice = _ALL) -> Tensor:
    """Return a view of some channels and positions of (B, C, H, W), whose gradient has the layout of the state."""
    # Slice in memory order, since the gradient of a slice is laid out in the order of the axes.
    if is_small(state):
        return as_state(as_maps(state)[0][channels, positions, positions])
    if is_channels_last(state):
        return state.permute(0, 2, 3, 1)[:, positions, positions, channels].permute(0, 3, 1, 2)
    return state[:, channels, positions, positions]


def every_second_pixel(x: Tensor, first: int) -> Tensor:
    """Return every second row and column, from index `first`, of channels-last (B, C, H, W), channels-last."""
    # Slice in memory order, since the gradient of a slice is laid out in the order of the axes.
    return channels_last(x.permute(0, 2, 3, 1)[:, first::2, first::2].permute(0, 3, 1, 2))


def with_dense_gradient(state: Tensor) -> Tensor:
    """Return (B, C, H, W) unchanged; a gradient that is a slice of a larger one is copied.

    On a CPU, batch norms are eight times slower with gradients that have gaps in memory.
    """
    state = state.view_as(state)
    if state.requires_grad and on_cpu(state) and not is_small(state):
        state.register_hook(channels_last)
    return state
