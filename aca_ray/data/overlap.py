"""The check that the test images are not the training images."""

from __future__ import annotations

from collections.abc import Sequence

from aca_ray.data.image_files import ImageFiles
from aca_ray.data.image_set import Images, parts_in_order
from aca_ray.data.variation import NUM_READ, spread
from aca_ray.errors import DataError

_MOST_SHARED = 0.5  # published data sets contain a few training images among their test images


def check_overlap(place: str, parts: Sequence[Images], test: Images) -> None:
    """Raise DataError if most of the test images are training images, as when both splits name the same files.

    At most 128 test images, spread evenly, are looked for among all training images, pixel by pixel. Images in class
    folders of `imagenet` are not compared.

    Args:
        place: place of the test images, for the message.
        parts: the training images, in one set or several.
        test: the test images.
    """
    if isinstance(test, ImageFiles):
        return
    read, _ = test.take(spread(len(test), NUM_READ), None)
    wanted = {bytes(image.numpy().data) for image in read}
    found: set[bytes] = set()
    for part in parts:
        for rows in parts_in_order(part):
            pixels, _ = part.take(rows, None)
            found |= wanted & {bytes(image.contiguous().numpy().data) for image in pixels}
    shared = sum(bytes(image.numpy().data) in found for image in read)
    if shared > _MOST_SHARED * len(read):
        raise DataError(
            f"{place}: {shared} of {len(read)} test images that were compared are training images, so accuracies would "
            "be those of training; give train and test different files, such as train-*.parquet and test-*.parquet"
        )
