"""From the bytes of an image file to pixels."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

# Converting these to 8 bits would clip or rescale silently.
_DEEP_MODES = ("I", "F")


def open_image(encoded: bytes) -> Image:
    """Return a PNG, JPEG or other image file as an image of 8-bit gray values or RGB.

    Pillow and not torchvision.io, which took 2.6 s instead of 3.3 s for the 50,000 JPEGs of CIFAR-10 with equal pixels:
    torchvision announced the end of its decoders in 0.29.

    Args:
        encoded: the bytes of the file.

    Raises:
        ValueError: the bytes are not a whole image, or its pixels have more than 8 bits.
    """
    from PIL import Image

    try:
        with Image.open(io.BytesIO(encoded)) as image:
            if image.mode.startswith(_DEEP_MODES):
                raise ValueError(f"its pixels have more than 8 bits (mode {image.mode}); store 8-bit images")
            image.load()
            return image if image.mode in ("L", "RGB") else image.convert("RGB")
    except ValueError:
        raise
    # Pillow's decoders raise OSError, SyntaxError, EOFError, struct.error and others on damaged bytes.
    except Exception as error:
        raise ValueError(f"the bytes can't be decoded as an image ({error})") from error


def decode_image(encoded: bytes) -> np.ndarray:
    """Return the pixels of an image file, (H, W, C) uint8; C is 1 for gray images, else 3; see `open_image`."""
    import numpy as np

    pixels = np.asarray(open_image(encoded))
    return pixels[:, :, None] if pixels.ndim == 2 else pixels
