"""Packed forward passes: several supernets of one structure, computed as one pass with as many times the groups.

The network of one seed leaves much of a device idle, since its layers are many and small. A packed pass of several
seeds costs as many calls as one pass, and gives each seed the result that it would have alone, except for rounding. It
uses torch.func.vmap.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from aca_ray.nn.fused.maps import is_small, on_cpu
from aca_ray.nn.fused.running_statistics import BatchStatistics, Buffers, gathered, update
from aca_ray.nn.mixing import CellMixing, Mixing
from aca_ray.nn.supernet import Supernet, pass_computer

# Names of the mixing weights among a pass's inputs, which no parameter of a module can have.
_MIXING = ("normal operations", "normal edges", "reduce operations", "reduce edges")
_STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


class _Anatomy:
    """Modules, parameters and buffers of a supernet, listed once.

    Attributes:
        structure: number that two supernets share if and only if they are the same function of parameters and inputs,
            except for the strength of their scheduled modules.
        packs: whether its passes draw no random numbers and run the same operations for all values of their inputs.
    """

    def __init__(self, network: Supernet) -> None:
        named = dict(network.named_modules())
        self._modules = tuple(named.values())
        self._paths = {id(module): path for path, module in named.items()}
        self._parameters = [place for path, own in named.items() for place in _places(path, own._parameters)]
        self._buffers = [place for path, own in named.items() for place in _places(path, own._buffers)]
        shapes = tuple(parameter.shape for parameter in network.parameters())
        whole = network.space, tuple((name, type(module)) for name, module in named.items()), shapes
        self.structure = _structures.setdefault(whole, len(_structures))
        self.packs = all(getattr(module, "packs", True) for module in self._modules)

    def path_of(self, module: nn.Module) -> str:
        """Return the name of a module of the supernet."""
        return self._paths[id(module)]

    @property
    def is_watched(self) -> bool:
        """Whether any module has a forward hook."""
        return any(module._forward_hooks or module._forward_pre_hooks for module in self._modules)

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


_structures: dict[Hashable, int] = {}
_updated_outside: dict[Hashable, frozenset[str]] = {}  # names of buffers, by kind of pass
_anatomies: WeakKeyDictionary[Supernet, _Anatomy] = WeakKeyDictionary()


def _anatomy(network: Supernet) -> _Anatomy:
    if network not in _anatomies:
        _anatomies[network] = _Anatomy(network)
    return _anatomies[network]


def packs(network: Supernet, images: Tensor) -> bool:
    """Return whether a pass can be packed: everywhere except with large maps on a CPU.

    Networks that draw random numbers, read the values of mixing weights or have forward hooks are computed alone.
    """
    may = not on_cpu(images) or is_small(images)
    return may and _anatomy(network).packs and not _anatomy(network).is_watched


@dataclass(frozen=True)
class Pass:
    """A requested forward pass.

    Attributes:
        network: supernet that has the structure of the pass.
        images: (B, C, H, W) images.
        inputs: parameters and mixing weights, by name; these may have gradients.
        buffers: buffers by name; updated as by the pass alone.
        wanted: names of the inputs whose gradients are requested.
    """

    network: Supernet
    images: Tensor
    inputs: Mapping[str, Tensor]
    buffers: Mapping[str, Tensor]
    wanted: frozenset[str]

    @staticmethod
    def through(network: Supernet, images: Tensor, mixing: Mixing) -> Pass:
        """Return the pass that a supernet would compute now."""
        cells = (mixing.normal, mixing.reduce)
        tensors = [tensor for cell in cells for tensor in (cell.operations, cell.edges)]
        weights = {name: tensor for name, tensor in zip(_MIXING, tensors, strict=True) if tensor is not None}
        inputs = {**_anatomy(network).parameters, **weights}
        learns = torch.is_grad_enabled()
        wanted = frozenset(name for name, tensor in inputs.items() if learns and tensor.requires_grad)
        return Pass(network, images, inputs, _anatomy(network).buffers, wanted)

    @cached_property
    def kind(self) -> Hashable:
        """A key that is equal for two passes if and only if they can be packed."""
        structure, strength = _anatomy(self.network).structure, self.network.strength
        mixing = tuple(self.inputs[name].shape if name in self.inputs else None for name in _MIXING)
        images = self.images.device, on_cpu(self.images), self.images.shape
        return structure, strength, self.network.training, images, mixing, self.wanted

    def compute_alone(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Return the (B, K) logits for other inputs than the pass's own; running statistics are unchanged."""
        outer = pass_computer.set(None)
        try:
            buffers = {name: buffer.clone() for name, buffer in self.buffers.items()}
            return self.compute(inputs, buffers, self.images)
        finally:
            pass_computer.reset(outer)

    def compute(self, inputs: Mapping[str, Tensor], buffers: Mapping[str, Tensor], images: Tensor) -> Tensor:
        """Return the (B, K) logits for other tensors than the pass's own; the buffers are updated."""
        normal, normal_edges, reduce, reduce_edges = (inputs.get(name) for name in _MIXING)
        assert normal is not None
        assert reduce is not None
        mixing = Mixing(CellMixing(normal, normal_edges), CellMixing(reduce, reduce_edges))
        weights = {name: tensor for name, tensor in inputs.items() if name not in _MIXING}
        logits: Tensor = functional_call(self.network, {**weights, **buffers}, (images, mixing), tie_weights=False)
        return logits


class Rows:
    """Shared storage for networks of one structure, so that a packed pass need not stack their tensors every time.

    The networks' parameters and buffers become rows of common tensors.
    """

    def __init__(self) -> None:
        self._networks: list[Supernet] = []
        self._tables: dict[str, Tensor] = {}
        self._pointers: dict[str, list[int]] = {}

    def hold(self, networks: Sequence[Supernet]) -> None:
        """Move networks into the shared storage, unless it already has exactly these."""
        if [*map(id, networks)] == [*map(id, self._networks)]:
            return
        self._networks = list(networks)
        self._tables, self._pointers = {}, {}
        anatomies = [_anatomy(network) for network in networks]
        held = [{**anatomy.parameters, **anatomy.buffers} for anatomy in anatomies]
        for name in held[0]:
            table = torch.stack([own[name].detach() for own in held])
            for own, row in zip(held, table.unbind(), strict=True):
                own[name].data = row
            self._tables[name] = table
            self._pointers[name] = [own[name].data_ptr() for own in held]

    def table(self, name: str, tensors: Sequence[Tensor]) -> tuple[Tensor, bool]:
        """Return tensors as rows of one, outside any graph, and whether they already were."""
        if self._pointers.get(name) == [tensor.data_ptr() for tensor in tensors]:
            return self._tables[name].detach(), True
        return torch.stack([tensor.detach() for tensor in tensors]), False


def _computed_together(
    first: Pass, inputs: Mapping[str, Tensor], buffers: Mapping[str, Tensor], images: Tensor
) -> Tensor:
    """Return the (S, B, K) logits of S passes of one kind whose inputs and buffers are rows; the buffers are updated.

    Running statistics are updated outside of vmap, which does not support calls that update many tensors. Once a pass
    of a kind has shown which buffers these are, later passes of that kind do not hand them to vmap: taking in thousands
    of tensors costs more than computing on small ones.
    """
    norms: list[Sequence[nn.BatchNorm2d]] = []
    anatomy, outside = _anatomy(first.network), _updated_outside.get(first.kind, frozenset())

    def compute(inputs: Mapping[str, Tensor], buffers: Mapping[str, Tensor], images: Tensor) -> Any:
        with gathered() as found:
            logits = first.compute(inputs, buffers, images)
        norms.extend(own.norms for own in found)
        return logits, [own.means for own in found], [own.variances for own in found]

    def buffers_of(norm: nn.BatchNorm2d) -> Buffers:
        mean, variance, count = (buffers[f"{anatomy.path_of(norm)}.{name}"] for name in _STATISTICS)
        return mean, variance, count

    logits: Tensor
    inside = {name: buffer for name, buffer in buffers.items() if name not in outside}
    logits, means, variances = vmap(compute)(inputs, inside, images)
    _updated_outside[first.kind] = frozenset(
        f"{anatomy.path_of(norm)}.{name}" for own in norms for norm in own for name in _STATISTICS
    )
    update([BatchStatistics(*own) for own in zip(norms, means, variances, strict=True)], buffers_of)
    return logits


class PackedPass:
    """Passes of one kind, packed.

    Attributes:
        logits: (B, K) logits of each pass.
    """

    def __init__(self, passes: Sequence[Pass], rows: Rows) -> None:
        first = passes[0]
        self._left = set(range(len(passes)))
        if len(passes) == 1:
            inputs, buffers = {name: tensor.detach() for name, tensor in first.inputs.items()}, dict(first.buffers)
            copied: list[str] = []
        else:
            inputs = {name: rows.table(name, [own.inputs[name] for own in passes])[0] for name in first.inputs}
            tables = {name: rows.table(name, [own.buffers[name] for own in passes]) for name in first.buffers}
            buffers = {name: table for name, (table, _) in tables.items()}
            copied = [name for name, (_, shared) in tables.items() if not shared]
        self._wanted = {name: inputs[name].requires_grad_() for name in inputs if name in first.wanted}
        with torch.set_grad_enabled(bool(self._wanted)):
            if len(passes) == 1:
                self._together = first.compute(inputs, buffers, first.images)[None]
            else:
                images = torch.stack([own.images for own in passes])
                self._together = _computed_together(first, inputs, buffers, images)
        for name in copied:
            for own, buffer in zip(passes, buffers[name].unbind(), strict=True):
                own.buffers[name].copy_(buffer)
        self.logits = self._together.detach().unbind()

    def has_graph(self, number: int) -> bool:
        """Return whether the gradients of a pass are still available; they can be requested once."""
        return number in self._left

    def gradients(self, of_logits: Mapping[int, Tensor]) -> dict[int, dict[str, Tensor | None]]:
        """Return the gradients of the wanted inputs for some of the passes, by name; None where there is none.

        Args:
            of_logits: (B, K) gradients of the logits, by number of the pass.
        """
        self._left -= of_logits.keys()
        size = len(self.logits)
        whole = torch.stack([of_logits.get(number, torch.zeros_like(own)) for number, own in enumerate(self.logits)])
        gradients = torch.autograd.grad(
            self._together, list(self._wanted.values()), whole, retain_graph=bool(self._left), allow_unused=True
        )
        if size == 1:
            rows: list[tuple[Tensor | None, ...]] = [(gradient,) for gradient in gradients]
        else:
            rows = [(None,) * size if gradient is None else gradient.unbind() for gradient in gradients]
        return {
            number: {name: own[number] for name, own in zip(self._wanted, rows, strict=True)} for number in of_logits
        }
