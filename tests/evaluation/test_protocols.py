"""Protocols by name."""

from __future__ import annotations

import pytest

from aca_ray.errors import ConfigError
from aca_ray.evaluation import PROTOCOLS, find_protocol


def test_the_cifar_protocol_is_that_of_darts() -> None:
    protocol = find_protocol("cifar")
    assert (protocol.channels, protocol.num_cells, protocol.epochs, protocol.batch_size) == (36, 20, 600, 96)
    assert (protocol.lr, protocol.momentum, protocol.weight_decay, protocol.clip_norm) == (0.025, 0.9, 3e-4, 5.0)
    assert (protocol.auxiliary_weight, protocol.drop_path, protocol.cutout) == (0.4, 0.2, True)


def test_names_are_the_registry_keys() -> None:
    assert all(find_protocol(name).name == name for name in PROTOCOLS)


def test_unknown_protocol_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"^evaluation\.protocol: unknown protocol 'cifar10'\. Did you mean cifar\?"):
        find_protocol("cifar10", "evaluation.protocol")
