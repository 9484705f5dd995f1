"""A last batch of one image is refused if, and only if, the network can't train on it."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import yaml
from PIL import Image

from aca_ray.config import parse_spec
from aca_ray.errors import ConfigError
from aca_ray.methods.registry import find_method
from aca_ray.nn.image_scale import CIFAR_SCALE, IMAGENET_SCALE, ImageScale
from aca_ray.nn.single_image import derived_trains_on_one_image, supernet_trains_on_one_image
from aca_ray.space import PUBLISHED, find_space
from aca_ray.sweep.planning import plan_sweep
from aca_ray.sweep.vocabulary import vocabulary
from aca_ray.trials.batch_of_one import TrainingPass
from aca_ray.trials.standalone import retrain

SMALL: dict[str, Any] = {"channels": 4, "num_cells": 5, "num_classes": 2, "in_channels": 3}


def write_images(folder: Path, count: int, size: int) -> dict[str, str]:
    """Write two Parquet files of random color images of two classes and return their data mapping."""
    generator = np.random.default_rng(0)
    paths = {split: str(folder / f"{split}-{count}x{size}.parquet") for split in ("train", "test")}
    for path in paths.values():
        encoded = []
        for pixels in generator.integers(0, 256, (count, size, size, 3), dtype=np.uint8):
            buffer = io.BytesIO()
            Image.fromarray(pixels).save(buffer, format="PNG")
            encoded.append(buffer.getvalue())
        pq.write_table(pa.table({"image": encoded, "label": np.arange(count) % 2}), path)
    return {"name": "parquet", **paths}


def check(folder: Path, data: dict[str, Any], protocol: str = "small", **experiment: Any) -> None:
    settings = {
        "methods": "darts",
        "skip": "searched",
        "spaces": "nasbench201",
        "data": data,
        "seeds": 0,
        "epochs": 1,
        "network": {"channels": 4, "cells": 3},
        "retraining": {"protocol": protocol},
        **experiment,
    }
    plan_sweep(parse_spec(yaml.safe_dump({"name": "one", "experiment": settings}), vocabulary(folder)), folder)


@pytest.mark.parametrize(
    ("split", "batch_size", "ones", "others"),
    [
        ("search_train", 64, (130, 131, 258), (4, 64, 128, 129, 132)),
        ("search_valid", 64, (129, 130, 257), (4, 64, 128, 131, 132)),
        ("train", 96, (97, 193), (4, 96, 98, 192)),
    ],
)
def test_numbers_of_images_that_leave_one(
    split: Any, batch_size: int, ones: tuple[int, ...], others: tuple[int, ...]
) -> None:
    one_pass = TrainingPass(split, batch_size, "x")
    for count in (*ones, *others):
        batches = torch.arange(one_pass.num_images(count)).split(batch_size)
        assert one_pass.ends_with_one(count) == (len(batches[-1]) == 1) == (count in ones)


@pytest.mark.parametrize(("space", "method"), [("nasbench201", "darts"), ("darts", "pc_darts"), ("s2", "darts")])
@pytest.mark.parametrize(("size", "trains"), [(4, False), (8, True), (32, True)])
def test_supernets(space: str, method: str, size: int, trains: bool) -> None:
    before = torch.get_rng_state()
    build_edge = find_method(method).edge_builder(find_space(space), 0)
    assert supernet_trains_on_one_image(find_space(space), build_edge, **SMALL, height=size, width=size) == trains
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("size", "auxiliary", "scale", "trains"),
    [
        (4, False, CIFAR_SCALE, False),
        (8, False, CIFAR_SCALE, True),
        (32, False, CIFAR_SCALE, True),
        (32, True, CIFAR_SCALE, False),  # the tower ends in a batch norm of one pixel
        (224, True, IMAGENET_SCALE, True),  # the ImageNet tower has no batch norm there
    ],
)
def test_derived_networks(size: int, auxiliary: bool, scale: ImageScale, trains: bool) -> None:
    found = derived_trains_on_one_image(
        PUBLISHED["DARTS_V2"], None, **SMALL, height=size, width=size, auxiliary=auxiliary, scale=scale
    )
    assert found == trains


def test_searches_that_would_fail_are_refused(tmp_path: Path) -> None:
    data = write_images(tmp_path, 131, 4)
    with pytest.raises(ConfigError) as caught:
        check(tmp_path, data)
    (problem,) = caught.value.problems
    assert problem.startswith("experiment.data[0]: ")
    for text in ("65", "search_train", "64", "method darts", "4x4", "max_train_images: 128"):
        assert text in problem, problem
    check(tmp_path, {**data, "max_train_images": 128})
    with pytest.raises(ConfigError, match=r"max_train_images: 128"):  # at 129 the retraining would fail
        check(tmp_path, {**data, "max_train_images": 130})
    with pytest.raises(ConfigError, match=r"\b65\b.*search_train.*\b16\b"):
        check(tmp_path, data, batch_size=16)
    check(tmp_path, write_images(tmp_path, 131, 8))


def test_passes_over_search_valid_count_only_for_methods_that_make_them(tmp_path: Path) -> None:
    """33 images: 16 in search_train, 17 in search_valid, from which DARTS draws full batches."""
    data = write_images(tmp_path, 33, 4)
    check(tmp_path, data, batch_size=16)
    for method, space in (("darts_minus", "nasbench201"), ("darts_pt", "nasbench201"), ("p_darts", "darts")):
        with pytest.raises(ConfigError, match=r"\b17\b.*search_valid.*\b16\b"):
            check(tmp_path, data, methods=method, spaces=space, batch_size=16)


def test_retrainings_that_would_fail_are_refused(tmp_path: Path) -> None:
    data = write_images(tmp_path, 97, 32)
    with pytest.raises(ConfigError) as caught:
        check(tmp_path, data, protocol="s1_s4_8_16")
    (problem,) = caught.value.problems
    for text in ("97", "96", "protocol s1_s4_8_16", "max_train_images: 96"):
        assert text in problem, problem
    check(tmp_path, {**data, "max_train_images": 96}, protocol="s1_s4_8_16")
    check(tmp_path, data, protocol="nasbench201")  # without a tower
    out = tmp_path / "out"
    with pytest.raises(ConfigError, match=r"data: .*\b97\b.*max_train_images: 96"):
        retrain("DARTS_V2", data, "s1_s4_8_16", 0, out, 1, False, io.StringIO())
    assert not out.exists()
