"""The modules and tensors of a supernet, listed once: listing thousands of them takes longer than small passes."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import torch
from torch import Tensor, nn

from aca_ray.nn.blocks import Noise
from aca_ray.nn.edges import DropPathEdge, IdentityDropout, SampledSum
from aca_ray.nn.fused.maps import is_small, on_cpu
from aca_ray.nn.mixing import Mixing
from aca_ray.nn.supernet import Supernet

# Modules whose passes draw random numbers or read values of their inputs; torch.func.vmap refuses both.
NOT_PACKABLE = (Noise, IdentityDropout, DropPathEdge, SampledSum)

_structures: dict[Hashable, int] = {}


class Unpacked(nn.Module):
    """Computes the passes of a supernet itself, also if the supernet is packed."""

    def __init__(self, network: Supernet) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor, mixing: Mixing) -> Tensor:
        """Return the supernet's (B, K) logits."""
        return Supernet.forward(self.network, images, mixing)


class Contents:
    """Modules, parameters and buffers of a supernet; names are those within `Unpacked`.

    Attributes:
        module: the module to call for a pass.
        structure: number that two supernets share if and only if they are the same function of parameters and inputs,
            except for the strength of their scheduled modules.
    """

    def __init__(self, network: Supernet) -> None:
        self.module = Unpacked(network)
        named = dict(self.module.named_modules())
        self._modules = tuple(named.values())
        self._paths = {id(module): path for path, module in named.items()}
        self._parameters = [place for path, own in named.items() for place in _places(path, own._parameters)]
        self._buffers = [place for path, own in named.items() for place in _places(path, own._buffers)]
        shapes = tuple(parameter.shape for parameter in network.parameters())
        whole = network.space, tuple((name, type(module)) for name, module in named.items()), shapes
        self.structure = _structures.setdefault(whole, len(_structures))
        # vmap does not support batch norms of mixed precision.
        is_exact = network.precision == torch.float32
        self._is_packable = is_exact and not any(isinstance(module, NOT_PACKABLE) for module in self._modules)

    @property
    def network(self) -> Supernet:
        """The supernet."""
        return self.module.network

    def can_pack(self, images: Tensor) -> bool:
        """Return whether a pass can be packed: everywhere except with large maps on a CPU.

        Networks that draw random numbers, read the values of mixing weights, compute in mixed precision or have forward
        hooks are computed alone.
        """
        return (not on_cpu(images) or is_small(images)) and self._is_packable and not self._is_watched

    @property
    def _is_watched(self) -> bool:
        """Whether any module has a forward hook."""
        return any(module._forward_hooks or module._forward_pre_hooks for module in self._modules)

    def path_of(self, module: nn.Module) -> str:
        """Return the name of a module."""
        return self._paths[id(module)]

    @property
    def parameters(self) -> dict[str, Tensor]:
        """Current tensors of the parameters, by name."""
        return {name: own[key] for name, own, key in self._parameters}

    @property
    def buffers(self) -> dict[str, Tensor]:
        """Current tensors of the buffers, by name."""
        return {name: own[key] for name, own, key in self._buffers}


def _places(path: str, own: dict[str, Any]) -> list[tuple[str, dict[str, Any], str]]:
    """Return full name, table and key of every tensor in one of a module's tables."""
    return [(f"{path}.{key}", own, key) for key, tensor in own.items() if tensor is not None]
