"""Copies of channels for candidates that get more channels."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from aca_ray.nn import Supernet
from aca_ray.nn.edges import partial_channels
from aca_ray.nn.widening import duplicated_channels
from aca_ray.space import Space, Topology

NAMES = ("none", "max_pool_3x3", "skip_connect", "sep_conv_3x3", "dil_conv_5x5")
SPACE = Space("tiny", Topology(num_inputs=2, num_nodes=1), normal=(NAMES,) * 2, reduce=(NAMES,) * 2)


def supernet(share: int) -> Supernet:
    network = Supernet(SPACE, channels=24, num_cells=3, num_classes=3, build_edge=partial_channels(share))
    for name, buffer in network.named_buffers():
        if name.endswith("running_mean"):  # shows which channel a copy came from
            buffer.copy_(torch.arange(len(buffer)))
    return network


@pytest.fixture
def states() -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, Tensor]]:
    torch.manual_seed(0)
    old, new = supernet(6).state_dict(), supernet(4).state_dict()
    return old, new, duplicated_channels(torch.Generator().manual_seed(1))(old, new)


def origins(wide: dict[str, Tensor], norm: str) -> list[int]:
    return wide[f"{norm}.running_mean"].long().tolist()


def edges() -> list[tuple[str, int]]:
    """Return the name and the stride of every edge; cells 1 and 2 reduce."""
    return [(f"cells.{c}.edges.{e}.candidates.operations", 2 if c else 1) for c in range(3) for e in (0, 1)]


def test_the_state_fits_the_new_network(states: tuple[dict[str, Tensor], ...]) -> None:
    old, new, wide = states
    assert {name: tensor.shape for name, tensor in wide.items()} == {name: tensor.shape for name, tensor in new.items()}
    for name, tensor in wide.items():
        if ".edges." not in name:
            assert torch.equal(tensor, old[name])


def test_old_channels_stay_and_new_ones_copy_an_old_one_in_all_layers_of_an_edge(
    states: tuple[dict[str, Tensor], ...],
) -> None:
    old, _, wide = states
    drawn = set()
    for edge, _ in edges():
        copied = origins(wide, f"{edge}.max_pool_3x3.1")
        few = old[f"{edge}.max_pool_3x3.1.running_mean"].numel()
        assert len(copied) == few * 6 // 4
        assert copied[:few] == list(range(few))
        assert all(0 <= source < few for source in copied)
        drawn.add(tuple(copied[few:]))
        for layer in ("sep_conv_3x3.1", "sep_conv_3x3.5", "dil_conv_5x5.1"):  # depthwise: a filter per channel
            assert torch.equal(wide[f"{edge}.{layer}.weight"], old[f"{edge}.{layer}.weight"][copied])
        for layer in ("sep_conv_3x3.2", "sep_conv_3x3.6", "dil_conv_5x5.2"):  # pointwise: (writes, reads), not rescaled
            assert torch.equal(wide[f"{edge}.{layer}.weight"], old[f"{edge}.{layer}.weight"][copied][:, copied])
        for layer in ("sep_conv_3x3.3", "sep_conv_3x3.7", "dil_conv_5x5.3"):
            assert origins(wide, f"{edge}.{layer}") == copied
    assert len(drawn) > 1


def test_a_factorized_reduction_keeps_filters_and_statistics_together(states: tuple[dict[str, Tensor], ...]) -> None:
    old, _, wide = states

    def filters(state: dict[str, Tensor], edge: str) -> Tensor:
        return torch.cat([state[f"{edge}.skip_connect.{half}.weight"] for half in ("first", "second")])

    for edge, stride in edges():
        if stride == 2:
            read = origins(wide, f"{edge}.max_pool_3x3.1")
            written = origins(wide, f"{edge}.skip_connect.norm")
            assert set(written) == set(range(len(filters(old, edge))))  # none is lost
            assert torch.equal(filters(wide, edge), filters(old, edge)[written][:, read])


def test_momentum_copies_the_same_channels() -> None:
    old, new = supernet(6), supernet(4)
    weights = dict(old.named_parameters())
    buffers = {name: 2.0 * weight.detach() for name, weight in weights.items() if not name.startswith("stem")}
    transfer = duplicated_channels(torch.Generator().manual_seed(1))
    wide = transfer(old.state_dict(), new.state_dict())
    moved = transfer(buffers, {name: torch.zeros_like(weight) for name, weight in new.named_parameters()})
    for name, buffer in moved.items():
        expected = torch.zeros_like(buffer) if name.startswith("stem") else 2.0 * wide[name]
        assert torch.equal(buffer, expected)
