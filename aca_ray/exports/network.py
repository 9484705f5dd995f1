"""Exported networks, and their standalone form, which does not need this package."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

import aca_ray
from aca_ray.data import ImageFacts
from aca_ray.errors import ExportError
from aca_ray.exports.source import python_source
from aca_ray.nn import Cost, DerivedNetwork, num_parameters
from aca_ray.nn.cost import count_macs
from aca_ray.retraining import Protocol
from aca_ray.space import ChannelPlan, Genotype, stage_of_cell

TOLERANCE = 1e-4  # of logits; relative to the largest one if that is above 1
CHECKED_IMAGES = 3


@dataclass(frozen=True)
class ExportedNetwork:
    """A network and the facts that its users need.

    Attributes:
        name: name of the network.
        origin: sentence that says where cells and weights come from, or why there are no weights.
        genotype: its cells.
        plan: its channel allocation, or None.
        protocol: retraining protocol, which sets its size.
        images: facts about its input images.
        weights: state dict without the auxiliary tower, on the CPU; None if untrained.
        trial: fingerprint and spec of its trial as JSON, or None.
        test_accuracy: in [0, 1]; None if untrained.
    """

    name: str
    origin: str
    genotype: Genotype
    plan: ChannelPlan | None
    protocol: Protocol
    images: ImageFacts
    weights: Mapping[str, Tensor] | None = None
    trial: Mapping[str, Any] | None = None
    test_accuracy: float | None = None

    def build(self) -> DerivedNetwork:
        """Return the network in evaluation mode, on the CPU; if untrained, with weights of a fixed seed.

        Raises:
            ExportError: the weights do not fit this network.
        """
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            network = DerivedNetwork(self.genotype, self.plan, **self.protocol.network_settings(self.images))
        if self.weights is not None:
            try:
                network.load_state_dict(self.weights)
            except RuntimeError as error:
                raise ExportError(f"{self.name}: its weights do not fit the network ({error})") from error
        return network.eval()

    def random_images(self, num_images: int, seed: int = 0) -> Tensor:
        """Return (N, C, H, W) standard normal noise of the size of the images."""
        generator = torch.Generator().manual_seed(seed)
        return torch.randn(num_images, self.images.channels, self.images.height, self.images.width, generator=generator)

    def widths(self) -> dict[int, int]:
        """Return the channels of an edge for every stage of the network."""
        cells = self.protocol.num_cells
        stages = [stage_of_cell(index, cells) for index in range(cells)]
        return {stage: self.protocol.channels * 2 ** ((stage + 1) // 2) for stage in stages}

    def summary(self) -> str:
        """Return a description of the network and its cost."""
        images, cost, genotype = self.images, self.cost, self.genotype
        num_edges = len(genotype.normal.edges) + len(genotype.reduce.edges)
        refilled = "" if self.plan is None else f", {100 * self.plan.refilled_share:.1f} % of channels refilled"
        tested = "" if self.test_accuracy is None else f"; test accuracy {100 * self.test_accuracy:.2f} %"
        size = f"{images.channels}x{images.height}x{images.width}"
        return (
            f"{self.name} ({self.protocol.name}, {images.num_classes} classes of {size})\n"
            f"{self.origin}{tested}\n"
            f"{cost.parameters:,} parameters, {cost.macs:,} MACs; "
            f"{genotype.num_skips} of {num_edges} edges are skips{refilled}"
        )

    @cached_property
    def cost(self) -> Cost:
        """Parameters and MACs, without an auxiliary tower."""
        network = self.build()
        return Cost(num_parameters(network), count_macs(network, lambda: network(self.random_images(1))))

    def metadata(self) -> dict[str, Any]:
        """Return the metadata of every export as a JSON-ready value."""
        images, cost = self.images, self.cost
        return {
            "name": self.name,
            "origin": self.origin,
            "fingerprint": None if self.trial is None else self.trial["fingerprint"],
            "trained": self.weights is not None,
            "test_accuracy": self.test_accuracy,
            "protocol": self.protocol.name,
            "parameters": cost.parameters,
            "macs": cost.macs,
            "data": images.name,
            "input_shape": [images.channels, images.height, images.width],
            "num_classes": images.num_classes,
            "class_names": list(images.class_names) or None,
            "mean": list(images.mean),
            "std": list(images.std),
            "num_skips": self.genotype.num_skips,
            "refilled_share": 0.0 if self.plan is None else self.plan.refilled_share,
            "aca_ray_version": aca_ray.__version__,
            "torch_version": str(torch.__version__),
        }


@dataclass(frozen=True)
class Standalone:
    """A network as Python source and as the module that the source builds.

    Attributes:
        metadata: metadata of every export.
        source: text of a Python file that imports only torch.
        module: the module that the source builds, with the weights of the network, in evaluation mode.
        images: (N, C, H, W) images on which exports are checked.
        logits: (N, K) logits of the network in memory.
    """

    metadata: Mapping[str, Any]
    source: str
    module: nn.Module
    images: Tensor
    logits: Tensor

    def check(self, logits: Tensor, form: str) -> float:
        """Return the largest difference of logits from those of the network in memory.

        Raises:
            ExportError: the difference is above `TOLERANCE`, or the shapes differ.
        """
        if logits.shape != self.logits.shape:
            raise ExportError(f"{form}: returns logits of {tuple(logits.shape)}, needs {tuple(self.logits.shape)}")
        difference = float((logits - self.logits).abs().max())
        if not difference <= TOLERANCE * max(1.0, float(self.logits.abs().max())):  # also a NaN
            raise ExportError(
                f"{form}: its logits differ by {difference:.2g} from those of the network in memory, at most "
                f"{TOLERANCE:g} is allowed; nothing was written. Choose another format and report this"
            )
        return difference


def stand_alone(exported: ExportedNetwork) -> Standalone:
    """Return the network in a form that needs only torch; its logits are checked on random images.

    Other formats trace this form: its layers are called one by one, whatever the size of the feature maps. The batch
    norms of an untrained network have the statistics of one batch of noise.

    Raises:
        ExportError: the weights do not fit the network, or the form computes something else.
    """
    network, metadata = exported.build(), exported.metadata()
    images = exported.random_images(CHECKED_IMAGES)
    if exported.weights is None:
        _settle_norms(network, images)
    source = python_source(network, exported.genotype, exported.plan, metadata)
    file = ModuleType("network")
    file.__file__ = "network.py"
    exec(compile(source, file.__file__, "exec"), file.__dict__)
    module: nn.Module = file.build(None)
    module.load_state_dict(network.state_dict())
    made = Standalone(metadata, source, module, images, logits_of(network, images))
    made.check(logits_of(module, images), "python")
    return made


def _settle_norms(network: nn.Module, images: Tensor) -> None:
    """Set batch norms to the statistics of a batch: with initial ones, logits depend too little on the images."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    logits_of(network.train(), images)
    network.eval()


def logits_of(network: nn.Module, images: Tensor) -> Tensor:
    """Return (N, K) logits, without gradients; random operations draw the same numbers for every network."""
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return network(images)
