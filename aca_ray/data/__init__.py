"""Data sets, their fixed splits, augmentation, and batches that are pure functions of a seed and an index."""

from aca_ray.data.augment import (
    NO_AUGMENTATION,
    Augmentation,
    cutout,
    normalize,
    random_crop,
    random_flip,
    standard_augmentation,
)
from aca_ray.data.batches import Batches, evaluation_batches
from aca_ray.data.datasets import (
    SOURCES,
    EvaluationData,
    SearchData,
    load_evaluation_data,
    load_search_data,
    validate_data,
)
from aca_ray.data.image_set import DataInfo, ImageSet
from aca_ray.data.locations import absolute_locations
from aca_ray.data.seeds import derive_seed

__all__ = [
    "NO_AUGMENTATION",
    "SOURCES",
    "Augmentation",
    "Batches",
    "DataInfo",
    "EvaluationData",
    "ImageSet",
    "SearchData",
    "absolute_locations",
    "cutout",
    "derive_seed",
    "evaluation_batches",
    "load_evaluation_data",
    "load_search_data",
    "normalize",
    "random_crop",
    "random_flip",
    "standard_augmentation",
    "validate_data",
]
