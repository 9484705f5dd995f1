"""Learning rates of the weights as functions of the moment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from aca_ray.methods.moment import Moment, moment_at
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


def restarted_cosine(lengths: Sequence[int]) -> Callable[[Recipe, Moment], float]:
    """Return a cosine that every stage restarts, from where it is, to reach `weight_lr_min` after the search.

    Args:
        lengths: of the stages, at the paper's budget.

    Source: Zhu et al. 2023 (OPP-DARTS), official code.
    """

    def rate(recipe: Recipe, moment: Moment) -> float:
        epochs = range(moment.epoch + 1)
        starts = sorted({moment_at(epoch, moment.num_epochs, lengths).stage_start for epoch in epochs})
        lr = recipe.weight_lr
        for start, until in pairwise((*starts, moment.epoch)):
            lr = cosine(lr, recipe.weight_lr_min, until - start, moment.num_epochs - start)
        return lr

    return rate


def tenth_after_first_stage(recipe: Recipe, moment: Moment) -> float:
    """Return a cosine from `weight_lr` to `weight_lr_min` over the first stage, a tenth of `weight_lr` after it.

    Source: Wang et al. 2021 (DARTS-PT), official code.
    """
    return recipe.weight_lr / 10 if moment.stage else cosine_over_stage(recipe, moment)
