"""Packed passes: several supernets of one structure, computed as one pass with as many times the groups.

The network of one seed leaves much of a device idle, since its layers are many and small. A packed pass of several
seeds costs as many calls as one pass, and gives each seed the result that it would have alone, except for rounding. It
uses torch.func.vmap.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import vmap

from aca_ray.nn.fused.running_statistics import BatchStatistics, Buffers, collected, update
from aca_ray.packing.passes import Pass
from aca_ray.packing.rows import Rows

_STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
_updated_outside: dict[Hashable, frozenset[str]] = {}  # names of buffers, by kind of pass


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
                self._logits = first.compute(inputs, buffers, first.images)[None]
            else:
                images = torch.stack([own.images for own in passes])
                self._logits = _computed_as_one(first, inputs, buffers, images)
        for name in copied:
            for own, buffer in zip(passes, buffers[name].unbind(), strict=True):
                own.buffers[name].copy_(buffer)
        self.logits = self._logits.detach().unbind()

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
            self._logits, list(self._wanted.values()), whole, retain_graph=bool(self._left), allow_unused=True
        )
        if size == 1:
            rows: list[tuple[Tensor | None, ...]] = [(gradient,) for gradient in gradients]
        else:
            rows = [(None,) * size if gradient is None else gradient.unbind() for gradient in gradients]
        return {
            number: {name: own[number] for name, own in zip(self._wanted, rows, strict=True)} for number in of_logits
        }


def _computed_as_one(
    first: Pass, inputs: Mapping[str, Tensor], buffers: Mapping[str, Tensor], images: Tensor
) -> Tensor:
    """Return the (S, B, K) logits of S passes of one kind whose inputs and buffers are rows; the buffers are updated.

    Running statistics are updated outside of vmap, which does not support calls that update many tensors. Once a pass
    of a kind has shown which buffers these are, later passes of that kind do not hand them to vmap: taking in thousands
    of tensors costs more than computing on small ones.
    """
    norms: list[Sequence[nn.BatchNorm2d]] = []
    contents, outside = first.contents, _updated_outside.get(first.kind, frozenset())

    def compute(inputs: Mapping[str, Tensor], buffers: Mapping[str, Tensor], images: Tensor) -> Any:
        with collected() as found:
            logits = first.compute(inputs, buffers, images)
        norms.extend(own.norms for own in found)
        return logits, [own.means for own in found], [own.variances for own in found]

    def buffers_of(norm: nn.BatchNorm2d) -> Buffers:
        mean, variance, count = (buffers[f"{contents.path_of(norm)}.{name}"] for name in _STATISTICS)
        return mean, variance, count

    logits: Tensor
    inside = {name: buffer for name, buffer in buffers.items() if name not in outside}
    logits, means, variances = vmap(compute)(inputs, inside, images)
    _updated_outside[first.kind] = frozenset(
        f"{contents.path_of(norm)}.{name}" for own in norms for norm in own for name in _STATISTICS
    )
    update([BatchStatistics(*own) for own in zip(norms, means, variances, strict=True)], buffers_of)
    return logits
