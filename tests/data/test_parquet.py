"""Parquet files: round trips, every DataError with its file and row, and the real CIFAR-10."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from aca_ray.data import load_retraining_data, load_search_data
from aca_ray.errors import DataError

LABELS = [0, 1, 2, 0, 1, 2, 0, 1]
CIFAR10 = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "cifar10"


def mapping(train: str, test: str = "there/is/no/test.parquet", **settings: object) -> dict[str, object]:
    return {"name": "parquet", "train": train, "test": test, **settings}


def fails(data, *texts, load=load_search_data):
    """Check that loading raises a DataError that contains all texts."""
    with pytest.raises(DataError) as raised:
        load(data)
    for text in texts:
        assert text in str(raised.value)


@pytest.mark.parametrize("struct", [False, True])
@pytest.mark.parametrize("gray", [False, True])
@pytest.mark.parametrize("file_format", ["PNG", "JPEG"])
def test_round_trip(struct, gray, file_format, random_pixels, encode, write_parquet):
    pixels = random_pixels(8, gray=gray)
    encoded = [encode(image, file_format) for image in pixels]
    train = write_parquet("train.parquet", encoded, LABELS, struct)
    test = write_parquet("test.parquet", encoded[:3], [2, 2, 0], struct)
    data = load_retraining_data(mapping(train, test))
    expected = pixels if file_format == "PNG" else np.stack([np.asarray(Image.open(io.BytesIO(e))) for e in encoded])
    expected = expected.reshape(8, 8, 8, -1).transpose(0, 3, 1, 2)
    assert np.array_equal(data.train.images.numpy(), expected)
    assert np.array_equal(data.test.images.numpy(), expected[:3])
    assert data.train.labels.tolist() == LABELS
    assert data.test.labels.tolist() == [2, 2, 0]
    info = data.info
    assert (info.channels, info.height, info.width) == (1 if gray else 3, 8, 8)
    assert (info.num_classes, info.class_names, info.flip, info.source) == (3, ("0", "1", "2"), False, train)
    np.testing.assert_allclose(info.mean, expected.mean(axis=(0, 2, 3)) / 255)
    np.testing.assert_allclose(info.std, expected.std(axis=(0, 2, 3)) / 255)


def test_columns_uri_names_and_limit(random_pixels, encode, write_parquet):
    encoded = [encode(image) for image in random_pixels(8)]
    # Rows beyond the limit are not decoded: the last row is not an image.
    encoded[7] = b"no image"
    path = write_parquet("t.parquet", encoded, LABELS, classes="ant, bee,cow,dog", columns=("picture", "kind"))
    uri = Path(path).as_uri()
    settings = {"image_column": "picture", "label_column": "kind", "max_train_images": 7}
    search = load_search_data(mapping(uri, **settings))
    assert search.info.class_names == ("ant", "bee", "cow", "dog")
    assert search.info.source == uri
    assert (len(search.train), len(search.valid)) == (3, 4)
    assert torch.equal(search.train.images, load_search_data(mapping(path, **settings)).train.images)


def test_classes_do_not_depend_on_the_limit(random_pixels, encode, write_parquet):
    encoded = [encode(image) for image in random_pixels(8)]
    path = write_parquet("t.parquet", encoded, [0, 1, 0, 1, 2, 3, 2, 3])
    assert load_search_data(mapping(path, max_train_images=4)).info.num_classes == 4


def test_search_never_opens_the_test_file(random_pixels, encode, write_parquet):
    train = write_parquet("t.parquet", [encode(image) for image in random_pixels(8)], LABELS)
    assert len(load_search_data(mapping(train)).train) == 4
    fails(mapping(train), "there/is/no/test.parquet", "no such file", load=load_retraining_data)


def test_files_that_are_not_parquet_files(tmp_path):
    text = tmp_path / "text.parquet"
    text.write_text("not a parquet file")
    fails(mapping(str(text)), str(text), "can't be read")
    fails(mapping(str(tmp_path)), str(tmp_path))
    fails(mapping(str(tmp_path / "none")), str(tmp_path / "none"), "no such file")
    fails(mapping((tmp_path / "none").as_uri()), "no such file")
    fails(mapping("nonsense://bucket/file"), "nonsense://bucket/file", "can't be read")


def test_truncated_file(random_pixels, encode, write_parquet):
    path = write_parquet("t.parquet", [encode(image) for image in random_pixels(8)], LABELS)
    content = bytearray(Path(path).read_bytes())
    Path(path).write_bytes(content[: len(content) // 2])
    fails(mapping(path), path, "can't be read")


def test_columns_that_are_missing_or_of_the_wrong_type(random_pixels, encode, write_parquet):
    encoded = [encode(image) for image in random_pixels(8)]
    path = write_parquet("t.parquet", encoded, LABELS, columns=("img", "label"))
    fails(mapping(path), path, "no column image", "img, label")
    fails(mapping(path, image_column="label"), path, "column label ", "found int64")
    path = write_parquet("f.parquet", encoded, [float(label) for label in LABELS], label_type=pa.float64())
    fails(mapping(path), path, "column label ", "integers", "found double")
    table = pa.table({"image": [{"data": value} for value in encoded], "label": LABELS})
    pq.write_table(table, path)
    fails(mapping(path), path, "field named bytes", "struct<data: binary>")


@pytest.mark.parametrize("struct", [False, True])
def test_rows_that_are_null_or_damaged(struct, random_pixels, encode, write_parquet):
    encoded = [encode(image) for image in random_pixels(8)]
    without = write_parquet("a.parquet", [*encoded[:6], None, encoded[7]], LABELS, struct)
    fails(mapping(without), f"{without}, row 6: column image is null")
    for damaged in (b"", b"nonsense", encoded[0][:60]):
        path = write_parquet("b.parquet", [*encoded[:6], damaged, encoded[7]], LABELS, struct)
        fails(mapping(path), f"{path}, row 6: column image: the bytes can't be decoded")
    path = write_parquet("c.parquet", encoded, [0, 1, None, 0, 1, 2, 0, 1], struct)
    fails(mapping(path), f"{path}, row 2: column label is null")


def test_images_that_cannot_be_decoded_exactly_are_refused_with_their_row(random_pixels, encode, write_parquet):
    encoded = [encode(image) for image in random_pixels(8)]
    deep = encode(np.arange(64, dtype=np.uint16).reshape(8, 8))
    path = write_parquet("t.parquet", [*encoded[:7], deep], LABELS)
    fails(mapping(path), f"{path}, row 7: column image: ", "more than 8 bits")
    assert len(load_search_data(mapping(path, max_train_images=7)).train) == 3


def test_gray_among_color_becomes_rgb(random_pixels, encode, write_parquet):
    color, gray = random_pixels(8), random_pixels(8, gray=True, seed=1)
    is_gray = [True, False, True, True, False, False, True, False]
    pixels = [gray[row] if one else color[row] for row, one in enumerate(is_gray)]
    path = write_parquet("mixed.parquet", [encode(image) for image in pixels], LABELS)
    test = write_parquet("gray.parquet", [encode(image) for image in gray[:3]], LABELS[:3])
    data = load_retraining_data(mapping(path, test))
    assert data.train.shape == data.test.shape == (3, 8, 8)
    expected = [np.repeat(image[None], 3, 0) if image.ndim == 2 else image.transpose(2, 0, 1) for image in pixels]
    assert np.array_equal(data.train.images.numpy(), np.stack(expected))
    assert np.array_equal(data.test.images.numpy(), np.repeat(gray[:3, None], 3, 1))
    train = write_parquet("all_gray.parquet", [encode(image) for image in gray], LABELS)
    fails(mapping(train, path), path, "8x8 RGB", "8x8 gray", load=load_retraining_data)


def test_images_of_differing_size(random_pixels, encode, write_parquet):
    encoded = [encode(image) for image in random_pixels(8)]
    path = write_parquet("size.parquet", [*encoded[:6], encode(random_pixels(1, size=12)[0]), encoded[7]], LABELS)
    fails(mapping(path), f"{path}, row 6: ", "12x12 RGB", "8x8 RGB")
    train = write_parquet("train.parquet", encoded, LABELS)
    test = write_parquet("test.parquet", [encode(random_pixels(1, size=12)[0])], [0])
    fails(mapping(train, test), test, "12x12 RGB", "8x8 RGB", load=load_retraining_data)


@pytest.mark.parametrize("size", [7, 10])
def test_sizes_that_cannot_be_halved_twice(size, random_pixels, encode, write_parquet):
    path = write_parquet("t.parquet", [encode(image) for image in random_pixels(8, size=size)], LABELS)
    fails(mapping(path), path, f"{size}x{size}", "divisible by 4", "reduction cells")


def test_labels_that_are_not_numbered_without_gaps(random_pixels, encode, write_parquet):
    encoded = [encode(image) for image in random_pixels(8)]
    path = write_parquet("gap.parquet", encoded, [0, 1, 0, 1, 3, 0, 1, 3])
    fails(mapping(path), f"{path}, row 4: label 3", "label 2")
    path = write_parquet("one.parquet", encoded, [label + 1 for label in LABELS])
    fails(mapping(path), f"{path}, row 0: label 1", "label 0")
    path = write_parquet("negative.parquet", encoded, [0, 1, 0, -1, 0, 1, 0, 1])
    fails(mapping(path), f"{path}, row 3: label -1")
    path = write_parquet("named.parquet", encoded, LABELS, classes="ant,bee")
    fails(mapping(path), f"{path}, row 2: label 2 is not in 0..1")
    path = write_parquet("twice.parquet", encoded, LABELS, classes="ant,bee,ant")
    fails(mapping(path), path, "distinct names", "['ant', 'bee', 'ant']")


def test_test_labels_must_fit(random_pixels, encode, write_parquet):
    encoded = [encode(image) for image in random_pixels(8)]
    train = write_parquet("train.parquet", encoded, LABELS, classes="ant,bee,cow")
    test = write_parquet("range.parquet", encoded[:4], [0, 1, 2, 3])
    fails(mapping(train, test), f"{test}, row 3: label 3 is not in 0..2", train, load=load_retraining_data)
    test = write_parquet("names.parquet", encoded[:4], [0, 1, 2, 0], classes="bee,ant,cow")
    fails(mapping(train, test), test, train, "bee, ant, cow", load=load_retraining_data)
    test = write_parquet("empty.parquet", [], [])
    fails(mapping(train, test), test, "no test images", load=load_retraining_data)


def test_too_few_images_or_classes(random_pixels, encode, write_parquet):
    encoded = [encode(image) for image in random_pixels(8)]
    path = write_parquet("few.parquet", encoded[:3], [0, 1, 0])
    fails(mapping(path), path, "3 training images", "too few")
    path = write_parquet("none.parquet", [], [])
    fails(mapping(path), path, "0 training images", "too few")
    path = write_parquet("one.parquet", encoded, [0] * 8)
    fails(mapping(path), path, "class '0'", "two classes")
    path = write_parquet("sorted.parquet", encoded, [0, 0, 0, 0, 1, 1, 1, 1])
    fails(mapping(path, max_train_images=4), path, "shuffle")


def test_rows_sorted_by_class_are_refused_for_a_search(random_pixels, encode, write_parquet):
    encoded = [encode(image) for image in random_pixels(44)]
    path = write_parquet("sorted.parquet", encoded, [0] * 22 + [1] * 22, classes="ant,bee")
    fails(mapping(path), path, "22 training images", "class 'ant'", "row 0", "shuffle")
    assert len(load_retraining_data(mapping(path, path)).train) == 44


@pytest.mark.skipif(not CIFAR10.is_dir(), reason="needs ../shared/data/cifar10")
def test_real_cifar10():
    data = mapping(
        str(CIFAR10 / "train.parquet"), str(CIFAR10 / "test.parquet"), max_train_images=2001, max_test_images=100
    )
    search, retraining = load_search_data(data), load_retraining_data(data)
    assert (len(search.train), len(search.valid), len(retraining.test)) == (1000, 1001, 100)
    info = search.info
    assert info == retraining.info
    assert info.class_names[:3] == ("airplane", "automobile", "bird")
    assert (info.channels, info.height, info.width, info.num_classes) == (3, 32, 32, 10)
    published = (0.49139968, 0.48215827, 0.44653124), (0.24703233, 0.24348505, 0.26158768)
    np.testing.assert_allclose((info.mean, info.std), published, atol=0.01)
    counts = torch.bincount(retraining.train.labels, minlength=10)
    assert counts.min() > 150, "rows are in random order"
