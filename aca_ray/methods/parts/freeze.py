"""Epochs in which the architecture parameters are updated."""

from __future__ import annotations

from aca_ray.methods.moment import Moment
from aca_ray.methods.recipe import Recipe


def after_share_of_stage(recipe: Recipe, moment: Moment) -> bool:
    """Return whether the share `arch_start` of the stage's epochs is over.

    Source: Xu et al. 2020 (PC-DARTS) and Chen et al. 2019 (P-DARTS), official codes.
    """
    return moment.stage_epoch >= recipe.arch_start * moment.stage_epochs


def after_share_of_search(recipe: Recipe, moment: Moment) -> bool:
    """Return whether the share `arch_start` of the search's epochs is over, regardless of stages. Source: ours."""
    return moment.epoch >= recipe.arch_start * moment.num_epochs
