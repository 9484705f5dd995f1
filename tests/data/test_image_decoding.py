"""Images are decoded as viewers show them, or refused: transparency, depth, orientation, palettes, frames, colors."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image

from aca_ray.data.image_decoding import decode_image

RNG = np.random.default_rng(0)
COLOR = RNG.integers(0, 256, (6, 9, 3), dtype=np.uint8)
GRAY = RNG.integers(0, 256, (6, 9), dtype=np.uint8)


def saved(image: Image.Image, file_format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def png(samples: np.ndarray, color_type: int, bits: int, transparent: tuple[int, ...] = ()) -> bytes:
    """Return a PNG file of (H, W, C) samples of 8 or 16 bits, or of rows that are packed already."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, width = samples.shape[:2]
    if bits < 8:
        digits = ((samples[..., :1] >> shift) & 1 for shift in reversed(range(bits)))
        rows = np.packbits(np.concatenate(list(digits), axis=2).reshape(height, -1), axis=1)
    else:
        rows = samples.astype(">u2" if bits == 16 else np.uint8)
    raw = b"".join(b"\0" + row.tobytes() for row in rows)
    header = struct.pack(">IIBBBBB", width, height, bits, color_type, 0, 0, 0)
    declared = chunk(b"tRNS", struct.pack(f">{len(transparent)}H", *transparent)) if transparent else b""
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + declared
        + chunk(b"IDAT", zlib.compress(raw))
        + chunk(b"IEND", b"")
    )


def refused(encoded: bytes, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        decode_image(encoded)


@pytest.mark.parametrize("file_format", ["PNG", "BMP", "PPM", "TIFF"])
def test_lossless_files_of_gray_and_color(file_format: str) -> None:
    assert np.array_equal(decode_image(saved(Image.fromarray(COLOR), file_format)), COLOR)
    assert np.array_equal(decode_image(saved(Image.fromarray(GRAY), file_format)), GRAY[..., None])


def test_opaque_alpha_is_dropped_without_changing_colors() -> None:
    opaque = np.full((6, 9, 1), 255, np.uint8)
    rgba = Image.fromarray(np.concatenate([COLOR, opaque], axis=2))
    for file_format, options in (("PNG", {}), ("TIFF", {}), ("WEBP", {"lossless": True, "exact": True})):
        assert np.array_equal(decode_image(saved(rgba, file_format, **options)), COLOR)
    gray_alpha = Image.merge("LA", [Image.fromarray(GRAY), Image.new("L", (9, 6), 255)])
    assert np.array_equal(decode_image(saved(gray_alpha, "PNG")), GRAY[..., None])


@pytest.mark.parametrize("alpha", [0, 128, 254])
@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_one_transparent_pixel_is_refused(mode: str, alpha: int) -> None:
    channel = np.full((6, 9), 255, np.uint8)
    channel[3, 4] = alpha
    image = Image.fromarray(COLOR if mode == "RGBA" else GRAY)
    image.putalpha(Image.fromarray(channel))
    assert image.mode == mode
    refused(saved(image, "PNG"), f"transparent .*{alpha} of 255.*flatten")


def test_palettes_are_their_colors() -> None:
    indices = RNG.integers(0, 7, (6, 9), dtype=np.uint8)
    colors = RNG.integers(0, 256, (7, 3), dtype=np.uint8)
    image = Image.fromarray(indices, "P")
    image.putpalette(colors.tobytes())
    for file_format in ("PNG", "GIF", "BMP", "TIFF"):
        assert np.array_equal(decode_image(saved(image, file_format)), colors[indices])
    refused(saved(image, "PNG", transparency=3), "transparent")
    refused(saved(image, "PNG", transparency=bytes([255, 200, 255, 255, 255, 255, 255])), "transparent .*200 of 255")
    refused(saved(image, "GIF", transparency=3), "transparent")
    # A transparent entry of the palette that no pixel has hides nothing.
    assert np.array_equal(decode_image(saved(image, "PNG", transparency=7)), colors[indices])


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_few_bits_of_gray_and_the_level_declared_transparent(bits: int) -> None:
    levels = 2**bits
    samples = np.arange(54, dtype=np.uint8).reshape(6, 9, 1) % levels
    assert np.array_equal(decode_image(png(samples, 0, bits)), samples * (255 // (levels - 1)))
    refused(png(samples, 0, bits, transparent=(levels - 1,)), "transparent .* 0 of 255")
    all_but_highest = samples % (levels - 1) if levels > 2 else samples * 0
    shown = decode_image(png(all_but_highest, 0, bits, transparent=(levels - 1,)))
    assert np.array_equal(shown, all_but_highest * (255 // (levels - 1)))


def test_a_color_declared_transparent() -> None:
    refused(png(COLOR, 2, 8, transparent=tuple(int(level) for level in COLOR[2, 2])), "transparent")
    assert np.array_equal(decode_image(png(COLOR // 2, 2, 8, transparent=(255, 255, 255))), COLOR // 2)


@pytest.mark.parametrize(
    ("name", "color_type", "channels"), [("gray", 0, 1), ("RGB", 2, 3), ("LA", 4, 2), ("RGBA", 6, 4)]
)
def test_png_of_16_bits(name: str, color_type: int, channels: int) -> None:
    samples = RNG.integers(0, 4096, (6, 9, channels))
    if channels in (2, 4):
        samples[..., -1] = 65535
    refused(png(samples, color_type, 16), "more than 8 bits")


def test_other_formats_of_more_than_8_bits() -> None:
    values = RNG.integers(0, 65536, (6, 9, 3)).astype(">u2").tobytes()
    for maximum in (65535, 4095, 256):
        refused(b"P6 9 6 %d\n" % maximum + values, "more than 8 bits")
        refused(b"P5 9 18 %d\n" % maximum + values, "more than 8 bits")
    refused(b"P3 1 1 1023\n1 2 1000", "more than 8 bits")
    assert decode_image(b"P3 1 1 255\n1 2 254").tolist() == [[[1, 2, 254]]]
    assert decode_image(b"P2 2 1 15\n0 15").tolist() == [[[0], [255]]]
    assert decode_image(b"P1 2 1\n1 0").tolist() == [[[0], [255]]]
    refused(saved(Image.fromarray(GRAY.astype(np.uint16) * 9), "TIFF"), "more than 8 bits")
    refused(saved(Image.fromarray(GRAY.astype(np.float32)), "TIFF"), "more than 8 bits")
    refused(saved(Image.fromarray(GRAY.astype(np.int32)), "TIFF"), "more than 8 bits")
    # Color of 16 bits, which Pillow reads but doesn't write.
    entries = [(256, 3, 1, 9), (257, 3, 1, 6), (258, 3, 3, 134), (259, 3, 1, 1), (262, 3, 1, 2), (273, 4, 1, 140),
               (277, 3, 1, 3), (278, 3, 1, 6), (279, 4, 1, 324), (284, 3, 1, 1)]  # fmt: skip
    directory = struct.pack("<H", len(entries)) + b"".join(
        struct.pack("<HHI", tag, kind, count)
        + (struct.pack("<HH", value, 0) if kind == 3 and count == 1 else struct.pack("<I", value))
        for tag, kind, count, value in entries
    )
    tiff = b"II*\0" + struct.pack("<I", 8) + directory + struct.pack("<I", 0)
    tiff = tiff.ljust(134, b"\0") + struct.pack("<HHH", 16, 16, 16) + values
    with Image.open(io.BytesIO(tiff)) as image:
        assert (image.mode, image.size) == ("RGB", (9, 6))
    refused(tiff, "more than 8 bits")


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("file_format", ["PNG", "TIFF", "WEBP", "JPEG"])
def test_orientation_tags_are_applied(orientation: int, file_format: str) -> None:
    image, exif = Image.fromarray(COLOR), Image.Exif()
    exif[0x0112] = orientation
    options: dict[str, Any] = {"tiffinfo": {0x0112: orientation}} if file_format == "TIFF" else {"exif": exif}
    if file_format == "WEBP":
        options |= {"lossless": True, "exact": True}
    stored = COLOR
    if file_format == "JPEG":  # lossy
        stored = np.asarray(Image.open(io.BytesIO(saved(image, "JPEG"))))
    # Where row 0 and column 0 of the stored pixels are shown: EXIF 2.3, table of the tag Orientation.
    shown = {
        1: stored,
        2: stored[:, ::-1],
        3: stored[::-1, ::-1],
        4: stored[::-1],
        5: stored.transpose(1, 0, 2),
        6: stored[::-1].transpose(1, 0, 2),
        7: stored[::-1, ::-1].transpose(1, 0, 2),
        8: stored[:, ::-1].transpose(1, 0, 2),
    }[orientation]
    assert np.array_equal(decode_image(saved(image, file_format, **options)), shown)


def test_opaque_alpha_and_orientation_together() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    image = Image.merge("LA", [Image.fromarray(GRAY), Image.new("L", (9, 6), 255)])
    assert np.array_equal(decode_image(saved(image, "PNG", exif=exif)), GRAY[::-1].T[..., None])


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_damaged_or_invalid_orientation_is_ignored() -> None:
    exif = Image.Exif()
    exif[0x0112] = 9
    assert np.array_equal(decode_image(saved(Image.fromarray(COLOR), "PNG", exif=exif)), COLOR)
    assert np.array_equal(decode_image(saved(Image.fromarray(COLOR), "PNG", exif=b"Exif\0\0MM\0*\0\0\xff\xff")), COLOR)


@pytest.mark.parametrize("file_format", ["GIF", "PNG", "WEBP", "TIFF"])
def test_several_frames_are_refused(file_format: str) -> None:
    frames = [Image.fromarray(np.roll(COLOR, shift, axis=0)) for shift in range(3)]
    refused(saved(frames[0], file_format, save_all=True, append_images=frames[1:]), "3 frames or pages")
    assert decode_image(saved(frames[0], file_format, save_all=True)).shape == COLOR.shape


def test_previews_in_a_cameras_jpeg_are_ignored() -> None:
    first, preview = Image.fromarray(COLOR), Image.fromarray(COLOR[:3, :3])
    encoded = saved(first, "MPO", save_all=True, append_images=[preview])
    assert np.array_equal(decode_image(encoded), np.asarray(Image.open(io.BytesIO(saved(first, "JPEG")))))


def test_other_color_models_are_refused() -> None:
    for mode, file_format in (("CMYK", "JPEG"), ("CMYK", "TIFF"), ("LAB", "TIFF"), ("YCbCr", "TIFF")):
        image = Image.fromarray(COLOR).convert("RGB")
        image = Image.merge(mode, image.split()) if mode == "LAB" else image.convert(mode)
        refused(saved(image, file_format), f"color model is {mode}")


def test_other_formats_are_refused() -> None:
    for file_format in ("ICO", "TGA", "JPEG2000"):
        refused(saved(Image.fromarray(COLOR), file_format), "can't be decoded.*PNG, JPEG")
    for nothing in (b"", b"nonsense", saved(Image.fromarray(COLOR), "PNG")[:60]):
        refused(nothing, "can't be decoded")
