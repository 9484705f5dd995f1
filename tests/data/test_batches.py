"""Batches as pure functions of seed and index."""

from __future__ import annotations

import hashlib

import pytest
import torch

from aca_ray.data import (
    NO_AUGMENTATION,
    Batches,
    ImageSet,
    derive_seed,
    evaluation_batches,
    normalize,
    standard_augmentation,
)
from aca_ray.errors import ConfigError, DataError


@pytest.fixture
def numbered():
    """23 images whose label is their row, so that a batch shows which rows it contains."""
    images = torch.randint(256, (23, 3, 8, 8), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    return ImageSet(images, torch.arange(23))


@pytest.fixture
def make(numbered, make_info):
    def build(seed=1, batch_size=5, augmentation=None, **settings):
        info = make_info()
        augmentation = standard_augmentation(info, cutout=True) if augmentation is None else augmentation
        return Batches(numbered, info, batch_size, augmentation, seed, "cpu", **settings)

    return build


def first_rows(num_images, batch_size, generator):
    return torch.arange(batch_size)


def test_every_pass_contains_every_image_once(make):
    batches = make()
    assert batches.batches_per_pass == 5
    orders = []
    for pass_index in range(3):
        labels = [batches.batch(pass_index * 5 + position)[1] for position in range(5)]
        assert [len(part) for part in labels] == [5, 5, 5, 5, 3]
        orders.append(torch.cat(labels).tolist())
        assert sorted(orders[-1]) == list(range(23))
    assert len({tuple(order) for order in [*orders, list(range(23))]}) == 4


def test_batch_is_a_pure_function_of_seed_and_index(make):
    forwards, backwards = make(), make()
    expected = [forwards.batch(index) for index in range(12)]
    torch.manual_seed(0)
    for index in reversed(range(12)):
        images, labels = backwards.batch(index)
        assert torch.equal(images, expected[index][0])
        assert torch.equal(labels, expected[index][1])
    again = forwards.batch(3)
    assert torch.equal(again[0], expected[3][0])


def test_seed_changes_order_and_augmentation(make):
    assert not torch.equal(make(seed=1).batch(0)[1], make(seed=2).batch(0)[1])
    first, second = make(seed=1, draw=first_rows).batch(0), make(seed=2, draw=first_rows).batch(0)
    assert torch.equal(first[1], second[1])
    assert not torch.equal(first[0], second[0])


def test_batches_and_passes_draw_independently(numbered, make_info):
    """The images are equal, so batches differ only by augmentation."""
    equal = ImageSet(numbered.images[:1].expand(20, -1, -1, -1), numbered.labels[:20])
    info = make_info()
    batches = Batches(equal, info, 10, standard_augmentation(info), 1, "cpu")
    parts = [batches.batch(index)[0] for index in range(4)]
    assert not any(torch.equal(parts[i], parts[j]) for i in range(4) for j in range(i))


def test_images_and_labels_stay_together(make, numbered, make_info):
    images, labels = make(augmentation=NO_AUGMENTATION).batch(2)
    assert images.dtype == torch.float32
    assert torch.equal(images, normalize(numbered.images[labels], make_info()))


def test_drawn_batches_are_pure_functions_of_seed_and_index(make):
    def draw(num_images, batch_size, generator):
        return torch.randint(num_images, (batch_size,), generator=generator)

    batches = make(draw=draw)
    labels = [batches.batch(index)[1].tolist() for index in range(10)]
    assert len(set(map(tuple, labels))) == 10
    again = make(draw=draw)
    assert [again.batch(index)[1].tolist() for index in reversed(range(10))] == labels[::-1]
    assert make(seed=2, draw=draw).batch(0)[1].tolist() != labels[0]
    assert batches.rows(3).tolist() == labels[3]


def test_a_large_batch_is_the_whole_pass(make):
    batches = make(batch_size=100)
    assert batches.batches_per_pass == 1
    assert sorted(batches.batch(4)[1].tolist()) == list(range(23))


def test_evaluation_batches_are_the_rows_in_order(numbered, make_info):
    parts = list(evaluation_batches(numbered, make_info(), 10, "cpu"))
    assert [len(labels) for _, labels in parts] == [10, 10, 3]
    assert torch.equal(torch.cat([images for images, _ in parts]), normalize(numbered.images, make_info()))
    assert torch.cat([labels for _, labels in parts]).tolist() == list(range(23))


def test_wrong_arguments_are_refused(make, numbered, make_info):
    with pytest.raises(ConfigError, match="batch_size must be at least 1, found 0"):
        make(batch_size=0)
    with pytest.raises(ConfigError, match="index must be at least 0, found -1"):
        make().batch(-1)
    with pytest.raises(ConfigError, match="at least one image"):
        Batches(numbered.rows(0, 0), make_info(), 4, NO_AUGMENTATION, 0, "cpu")
    with pytest.raises(ConfigError, match="batch_size"):
        next(evaluation_batches(numbered, make_info(), 0, "cpu"))
    with pytest.raises(DataError, match=r"labels must .*\(23,\).*\(22,\)"):
        ImageSet(numbered.images, torch.arange(22))
    with pytest.raises(DataError, match=r"images must be uint8 .*float32"):
        ImageSet(numbered.images.float(), torch.arange(23))


def test_derived_seeds():
    assert derive_seed("order", 1, 2) == int(hashlib.sha256(b'["order",1,2]').hexdigest(), 16) >> 193
    seeds = {derive_seed("a", 12), derive_seed("a", 1, 2), derive_seed("a", "12"), derive_seed("a1", 2), derive_seed()}
    assert len(seeds) == 5
    assert all(0 <= seed < 2**63 for seed in seeds)


@pytest.mark.gpu
def test_batches_are_the_same_on_a_gpu(make, numbered, make_info):
    info = make_info()
    on_gpu = Batches(numbered, info, 5, standard_augmentation(info, cutout=True), 1, "cuda").batch(7)
    on_cpu = make().batch(7)
    assert torch.equal(on_gpu[1].cpu(), on_cpu[1])
    torch.testing.assert_close(on_gpu[0].cpu(), on_cpu[0])
