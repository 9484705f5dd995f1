"""Passes over training images whose last batch is one image, on which a network's batch norm can't train."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import torch

from aca_ray.config import SearchTrial
from aca_ray.data import CheckedData, ImageFacts
from aca_ray.evaluation import Protocol
from aca_ray.methods.parts.derivation import every_edge, top_two
from aca_ray.methods.registry import find_method
from aca_ray.nn import CellMixing, Mixing, candidate_mask
from aca_ray.nn.single_image import derived_trains_on_one_image, supernet_trains_on_one_image
from aca_ray.pipeline.searching import search_space
from aca_ray.space import CELL_TYPES, ChannelPlan, Genotype, Space

_FEWEST_IMAGES = 4  # that any data set may have


@dataclass(frozen=True)
class TrainingPass:
    """A pass over all images of a split in batches.

    Attributes:
        split: `search_train` and `search_valid`, which are the halves of the training images, or `train`, which is all.
        batch_size: images per batch, at least 1.
        trainer: what trains, for messages.
    """

    split: Literal["search_train", "search_valid", "train"]
    batch_size: int
    trainer: str

    def num_images(self, num_train: int) -> int:
        """Return the size of the split."""
        half = num_train // 2
        return {"search_train": half, "search_valid": num_train - half, "train": num_train}[self.split]

    def ends_with_one(self, num_train: int) -> bool:
        """Return whether the last batch is one image, in batches of more."""
        return self.batch_size > 1 and self.num_images(num_train) % self.batch_size == 1


def search_passes(trial: SearchTrial) -> list[TrainingPass]:
    """Return the passes that a search makes in training mode."""
    space = search_space(trial)
    method = find_method(trial.method).on(space)
    batch_size, trainer = trial.batch_size or method.recipe.batch_size, f"method {trial.method}"
    in_stages = len(method.stages(space)) > 1  # before a stage, a method may pass over either split
    passes = []
    if method.draw_train is None or in_stages:
        passes.append(TrainingPass("search_train", batch_size, trainer))
    if method.draw_valid is None or in_stages:
        passes.append(TrainingPass("search_valid", batch_size, trainer))
    return passes


def retraining_pass(protocol: Protocol) -> TrainingPass:
    """Return the pass that every epoch of a retraining makes."""
    return TrainingPass("train", protocol.batch_size, f"protocol {protocol.name}")


def failing_passes(trial: SearchTrial, protocol: Protocol | None, data: CheckedData) -> list[TrainingPass]:
    """Return the passes of a search, and of the retraining that follows it, that fail at their last batch.

    Every network in question is built and computes one image.

    Args:
        trial: the search.
        protocol: of the retraining; None when nothing is retrained.
        data: what the trial reads.
    """
    space, info = search_space(trial), data.info
    method = find_method(trial.method).on(space)
    failing = [one for one in search_passes(trial) if one.ends_with_one(data.num_train)]
    if failing and _supernet_trains(
        space,
        method.edge_builder(space, stage=0),
        method.build_head,
        channels=trial.network["channels"],
        num_cells=method.num_cells(space, 0, trial.network["cells"]),
        num_classes=info.num_classes,
        in_channels=info.channels,
        height=info.height,
        width=info.width,
    ):
        failing = []
    if protocol is not None:
        failing += failing_retraining(_some_genotype(space), None, protocol, data)
    return failing


def failing_retraining(
    genotype: Genotype, plan: ChannelPlan | None, protocol: Protocol, data: CheckedData
) -> list[TrainingPass]:
    """Return the pass of a retraining if it fails at its last batch, else nothing; see `failing_passes`."""
    retraining = retraining_pass(protocol)
    if not retraining.ends_with_one(data.num_train) or _retraining_trains(genotype, plan, protocol, data.info):
        return []
    return [retraining]


def batch_of_one_problem(
    failing: Iterable[TrainingPass], data: CheckedData, others: Iterable[TrainingPass] = ()
) -> str:
    """Return the sentence about failing passes.

    Args:
        failing: at least one pass.
        data: what they read.
        others: further passes that the advised number of images must not make fail.
    """
    failing = list(dict.fromkeys(failing))
    listed = "; ".join(
        f"{one.num_images(data.num_train)} images of {one.split} in batches of {one.batch_size}, {one.trainer}"
        for one in failing
    )
    passes = {*failing, *others}
    fewer = range(data.num_train - 1, _FEWEST_IMAGES - 1, -1)
    fitting = next((count for count in fewer if not any(one.ends_with_one(count) for one in passes)), None)
    fix = "take another batch size" if fitting is None else f"set max_train_images: {fitting}"
    return (
        f"the last batch of a pass is one image, and batch norm can't train on maps of one pixel ({listed}, images of "
        f"{data.info.height}x{data.info.width}); {fix}"
    )


def _some_genotype(space: Space) -> Genotype:
    """Return a genotype of the space.

    Which one it is makes no difference: in every protocol a cell follows the last reduction, and what brings its inputs
    there has batch norms at the smallest size.
    """
    cells = []
    for cell_type in CELL_TYPES:
        mask = candidate_mask(space, cell_type).float()
        cells.append(CellMixing(mask * torch.arange(1, mask.shape[1] + 1)))
    return (every_edge if space.topology.num_inputs == 1 else top_two)(Mixing(*cells), space)


_supernet_trains = lru_cache(maxsize=64)(supernet_trains_on_one_image)  # trials of a sweep share most networks


@lru_cache(maxsize=64)
def _retraining_trains(genotype: Genotype, plan: ChannelPlan | None, protocol: Protocol, info: ImageFacts) -> bool:
    return derived_trains_on_one_image(
        genotype,
        plan,
        height=info.height,
        width=info.width,
        auxiliary=protocol.has_tower,
        **protocol.network_settings(info),
    )
