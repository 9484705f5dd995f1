"""Small image files and Parquet files for the tests of aca_ray.data."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from aca_ray.data import DataInfo

torch.set_num_threads(1)

WriteParquet = Callable[..., str]


@pytest.fixture
def encode() -> Callable[..., bytes]:
    """Return a function from an (H, W) or (H, W, C) uint8 array to the bytes of an image file."""

    def encode_image(pixels: np.ndarray, file_format: str = "PNG", mode: str | None = None) -> bytes:
        image = Image.fromarray(pixels)
        buffer = io.BytesIO()
        (image if mode is None else image.convert(mode)).save(buffer, format=file_format)
        return buffer.getvalue()

    return encode_image


@pytest.fixture
def random_pixels() -> Callable[..., np.ndarray]:
    """Return a function that draws (N, H, W) or (N, H, W, 3) uint8 arrays."""

    def draw(count: int, size: int = 8, gray: bool = False, seed: int = 0) -> np.ndarray:
        shape = (count, size, size) if gray else (count, size, size, 3)
        return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)

    return draw


@pytest.fixture
def write_parquet(tmp_path: Path) -> WriteParquet:
    """Return a function that writes image bytes and labels to a Parquet file and returns its path."""

    def write(
        name: str,
        encoded: list[bytes | None],
        labels: list[Any],
        struct: bool = False,
        classes: str | None = None,
        columns: tuple[str, str] = ("image", "label"),
        label_type: pa.DataType | None = None,
    ) -> str:
        if struct:
            rows = [None if value is None else {"bytes": value, "path": None} for value in encoded]
            images = pa.array(rows, type=pa.struct({"bytes": pa.binary(), "path": pa.string()}))
        else:
            images = pa.array(encoded, type=pa.binary())
        label_array = pa.array(labels, type=label_type or pa.int64())
        table = pa.table({columns[0]: images, columns[1]: label_array})
        if classes is not None:
            table = table.replace_schema_metadata({"classes": classes})
        path = tmp_path / name
        pq.write_table(table, path, row_group_size=5)
        return str(path)

    return write


@pytest.fixture
def make_info() -> Callable[..., DataInfo]:
    """Return a function that describes images of a given size."""

    def make(channels: int = 3, height: int = 8, width: int = 8, flip: bool = True, crop: bool = True) -> DataInfo:
        return DataInfo(
            name="made",
            num_classes=2,
            class_names=("0", "1"),
            channels=channels,
            height=height,
            width=width,
            mean=(0.25, 0.5, 0.75)[:channels],
            std=(0.1, 0.2, 0.4)[:channels],
            flip=flip,
            digest="0" * 64,
            source="made",
            crop=crop,
        )

    return make
