"""The registry of data sets."""

from __future__ import annotations

from aca_ray.data.digits import DIGITS
from aca_ray.data.downloads import DOWNLOADS
from aca_ray.data.folders import FOLDERS
from aca_ray.data.imagenet import IMAGENET
from aca_ray.data.parquet import PARQUET
from aca_ray.data.source import Source

SOURCES: dict[str, Source] = {
    source.name: source
    for source in (DIGITS, *(download.source() for download in DOWNLOADS), FOLDERS, IMAGENET, PARQUET)
}
