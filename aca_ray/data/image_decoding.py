"""From the bytes of an image file to exactly the pixels that a viewer shows, or an error that says why not.

Color profiles are not applied: the stored values are taken as sRGB.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image
    from PIL.ImageFile import ImageFile

# Pillow reads many more formats. In some of these (AVIF, JPEG 2000) it reduces deep pixels to 8 bits without a word.
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "PPM")

_GRAY_MODES = ("1", "L", "LA", "La")
_COLOR_MODES = ("P", "PA", "RGB", "RGBA", "RGBa")
_DEEP_MODES = ("I", "F")
_ORIENTATION = 0x0112  # EXIF
_BITS_PER_SAMPLE = 258  # TIFF
# In a PNG file these follow the four letters IHDR: width and height of four bytes each, then the bits of a sample.
_PNG_HEADER, _PNG_DEPTH = b"IHDR", 12


class _RefusedError(ValueError):
    """The file is a sound image, but not one that 8-bit gray values or RGB can hold exactly."""


def open_image(encoded: bytes, *, cmyk: bool = False) -> Image:
    """Return an image file as an image of mode L (gray) or RGB, 8 bits per channel, the way a viewer shows it.

    Palettes become their colors, an orientation tag is applied, and an alpha channel that is opaque everywhere is
    dropped. Nothing else is converted: what a viewer shows in another way, or only on a background, is refused.

    Pillow and not torchvision.io, which took 2.6 s instead of 3.3 s for the 50,000 JPEGs of CIFAR-10 with equal pixels:
    torchvision announced the end of its decoders in 0.29.

    Args:
        encoded: the bytes of the file.
        cmyk: whether CMYK is converted by Pillow's formula instead of refused.

    Raises:
        ValueError: the bytes are not a whole image of a format in `FORMATS`, or the image is transparent anywhere,
            animated, deeper than 8 bits, or of another color model.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(encoded), formats=FORMATS) as image:
            _check_frames(image)
            _check_depth(image, encoded)
            image.load()
            _scale_transparency(image, encoded)
            if image.mode == "CMYK" and cmyk:
                return _upright(image).convert("RGB")
            return _upright(_opaque(image))
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


def _check_frames(image: Image) -> None:
    """Raise an error for a file of several frames or pages; the previews in a camera's JPEG (MPO) are none."""
    num_frames = getattr(image, "n_frames", 1)
    if num_frames > 1 and image.format != "MPO":
        raise _RefusedError(
            f"it has {num_frames} frames or pages ({image.format}), and which of them to train on is not known; store "
            "each as an image of its own"
        )


def _check_depth(image: ImageFile, encoded: bytes) -> None:
    """Raise an error for more than 8 bits per channel, which Pillow reduces silently where there are colors."""
    bits = 8
    if image.format == "PNG":
        bits = _png_depth(encoded)
    elif image.format == "TIFF":
        bits = max(image.tag_v2.get(_BITS_PER_SAMPLE, (1,)))  # type: ignore[attr-defined]
    elif image.format == "PPM" and isinstance(image.tile[0].args, tuple):
        bits = int(image.tile[0].args[-1]).bit_length()  # of the largest value
    if bits > 8 or image.mode.startswith(_DEEP_MODES):
        raise _RefusedError(
            f"its pixels have more than 8 bits per channel (mode {image.mode}); scale them to 8 bits and store them so"
        )


def _png_depth(encoded: bytes) -> int:
    return encoded[encoded.index(_PNG_HEADER) + _PNG_DEPTH]


def _scale_transparency(image: Image, encoded: bytes) -> None:
    """Scale the gray level that a PNG of 2 or 4 bits declares transparent, as Pillow has scaled the pixels."""
    level = image.info.get("transparency")
    if image.format == "PNG" and image.mode == "L" and isinstance(level, int):
        image.info["transparency"] = level * 255 // (2 ** _png_depth(encoded) - 1)


def _opaque(image: Image) -> Image:
    """Return the image in mode L or RGB; raise an error for another color model, or a pixel that shines through."""
    if image.mode not in _GRAY_MODES + _COLOR_MODES:
        raise _RefusedError(f"its color model is {image.mode}, which RGB does not hold exactly; convert it to RGB")
    is_gray = image.mode in _GRAY_MODES
    if image.has_transparency_data:
        image = image.convert("LA" if is_gray else "RGBA")
        lowest, _ = image.getchannel("A").getextrema()
        if isinstance(lowest, int) and lowest < 255:
            raise _RefusedError(
                f"it is transparent (its lowest alpha is {lowest} of 255), and the background is not known; flatten it "
                "onto one"
            )
    return image.convert("L" if is_gray else "RGB")


def _upright(image: Image) -> Image:
    """Return the image turned and mirrored as its orientation tag says; a tag that can't be read is ignored."""
    from PIL import ImageOps

    try:
        orientation = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # damaged EXIF, of which viewers take no notice either
        return image
    return ImageOps.exif_transpose(image) if orientation in range(2, 9) else image
