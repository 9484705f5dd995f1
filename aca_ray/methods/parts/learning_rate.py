"""Learning rates of the weights as functions of the moment."""

from __future__ import annotations

import math
from itertools import pairwise

from aca_ray.methods.moment import Moment
from aca_ray.methods.recipe import Recipe
from aca_ray.training.schedule import cosine


def cosine_over_search(recipe: Recipe, moment: Moment) -> float:
    """Return a cosine from `weight_lr` to `weight_lr_min` over the whole search.

    Source: Liu et al. 2019 (DARTS), official code.
    """
    return cosine(recipe.weight_lr, recipe.weight_lr_min, moment.epoch, moment.num_epochs)


def cosine_over_stage(recipe: Recipe, moment: Moment) -> float:
    """Return a cosine from `weight_lr` to `weight_lr_min` that restarts with every stage.

    Source: Chen et al. 2019 (P-DARTS), official code.
    """
    return cosine(recipe.weight_lr, recipe.weight_lr_min, moment.stage_epoch, moment.stage_epochs)


def cosine_reset_by_stages(recipe: Recipe, moment: Moment) -> float:
    """Return the search's cosine, scaled so that every stage begins at `weight_lr`.

    With c(e) = 1 + cos(pi e / E) and the stage's first epoch s, the rate is
    lr_min + (lr - lr_min) * c(e) / c(s). The recursive form of the cosine gives this rate after a new optimizer has
    reset it: DrNAS trains epochs 25, 26, 30 and 40 of 50 with 0.1, 0.0937, 0.0691 and 0.0191.

    Source: Chen et al. 2021 (DrNAS), official code, with the recursive schedule of PyTorch 1.3 and later.
    """

    def height(epoch: int) -> float:
        return 1.0 + math.cos(math.pi * epoch / moment.num_epochs)

    scale = height(moment.epoch) / height(moment.stage_start)
    return recipe.weight_lr_min + (recipe.weight_lr - recipe.weight_lr_min) * scale


def restarted_cosine(recipe: Recipe, moment: Moment) -> float:
    """Return a cosine that every stage restarts at the current rate, towards `weight_lr_min` after the search.

    Source: Zhu et al. 2023 (OPP-DARTS), official code.
    """
    lr = recipe.weight_lr
    for start, until in pairwise((*moment.starts, moment.epoch)):
        lr = cosine(lr, recipe.weight_lr_min, until - start, moment.num_epochs - start)
    return lr


def tenth_after_first_stage(recipe: Recipe, moment: Moment) -> float:
    """Return a cosine from `weight_lr` to `weight_lr_min` over the first stage, a tenth of `weight_lr` after it.

    Source: Wang et al. 2021 (DARTS-PT), official code.
    """
    return recipe.weight_lr / 10 if moment.stage else cosine_over_stage(recipe, moment)
