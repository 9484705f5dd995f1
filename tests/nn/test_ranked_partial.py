"""Partial-channel edges with chosen channels."""

from __future__ import annotations

import pytest
import torch

from aca_ray.nn.edges import EdgeObservation, PartialChannelEdge, RankedPartialEdge, ranked_partial_channels

NAMES = ("none", "max_pool_3x3", "skip_connect", "sep_conv_3x3")


@pytest.mark.parametrize("stride", [1, 2])
def test_before_a_ranking_it_matches_a_partial_channel_edge(stride: int) -> None:
    ranked, partial = RankedPartialEdge(NAMES, 8, stride, 4), PartialChannelEdge(NAMES, 8, stride, 4)
    partial.load_state_dict({name: value for name, value in ranked.state_dict().items() if name != "passing"})
    images = torch.randn(2, 8, 16, 16).contiguous(memory_format=torch.channels_last)
    weights = torch.rand(4)
    torch.testing.assert_close(ranked(images, weights), partial(images, weights))


def test_the_passing_channels_keep_their_positions() -> None:
    edge = ranked_partial_channels(4)(("avg_pool_3x3", "skip_connect"), 8, 1)
    edge.passing.copy_(torch.tensor([3, 6]))
    channels = torch.arange(8.0).view(1, 8, 1, 1).expand(2, 8, 4, 4)
    seen: list[EdgeObservation] = []
    output = edge(channels, torch.tensor([0.0, 10.0]), seen.append)
    assert output[1, :, 3, 3].tolist() == [0, 1, 2, 30, 4, 5, 60, 7]
    assert edge.groups == 4  # for the shuffle of the node
    assert torch.equal(seen[0].input, channels[:, [3, 6]])


def test_the_choice_is_part_of_the_state() -> None:
    edge, other = RankedPartialEdge(NAMES, 8, 1, 4), RankedPartialEdge(NAMES, 8, 1, 4)
    edge.passing.copy_(torch.tensor([1, 5]))
    other.load_state_dict(edge.state_dict())
    assert other.passing.tolist() == [1, 5]
