"""Splits, statistics, validation of the data mapping, and digits."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from aca_ray.data import (
    SOURCES,
    Augmentation,
    canonical_data,
    check_data,
    check_retraining_data,
    digits,
    load_retraining_data,
    load_search_data,
    normalize,
    standard_augmentation,
    validate_data,
)
from aca_ray.data.image_set import STD_FLOOR, ImageSet, channel_statistics
from aca_ray.data.validation import resolve_data
from aca_ray.errors import ConfigError

DIGITS = {"name": "digits"}
NAMES = "cifar10, cifar100, digits, fashion_mnist, folders, imagenet, parquet, svhn"
KEYS = "augmentation, crop, flip, max_test_images, max_train_images, name, normalization, resize"


def rows_of(images):
    return [bytes(row) for row in images.flatten(1).numpy()]


def test_digits_are_partitioned():
    search, retraining = load_search_data(DIGITS), load_retraining_data(DIGITS)
    assert (len(search.train), len(search.valid)) == (718, 719)
    assert (len(retraining.train), len(retraining.test)) == (1437, 360)
    assert torch.equal(torch.cat([search.train.images, search.valid.images]), retraining.train.images)
    assert torch.equal(torch.cat([search.train.labels, search.valid.labels]), retraining.train.labels)
    assert search.info == retraining.info
    assert search.info.class_names == tuple("0123456789")
    assert not search.info.flip
    # Train and test together are the original set, each row once.
    values, labels = load_digits(return_X_y=True)
    original = sorted(zip([bytes(row) for row in np.rint(values * 255 / 16).astype(np.uint8)], labels, strict=True))
    parts = [retraining.train, retraining.test]
    together = [pair for part in parts for pair in zip(rows_of(part.images), part.labels.tolist(), strict=True)]
    assert sorted(together) == original
    assert (retraining.train.images.min(), retraining.train.images.max()) == (0, 255)


@pytest.mark.parametrize("found", [True, False])
def test_the_partition_of_digits_never_changes(found, monkeypatch):
    if not found:  # scikit-learn's file is elsewhere, so scikit-learn itself is asked
        monkeypatch.setattr(digits, "find_spec", lambda name: None)
    assert load_search_data(DIGITS).info.digest == "db60d1996fd5dcfa5a23917634d774dd79c2046b3aed245899f9544044f15e97"


def test_limits_take_the_first_rows():
    whole = load_retraining_data(DIGITS)
    part = load_retraining_data({**DIGITS, "max_train_images": 101, "max_test_images": 7})
    assert torch.equal(part.train.images, whole.train.images[:101])
    assert torch.equal(part.test.labels, whole.test.labels[:7])
    search = load_search_data({**DIGITS, "max_train_images": 101})
    assert (len(search.train), len(search.valid)) == (50, 51)
    assert search.info == part.info
    assert part.info.digest != whole.info.digest


def test_statistics_match_numpy():
    images = torch.randint(256, (2050, 3, 4, 8), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    images[:, 2] = 51
    mean, std = channel_statistics(ImageSet(images, torch.zeros(2050, dtype=torch.int64)))
    pixels = images.numpy().astype(np.float64) / 255
    np.testing.assert_allclose(mean, pixels.mean(axis=(0, 2, 3)), rtol=1e-12)
    np.testing.assert_allclose(std[:2], pixels.std(axis=(0, 2, 3))[:2], rtol=1e-12)
    assert std[2] == STD_FLOOR


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"name": "digits"}, []),
        ({"name": "digits", "max_train_images": 4, "max_test_images": 2}, []),
        ({"name": "cifar10", "root": "does-not-exist-yet"}, []),
        ({"name": "parquet", "train": "s3://bucket/train.parquet", "test": "gs://bucket/test.parquet"}, []),
        ("digits", [("d: must be a mapping", "found 'digits'")]),
        (
            {},
            [("d.name: is required", NAMES)],
        ),
        (
            {"name": "digit"},
            [("d.name: unknown data set 'digit'", "Did you mean digits?", NAMES)],
        ),
        (
            {"name": [1]},
            [("d.name: unknown data set [1]", NAMES)],
        ),
        ({"name": "cifar10", "root": ""}, [("d.root: ", "found ''")]),
        ({"name": "cifar10", "root": "s3://bucket"}, [("d.root: ", "folder", "'s3://bucket'")]),
        (
            {"name": "digits", "root": "x", 3: 4},
            [("d.root: unknown key 'root'", KEYS), ("d.3: unknown key 3", KEYS)],
        ),
    ],
)
def test_validate(data, expected):
    for problem, (start, *texts) in zip(validate_data(data, "d"), expected, strict=True):
        assert problem.startswith(start)
        assert all(text in problem for text in texts)


def test_validate_reports_every_mistake_at_once(tmp_path):
    data = {
        "name": "parquet",
        "train": str(tmp_path / "missing.parquet"),
        "image_colum": "x",
        "label_column": 3,
        "max_train_images": True,
        "max_test_images": 1,
    }
    problems = validate_data(data, "experiment.data")
    assert len(problems) == 6
    for place, text in [
        ("image_colum", "Did you mean image_column?"),
        ("test", "is required by the data set parquet"),
        ("label_column", "found 3"),
        ("max_train_images", "must be an integer of at least 4, found True"),
        ("max_test_images", "must be an integer of at least 2, found 1"),
        ("train", "missing.parquet"),
    ]:
        (problem,) = [one for one in problems if one.startswith(f"experiment.data.{place}: ")]
        assert text in problem
    with pytest.raises(ConfigError, match="is required") as raised:
        load_search_data(data)
    assert len(raised.value.problems) == 5, "only opening the files shows whether they exist"


def test_validate_distinguishes_folders_and_files(tmp_path):
    file = tmp_path / "file"
    file.touch()
    (problem,) = validate_data({"name": "cifar10", "root": str(file)}, "d")
    assert problem.startswith("d.root: must be a folder")
    assert repr(str(file)) in problem
    (problem,) = validate_data({"name": "parquet", "train": str(file), "test": str(tmp_path)}, "d")
    assert problem.startswith("d.test: no ")
    assert repr(str(tmp_path)) in problem


def test_images_are_mirrored_by_default_only_where_labels_stay_valid():
    defaults = {name: source.flip for name, source in SOURCES.items()}
    assert defaults == {
        "cifar10": True,
        "cifar100": True,
        "digits": False,
        "fashion_mnist": True,
        "folders": False,
        "imagenet": True,
        "parquet": False,
        "svhn": False,
    }


@pytest.mark.parametrize(
    ("switches", "augmentation"),
    [
        ({}, "crop"),
        ({"flip": True}, "crop and flip"),
        ({"crop": False}, "none"),
        ({"flip": True, "crop": False}, "flip"),
    ],
)
def test_the_data_mapping_switches_flip_and_crop(switches, augmentation):
    info = load_search_data({**DIGITS, **switches}).info
    assert info.augmentation == augmentation
    expected = Augmentation(padding="crop" in augmentation, flip="flip" in augmentation, cutout_length=0)
    assert standard_augmentation(info) == expected
    assert load_retraining_data({**DIGITS, **switches}).info == info


def test_a_switch_of_the_default_value_is_left_out():
    assert canonical_data({"name": "digits", "flip": False, "crop": True}) == {"name": "digits"}
    assert canonical_data({"name": "digits", "flip": True}) == {"name": "digits", "flip": True}
    assert canonical_data({"name": "cifar10", "flip": True, "root": "data"}) == {
        "name": "cifar10",
        "root": "data",
    }
    assert canonical_data({"name": "unknown", "flip": True}) == {"name": "unknown", "flip": True}


def test_spellings_of_one_data_set():
    assert canonical_data({"name": "digits", "augmentation": "none"}) == {"name": "digits", "crop": False}
    assert canonical_data({"name": "cifar10", "augmentation": "none", "flip": False}) == {
        "name": "cifar10",
        "flip": False,
        "crop": False,
    }
    switches = {"flip": False, "crop": False, "color": False}
    assert canonical_data({"name": "imagenet", "augmentation": "none"}) == {"name": "imagenet", **switches}
    own = {"name": "digits", "normalization": {"std": [1], "mean": (0,)}}
    assert canonical_data(own)["normalization"] == {"mean": [0.0], "std": [1.0]}
    mean, std = SOURCES["cifar10"].normalization
    published = {"name": "cifar10", "normalization": {"mean": list(mean), "std": list(std)}}
    assert canonical_data(published) == {"name": "cifar10"}


@pytest.mark.parametrize("name", SOURCES)
def test_every_source_can_do_without_augmentation(name):
    keys = {key: "." for key, own in SOURCES[name].keys.items() if own.default is None}
    data = {"name": name, **keys, "augmentation": "none"}
    assert [one for one in validate_data(data, "d") if "augmentation" in one] == []
    _, full = resolve_data(data)
    assert {full[switch] for switch in ("flip", "crop", "color") if switch in full} == {False}
    (problem,) = (one for one in validate_data({**data, "flip": True}, "d") if one.startswith("d.flip"))
    assert "augmentation" in problem


def test_own_normalization():
    own = {"mean": [0.25], "std": [0.5]}
    plain, loaded = load_search_data(DIGITS), load_search_data({**DIGITS, "normalization": own})
    assert (loaded.info.mean, loaded.info.std) == ((0.25,), (0.5,))
    assert (plain.info.mean, plain.info.digest) != (loaded.info.mean, "")
    assert plain.info.digest == loaded.info.digest
    pixels = loaded.train.images[:2]
    torch.testing.assert_close(normalize(pixels, loaded.info), (pixels / 255 - 0.25) / 0.5)


def test_all_problems_of_a_normalization_at_once():
    def places(value, **others):
        problems = validate_data({"name": "digits", "normalization": value, **others}, "d")
        return [problem.partition(": ")[0].removeprefix("d.") for problem in problems]

    assert places({"mean": [0.5], "std": [0.2]}) == places({"mean": [0, 1, 1], "std": [1, 1, 0.001]}) == []
    assert places([0.5]) == places(None) == places("cifar10") == ["normalization"]
    assert places({}) == ["normalization.mean", "normalization.std"]
    wrong = {"mean": [125.3, "a", float("nan")], "std": [0, True, -1], "var": [1]}
    assert places(wrong, augmentation="some") == [
        "augmentation",
        "normalization.var",
        *(f"normalization.mean[{index}]" for index in range(3)),
        *(f"normalization.std[{index}]" for index in range(3)),
    ]
    assert places({"mean": 0.5, "std": [1, 1]}) == ["normalization.mean", "normalization.std"]
    assert places({"mean": [0.5], "std": [1, 1, 1]}) == ["normalization"]


def test_switches_are_true_or_false():
    problems = validate_data({"name": "digits", "flip": "no", "crop": 1}, "d")
    assert [problem.partition(": ")[0] for problem in problems] == ["d.flip", "d.crop"]
    assert [problem.rpartition("found ")[2] for problem in problems] == ["'no'", "1"]


def test_a_check_reads_both_splits():
    data = {**DIGITS, "max_train_images": 101, "max_test_images": 7}
    checked = check_data(data, load_search_data(data))
    retraining = load_retraining_data(data)
    assert (checked.num_train, checked.num_test) == (101, 7)
    assert checked.info == retraining.info
    assert checked.test_digest == retraining.test.digest()
    assert check_retraining_data(data, retraining) == checked


def test_every_source_is_registered_under_its_name():
    assert {name: source.name for name, source in SOURCES.items()} == {name: name for name in SOURCES}
