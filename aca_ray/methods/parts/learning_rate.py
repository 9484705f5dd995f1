"""Learning rates of the weights as functions of the moment."""

from __future__ import annotations

from aca_ray.methods.moment import Moment
from aca_ray.methods.recipe import Recipe
from aca_ray.training.schedule import cosine


def cosine_over_search(recipe: Recipe, moment: Moment) -> float:
    """Return a cosine from `weight_lr` to `weight_lr_min` over the whole search.

    Source: Liu et al. 2019 (DARTS), official code.
    """
    return cosine(recipe.weight_lr, recipe.weight_lr_min, moment.epoch, moment.num_epochs)


def cosine_over_stage(recipe: Recipe, moment: Moment) -> float:
    """Return a cosine from `weight_lr` to `weight_lr_min` that begins anew with every stage.

    Source: Chen et al. 2019 (P-DARTS), official code.
    """
    return cosine(recipe.weight_lr, recipe.weight_lr_min, moment.stage_epoch, moment.stage_epochs)
