"""Detection of training passes whose last batch is a single image, on which batch norm can't train."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import torch

from aca_ray.config import SearchTrial
from aca_ray.data import CheckedData, ImageFacts
from aca_ray.methods.parts.derivation import every_edge, top_two
from aca_ray.methods.registry import find_method
from aca_ray.nn import CellMixing, Mixing, candidate_mask
from aca_ray.nn.single_image import derived_trains_on_one_image, supernet_trains_on_one_image
from aca_ray.retraining import Protocol
from aca_ray.space import CELL_TYPES, ChannelPlan, Genotype, Space
from aca_ray.trials.searching import search_space

_FEWEST_IMAGES = 4  # training images that a data set needs


@dataclass(frozen=True)
class TrainingPass:
    """A pass over all images of a split in batches.

    Attributes:
        split: `search_train` or `search_valid`, the halves of the training images, or `train`, all of them.
        batch_size: images per batch, at least 1.
        trainer: the method or protocol that trains, for messages.
    """

    split: Literal["search_train", "search_valid", "train"]
    batch_size: int
    trainer: str

    def num_images(self, num_train: int) -> int:
        """Return the size of the split."""
        half = num_train // 2
        return {"search_train": half, "search_valid": num_train - half, "train": num_train}[self.split]

    def ends_with_one(self, num_train: int) -> bool:
        """Return whether the last batch is a single image although the batch size is larger."""
        return self.batch_size > 1 and self.num_images(num_train) % self.batch_size == 1


def search_passes(trial: SearchTrial) -> list[TrainingPass]:
    """Return the passes that a search makes in training mode."""
    space = search_space(trial)
    method = find_method(trial.method).on(space)
    batch_size, trainer = trial.batch_size or method.recipe.batch_size, f"method {trial.method}"
    in_stages = len(method.stages(space)) > 1  # between stages, a method may pass over either split
    passes = []
    if method.draw_train is None or in_stages:
        passes.append(TrainingPass("search_train", batch_size, trainer))
    if method.draw_valid is None or in_stages:
        passes.append(TrainingPass("search_valid", batch_size, trainer))
    return passes


def retraining_pass(protocol: Protocol) -> TrainingPass:
    """Return the pass of every epoch of a retraining."""
    return TrainingPass("train", protocol.batch_size, f"protocol {protocol.name}")


def failing_passes(trial: SearchTrial, protocol: Protocol | None, data: CheckedData) -> list[TrainingPass]:
    """Return the passes of a search, and of the retraining that follows it, that would fail at their last batch.

    Every network that could fail is built and tried on one image.

    Args:
        trial: the search.
        protocol: protocol of the retraining; None if nothing is retrained.
        data: data of the trial.
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
    """Return the pass of a retraining if it would fail at its last batch, else an empty list; see `failing_passes`."""
    retraining = retraining_pass(protocol)
    if not retraining.ends_with_one(data.num_train) or _retraining_trains(genotype, plan, protocol, data.info):
        return []
    return [retraining]


def batch_of_one_problem(
    failing: Iterable[TrainingPass], data: CheckedData, others: Iterable[TrainingPass] = ()
) -> str:
    """Return the error message for failing passes.

    Args:
        failing: at least one pass.
        data: data of the passes.
        others: further passes that must not fail with the suggested number of images.
    """
    failing = list(dict.fromkeys(failing))
    listed = "; ".join(
        f"{one.num_images(data.num_train)} images of {one.split} in batches of {one.batch_size}, {one.trainer}"
        for one in failing
    )
    passes = {*failing, *others}
    fewer = range(data.num_train - 1, _FEWEST_IMAGES - 1, -1)
    fitting = next((count for count in fewer if not any(one.ends_with_one(count) for one in passes)), None)
    fix = "set another batch size" if fitting is None else f"set max_train_images: {fitting}"
    return (
        "the last batch must not be a single image where feature maps shrink to one pixel, on which batch norm can't "
        f"train; found {listed}, {data.info.height}x{data.info.width} pixels each; {fix}"
    )


def _some_genotype(space: Space) -> Genotype:
    """Return any genotype of the space.

    All genotypes give the same answer: in every protocol a cell follows the last reduction, and the layers that
    preprocess its inputs have batch norms at the smallest size.
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
