"""Data sets, their fixed splits, augmentation, and batches that are pure functions of a seed and an index."""

from aca_ray.data.augment import (
    NO_AUGMENTATION,
    Augmentation,
    cutout,
    cutout_some,
    normalize,
    random_crop,
    random_flip,
    standard_augmentation,
)
from aca_ray.data.batches import Batches, Draw, evaluation_batches
from aca_ray.data.datasets import (
    CheckedData,
    RetrainingData,
    SearchData,
    check_data,
    check_retraining_data,
    load_retraining_data,
    load_search_data,
)
from aca_ray.data.decoders import Decoders
from aca_ray.data.image_set import DataInfo, EncodedImages, ImageFacts, Images, ImageSet
from aca_ray.data.locations import absolute_locations
from aca_ray.data.pruners import DATA_PRUNERS
from aca_ray.data.pruning import SPLITS, DataPruner, Split
from aca_ray.data.seeds import cpu_generator, derive_seed
from aca_ray.data.sources import SOURCES
from aca_ray.data.validation import SWITCHES, canonical_data, validate_data, view_problems

__all__ = [
    "DATA_PRUNERS",
    "NO_AUGMENTATION",
    "SOURCES",
    "SPLITS",
    "SWITCHES",
    "Augmentation",
    "Batches",
    "CheckedData",
    "DataInfo",
    "DataPruner",
    "Decoders",
    "Draw",
    "EncodedImages",
    "ImageFacts",
    "ImageSet",
    "Images",
    "RetrainingData",
    "SearchData",
    "Split",
    "absolute_locations",
    "canonical_data",
    "check_data",
    "check_retraining_data",
    "cpu_generator",
    "cutout",
    "cutout_some",
    "derive_seed",
    "evaluation_batches",
    "load_retraining_data",
    "load_search_data",
    "normalize",
    "random_crop",
    "random_flip",
    "standard_augmentation",
    "validate_data",
    "view_problems",
]
