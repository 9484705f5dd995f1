"""The check that training images vary."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from aca_ray.data.image_set import Images
from aca_ray.errors import DataError

# Images per part; both take some seconds if images are read from files.
NUM_READ, NUM_HEADERS = 128, 10_000
LEAST_DEVIATION = 0.5  # gray levels; noise in the last bit alone reaches it


def spread(num_images: int, most: int) -> Tensor:
    """Return at most `most` rows, int64 and ascending, spread evenly over a number of images."""
    count = min(num_images, most)
    return torch.arange(count) * num_images // max(1, count)


def check_variation(place: str, parts: Sequence[Images]) -> None:
    """Raise DataError if the training images are (nearly) constant, or all the same image.

    At most 128 images of each part, spread evenly, are read. They are nearly constant when the standard deviation
    over all their pixels is below half a gray level in every channel.

    Args:
        place: place of the training images, for the message.
        parts: the training images, in one set or several.

    Raises:
        DataError: see above; or an image can't be read.
    """
    pixels = torch.cat([part.take(spread(len(part), NUM_READ), None)[0] for part in parts])
    channels = pixels.transpose(0, 1).flatten(1).to(torch.float32)
    deviation = channels.std(dim=1, correction=0)
    if bool((deviation < LEAST_DEVIATION).all()):
        levels = ", ".join(f"{level:.4g}" for level in channels.mean(dim=1).tolist())
        raise DataError(
            f"{place}: the training images are one constant (mean {levels} of 255, deviation below {LEAST_DEVIATION}; "
            f"{len(pixels)} images read), so there is nothing to learn. Look at them in a viewer"
        )
    if bool((pixels == pixels[:1]).all()):
        raise DataError(
            f"{place}: the training images are all the same image ({len(pixels)} read), so there is nothing to learn. "
            "Look at them in a viewer"
        )
