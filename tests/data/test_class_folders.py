"""Folders of classes: torchvision's order, hidden entries, broken links."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.datasets import ImageFolder

from aca_ray.data import NO_AUGMENTATION, check_data, load_retraining_data, load_search_data, standard_augmentation
from aca_ray.data.class_folders import list_classes
from aca_ray.data.image_files import ImageFiles
from aca_ray.data.imagenet_cmyk import CMYK_FILES
from aca_ray.data.variation import spread
from aca_ray.errors import DataError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for split in ("train", "val"):
        for name in ("ant", "bee"):
            for file in ("b.png", "a.JPEG", "a-1.png", "sub/c.png", "sub-1/d.bmp", "sub/deep/e.gif"):
                path = tmp_path / split / name / file
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(rng.integers(0, 256, (40, 50, 3), dtype=np.uint8)).save(path)
    return tmp_path


def test_the_order_is_torchvisions(root: Path) -> None:
    for path in root.rglob("e.gif"):  # which torchvision leaves out
        path.unlink()
    folder = ImageFolder(str(root / "train"))
    expected = [(str(Path(path).relative_to(root / "train")), label) for path, label in folder.samples]
    assert len(expected) == 10
    assert list_classes(root / "train") == (expected, tuple(folder.classes))


def test_hidden_entries_are_neither_classes_nor_images(root: Path) -> None:
    expected = list_classes(root / "train")
    first = root / "train" / "ant" / "b.png"
    for name in (".git/x.png", ".ipynb_checkpoints/x.png", "__MACOSX/ant/x.png", "ant/.ipynb_checkpoints/x.png",
                 "ant/._b.png", "ant/.DS_Store", "ant/Thumbs.db", "ant/notes.txt", "README.md"):  # fmt: skip
        path = root / "train" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(first.read_bytes())
    assert list_classes(root / "train") == expected


@pytest.mark.parametrize("name", ["ant/x.png", "ant/sub/x.png", "cat", "ant/folder"])
def test_broken_links(root: Path, name: str) -> None:
    (root / "train" / name).symlink_to("/nowhere.png")
    with pytest.raises(DataError, match=rf"train/{name}: is a link to /nowhere\.png"):
        load_search_data({"name": "imagenet", "root": str(root)})


def test_links(root: Path) -> None:
    (root / "train" / "cat").symlink_to(root / "train" / "bee")
    (root / "train" / "ant" / "x.png").symlink_to(root / "train" / "ant" / "b.png")
    images, classes = list_classes(root / "train")
    assert classes == ("ant", "bee", "cat")
    assert len(images) == 3 * 6 + 1


def test_a_class_without_images(root: Path) -> None:
    (root / "train" / "cow").mkdir()
    (root / "train" / "cow" / "notes.txt").touch()
    with pytest.raises(DataError, match=r"train/cow: .*no images"):
        load_search_data({"name": "imagenet", "root": str(root)})


def test_the_val_folder_is_checked(root: Path) -> None:
    data = {"name": "imagenet", "root": str(root)}
    search = load_search_data(data)
    checked = check_data(data, search)
    assert (checked.num_train, checked.num_test) == (12, 12)
    damaged = root / "val" / "bee" / "b.png"
    content = damaged.read_bytes()
    damaged.write_bytes(content[:100])
    with pytest.raises(DataError, match=r"val/bee/b\.png: can't be read"):
        check_data(data, search)
    damaged.write_bytes(content)
    assert check_data(data, search) == checked
    (root / "val").rename(root / "validation")
    with pytest.raises(DataError, match=r"val: .*no images"):
        check_data(data, search)


def test_images_that_are_not_shown_exactly(root: Path) -> None:
    path = root / "train" / "ant" / "b.png"
    with Image.open(path) as image:
        image.putalpha(100)
        image.save(path)
    data = {"name": "imagenet", "root": str(root)}
    with pytest.raises(DataError, match=r"train/ant/b\.png: .*transparent"):
        check_data(data, load_search_data(data))


def test_every_header_is_checked_before_a_sweep(root: Path) -> None:
    """This includes images that are not among the 128 whose pixels are read."""
    rng = np.random.default_rng(0)
    folder = root / "train" / "ant"
    for index in range(300):
        Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)).save(folder / f"{index}.png")
    data = {"name": "imagenet", "root": str(root)}
    search = load_search_data(data)
    check_data(data, search)
    read = {search.train.paths[row] for row in spread(len(search.train), 128).tolist()}
    name = next(path for path in search.train.paths if path not in read)
    path = root / "train" / name
    deep = Image.fromarray(np.zeros((4, 4), np.uint16))
    frames = [Image.new("RGB", (4, 4), color) for color in ("red", "blue")]
    for save, text in (
        (lambda: Image.new("RGBA", (4, 4)).save(path, "PNG"), "transparent"),
        (lambda: Image.new("CMYK", (4, 4)).save(path, "TIFF"), "color model is CMYK"),
        (lambda: deep.save(path, "PNG"), "more than 8 bits"),
        (lambda: frames[0].save(path, "PNG", save_all=True, append_images=frames[1:]), "2 frames"),
        (lambda: path.write_text("no image"), "can't be decoded"),
        (lambda: path.unlink(), "No such file"),
    ):
        save()
        with pytest.raises(DataError, match=rf"{name}: .*{text}"):
            check_data(data, search)


def test_the_22_images_of_imagenet_in_cmyk_are_read(root: Path, random_pixels: Callable[..., np.ndarray]) -> None:
    assert len(CMYK_FILES) == 22
    known = root / "train" / "ant" / "n01739381_1309.JPEG"
    Image.fromarray(random_pixels(1, size=40)[0]).convert("CMYK").save(known)
    data = {"name": "imagenet", "root": str(root)}
    assert check_data(data, load_search_data(data)).num_train == 13
    known.rename(known.with_name("x.JPEG"))
    with pytest.raises(DataError, match=r"x\.JPEG: .*color model is CMYK"):
        check_data(data, load_search_data(data))


def test_crop_and_flip_are_keys_of_the_data(root: Path) -> None:
    data = {"name": "imagenet", "root": str(root)}
    for crop in (True, False):
        loaded = load_retraining_data({**data, "crop": crop, "flip": False})
        assert isinstance(loaded.train, ImageFiles)
        assert loaded.train.crop == crop
        assert loaded.info.augmentation == ("crop and color" if crop else "color")
    assert load_retraining_data(data).info.augmentation == "crop, flip and color"


def test_without_augmentation_training_views_are_evaluation_views(root: Path) -> None:
    data = {"name": "imagenet", "root": str(root)}
    loaded = load_retraining_data({**data, "augmentation": "none"})
    rows, generator = torch.arange(len(loaded.train)), torch.Generator().manual_seed(0)
    seen, plain = loaded.train.take(rows, generator)[0], loaded.train.take(rows, None)[0]
    assert torch.equal(seen, plain)
    colored = load_retraining_data({**data, "crop": False, "flip": False}).train.take(rows, generator)[0]
    assert not torch.equal(colored, plain)
    assert (loaded.info.augmentation, standard_augmentation(loaded.info)) == ("none", NO_AUGMENTATION)
