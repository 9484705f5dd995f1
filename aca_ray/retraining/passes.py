"""Passes of a derived network in the precision of its protocol, compiled if the protocol says so."""

from __future__ import annotations

import os
import shutil
from contextlib import AbstractContextManager

import torch
from torch import Tensor

from aca_ray.errors import ConfigError
from aca_ray.nn.derived import DerivedNetwork
from aca_ray.nn.fused import lay_out
from aca_ray.retraining.protocols import Protocol, check_device
from aca_ray.training.device import tf32_allowed

_COMPILERS = ("g++", "c++", "clang++")


class Passes:
    """Passes through a network, in training and in evaluation.

    A compiled network is compiled for batches of the protocol's size. Smaller batches and evaluation run uncompiled,
    because every other shape would be compiled again.

    Args:
        network: the network, on its device; takes its fastest layout unless it is compiled.
        protocol: the protocol.
        device: device of the network.

    Raises:
        ConfigError: the device has no TF32, or the machine has no compiler.
    """

    def __init__(self, network: DerivedNetwork, protocol: Protocol, device: torch.device) -> None:
        check_device(protocol, device.type)
        self._network = network if protocol.compile else lay_out(network)
        self._protocol, self._device = protocol, device
        self._compiled = None
        if protocol.compile:
            _check_compiler(protocol)
            # Torch compiles a function for a few networks only, then silently runs it uncompiled.
            torch.compiler.reset()
            self._compiled = torch.compile(network.forward_with_auxiliary, dynamic=False)

    def train(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return float32 logits and auxiliary logits of a training batch; see `DerivedNetwork`."""
        is_full = len(images) == self._protocol.batch_size
        forward = self._compiled if self._compiled and is_full else self._network.forward_with_auxiliary
        with self._autocast():
            logits, auxiliary_logits = forward(images)
        return logits.float(), None if auxiliary_logits is None else auxiliary_logits.float()

    def evaluate(self, images: Tensor) -> Tensor:
        """Return (B, K) float32 logits of (B, C, H, W) normalized images."""
        with self.tf32(), self._autocast():
            logits: Tensor = self._network(images)
        return logits.float()

    def tf32(self) -> AbstractContextManager[None]:
        """Return a context that allows TF32 if it is the protocol's precision; for forward and backward passes."""
        return tf32_allowed(self._protocol.precision == "tf32")

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self._device.type, torch.bfloat16, enabled=self._protocol.precision == "bfloat16")


def _check_compiler(protocol: Protocol) -> None:
    """Raise ConfigError unless this machine has a C++ compiler."""
    if not any(map(shutil.which, (os.environ.get("CXX", ""), *_COMPILERS))):
        raise ConfigError(
            f"protocol {protocol.name}: compile needs a C++ compiler on the machine that trains, found none of "
            f"{', '.join(_COMPILERS)}; install one, or set compile: false"
        )
