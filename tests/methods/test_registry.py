"""Methods are found by their files, and their records are complete."""

from __future__ import annotations

from pathlib import Path

import pytest

import aca_ray.methods
from aca_ray.errors import ConfigError
from aca_ray.methods.registry import find_method, methods
from aca_ray.space import SPACES


def test_every_file_is_a_method() -> None:
    folder = Path(aca_ray.methods.__file__).parent
    not_methods = {"__init__", "core", "loss", "moment", "recipe", "registry", "settings", "views"}
    files = {path.stem for path in folder.glob("*.py")} - not_methods
    assert set(methods()) == files
    assert list(methods()) == sorted(files)
    assert {"darts", "darts_second_order", "pc_darts"} <= files


def test_unknown_method_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"^experiment\.methods\[1\]: .*'pc-dart'.*Did you mean pc_darts\?"):
        find_method("pc-dart", "experiment.methods[1]")


@pytest.mark.parametrize("name", methods())
def test_records_are_complete_and_plausible(name: str) -> None:
    method = methods()[name]
    assert find_method(name) is method
    assert all(text.strip() for text in (method.title, method.source, method.changes))
    recipe = method.recipe
    assert 0.0 <= recipe.weight_lr_min <= recipe.weight_lr
    assert 0.0 <= recipe.arch_start <= 1.0
    assert recipe.batch_size > 0


@pytest.mark.parametrize("name", methods())
def test_exactly_the_multiples_of_the_divisor_can_be_built(name: str) -> None:
    method = methods()[name]
    space = SPACES["darts"]
    builders = [method.edge_builder(space, stage) for stage in range(len(method.stages(space)))]

    def build(channels: int) -> None:
        for build_edge in builders:
            build_edge(("sep_conv_3x3",), channels, 1)

    for channels in range(1, 13):
        if channels % method.channel_divisor:
            with pytest.raises(ValueError, match="divisible"):
                build(channels)
        else:
            build(channels)


def test_recipes_of_the_papers() -> None:
    darts, partial = find_method("darts").recipe, find_method("pc_darts").recipe
    assert (darts.batch_size, darts.weight_lr, darts.weight_lr_min, darts.arch_lr) == (64, 0.025, 0.001, 3e-4)
    assert (partial.batch_size, partial.weight_lr, partial.weight_lr_min, partial.arch_lr) == (256, 0.1, 0.0, 6e-4)
    for recipe in (darts, partial):
        assert (recipe.momentum, recipe.weight_decay, recipe.clip_norm) == (0.9, 3e-4, 5.0)
        assert (recipe.arch_betas, recipe.arch_weight_decay) == ((0.5, 0.999), 1e-3)
    assert find_method("darts_second_order").recipe == darts


def test_titles_tell_methods_apart() -> None:
    assert len({method.title for method in methods().values()}) == len(methods())
