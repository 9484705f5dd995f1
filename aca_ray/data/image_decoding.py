"""Decoding of image files to exactly the pixels that a viewer shows, or an error that says why not.

Color profiles are not applied: the stored values are taken as sRGB.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image
    from PIL.ImageFile import ImageFile

# Pillow reads many more formats. In some of these (AVIF, JPEG 2000) it silently reduces deep pixels to 8 bits.
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "PPM")

_GRAY_MODES = ("1", "L", "LA", "La")
_COLOR_MODES = ("P", "PA", "RGB", "RGBA", "RGBa")
_DEEP_MODES = ("I", "F")
_ORIENTATION = 0x0112  # EXIF
_BITS_PER_SAMPLE = 258  # TIFF
# In a PNG file, IHDR is followed by width and height, four bytes each, then by the bits per sample.
_PNG_HEADER, _PNG_DEPTH = b"IHDR", 12
_HEAD = 64  # bytes at the start of a file that contain them


class _RefusedError(ValueError):
    """The file is an intact image, but 8-bit gray or RGB can't represent it exactly."""


def open_image(encoded: bytes, *, cmyk: bool = False) -> Image:
    """Return the decoded image in mode L (gray) or RGB, 8 bits per channel, as a viewer shows it.

    Palettes become their colors, an orientation tag is applied, and an alpha channel that is opaque everywhere is
    dropped. Nothing else is converted: images that a viewer shows differently, or only on a background, are refused.

    Pillow is used although torchvision.io took 2.6 s instead of 3.3 s for the 50,000 JPEGs of CIFAR-10, with equal
    pixels: torchvision announced the removal of its decoders in 0.29.

    Args:
        encoded: the bytes of the file.
        cmyk: whether CMYK is converted by Pillow's formula instead of refused.

    Raises:
        ValueError: the bytes are not a complete image of a format in `FORMATS`, or the image is transparent anywhere,
            animated, deeper than 8 bits, or of another color model.
    """
    with _opened(io.BytesIO(encoded)) as image:
        _check_header(image, encoded[:_HEAD], cmyk)
        image.load()
        _scale_transparency(image, encoded[:_HEAD])
        if image.mode == "CMYK":
            return _upright(image).convert("RGB")
        return _upright(_opaque(image))


def check_image(path: Path, *, cmyk: bool = False) -> None:
    """Check whether `open_image` would refuse an intact image file, reading as little as possible.

    Only the header is read, and the pixels of an image that may be transparent; other truncated files are not detected.

    Raises:
        OSError: the file can't be read.
        ValueError: see `open_image`.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD)
        file.seek(0)
        with _opened(file) as image:
            _check_header(image, head, cmyk)
            may_be_transparent = image.has_transparency_data
    if may_be_transparent:
        open_image(path.read_bytes(), cmyk=cmyk)


@contextmanager
def _opened(file: BinaryIO) -> Iterator[ImageFile]:
    """Yield an image whose header is read; reading errors, here or in the body, become a ValueError."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(file, formats=FORMATS) as image:
            yield image
    except _RefusedError:
        raise
    except UnidentifiedImageError as error:
        raise ValueError(f"the bytes can't be decoded as an image; known formats: {', '.join(FORMATS)}") from error
    # Pillow's decoders raise OSError, SyntaxError, EOFError, struct.error and others on damaged bytes.
    except Exception as error:
        raise ValueError(f"the bytes can't be decoded as an image ({error})") from error


def decode_image(encoded: bytes) -> np.ndarray:
    """Return the pixels of an image file, (H, W, C) uint8; C is 1 for gray images, else 3; see `open_image`."""
    import numpy as np

    pixels = np.asarray(open_image(encoded))
    return pixels[:, :, None] if pixels.ndim == 2 else pixels


def _check_header(image: ImageFile, head: bytes, cmyk: bool) -> None:
    """Raise an error for several frames or pages, deep pixels, and other color models."""
    num_frames = getattr(image, "n_frames", 1)
    if num_frames > 1 and image.format != "MPO":  # a camera's JPEG, whose other frames are previews
        raise _RefusedError(
            f"it has {num_frames} frames or pages ({image.format}), and it is unknown which of them to use; store each "
            "as a separate image"
        )
    # Where there are colors, Pillow reduces deep pixels silently.
    if _num_bits(image, head) > 8 or image.mode.startswith(_DEEP_MODES):
        raise _RefusedError(f"its pixels have more than 8 bits per channel (mode {image.mode}); convert them to 8 bits")
    if image.mode not in _GRAY_MODES + _COLOR_MODES and not (cmyk and image.mode == "CMYK"):
        raise _RefusedError(f"its color model is {image.mode}, which RGB can't represent exactly; convert it to RGB")


def _num_bits(image: ImageFile, head: bytes) -> int:
    """Return the bits per channel as the file stores them."""
    if image.format == "PNG":
        return _png_depth(head)
    if image.format == "TIFF":
        return max(image.tag_v2.get(_BITS_PER_SAMPLE, (1,)))  # type: ignore[attr-defined]
    if image.format == "PPM" and isinstance(image.tile[0].args, tuple):
        return int(image.tile[0].args[-1]).bit_length()  # bits of the largest value
    return 8


def _png_depth(head: bytes) -> int:
    return head[head.index(_PNG_HEADER) + _PNG_DEPTH]


def _scale_transparency(image: Image, head: bytes) -> None:
    """Scale the gray level that a PNG of 2 or 4 bits declares transparent, as Pillow has scaled the pixels."""
    level = image.info.get("transparency")
    if image.format == "PNG" and image.mode == "L" and isinstance(level, int):
        image.info["transparency"] = level * 255 // (2 ** _png_depth(head) - 1)


def _opaque(image: Image) -> Image:
    """Return the image in mode L or RGB; raise an error when a pixel is transparent."""
    is_gray = image.mode in _GRAY_MODES
    if image.has_transparency_data:
        image = image.convert("LA" if is_gray else "RGBA")
        lowest, _ = image.getchannel("A").getextrema()
        if isinstance(lowest, int) and lowest < 255:
            raise _RefusedError(
                f"it is transparent (its lowest alpha is {lowest} of 255), and the background is unknown; flatten it "
                "onto a background"
            )
    return image.convert("L" if is_gray else "RGB")


def _upright(image: Image) -> Image:
    """Return the image turned and mirrored as its orientation tag says; a tag that can't be read is ignored."""
    from PIL import ImageOps

    try:
        orientation = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # damaged EXIF, which viewers ignore too
        return image
    return ImageOps.exif_transpose(image) if orientation in range(2, 9) else image
