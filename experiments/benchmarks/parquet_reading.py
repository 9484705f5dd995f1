"""Parquet images decoded on demand, over the same files in a folder: images per second and peak memory.

Writes the JPEGs of `image_reading.py` as class folders and as Parquet files (row groups of 100 images, as Hugging Face
writes them). The folder is read as `imagenet` (random resized crop, flip, color jitter), the Parquet files from their
temporary file with `resize: 224`, crop and flip. Rows of speed take turns in one process. Peaks of resident memory are
those of processes of their own, each for one source, which load the data and read all training batches; the memory that
Python and the imports take is subtracted. Half as many images again are test images. Needs Linux:

    PYTHONPATH=<repository> python experiments/benchmarks/parquet_reading.py [--workers 2] [--repeats 5]
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from image_reading import (
    CPU,
    NUM_CLASSES,
    Passes,
    consume,
    cpu_seconds,
    measure_with_cpu,
    training_batches,
    write_folder,
)
from machine import machine
from turns import row

from aca_ray.data import Decoders, evaluation_batches, load_retraining_data, stacking
from aca_ray.data.decoders import BYTES_AHEAD

SIZE, ROW_GROUP, MIB = 224, 100, 2**20


def write_parquet(folder: Path, times: int) -> None:
    """Write the images of both splits of a folder to Parquet files, each image several times."""
    for split in ("train", "val"):
        images = sorted((folder / split).glob("*/*"), key=lambda path: int(path.stem)) * times
        labels = [int(path.parent.name.removeprefix("class")) for path in images]
        schema = pa.schema({"image": pa.binary(), "label": pa.int64()})
        with pq.ParquetWriter(folder / f"{split}-{times}.parquet", schema) as writer:
            for start in range(0, len(images), ROW_GROUP):
                part = [path.read_bytes() for path in images[start : start + ROW_GROUP]]
                writer.write_table(pa.table({"image": part, "label": labels[start : start + ROW_GROUP]}, schema))


def link_folder(folder: Path, times: int) -> Path:
    """Return a folder with every image of a folder several times."""
    linked = folder / f"linked-{times}"
    for path in [path for split in ("train", "val") for path in (folder / split).glob("*/*")]:
        for copy in range(times):
            target = linked / path.relative_to(folder).with_stem(f"{path.stem}-{copy}")
            target.parent.mkdir(parents=True, exist_ok=True)
            if not target.exists():
                os.link(path, target)
    return linked


def parquet(folder: Path, times: int) -> dict[str, Any]:
    names = {split: str(folder / f"{name}-{times}.parquet") for split, name in (("train", "train"), ("test", "val"))}
    return {"name": "parquet", **names, "resize": SIZE, "flip": True}


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def print_peak(data: dict[str, Any], batch_size: int, workers: int) -> None:
    """Print by how many MiB loading the data and reading all training batches raise the peak of resident memory."""
    torch.set_num_threads(workers)
    before = resident_bytes()
    loaded = load_retraining_data(data)
    batches = training_batches(loaded, batch_size, Decoders(workers, BYTES_AHEAD))
    for index in range(batches.batches_per_pass):
        batches.batch(index)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(f"{(peak - before) / MIB:.0f}")


def peak_of(source: str, folder: Path, times: int, options: argparse.Namespace) -> int:
    command = [sys.executable, __file__, "--peak-of", source, "--folder", str(folder), "--times", str(times)]
    command += ["--batch-size", str(options.batch_size), "--workers", str(options.workers)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def print_speed(folder: Path, options: argparse.Namespace) -> None:
    """Print the images per second of both sources."""
    batch_size, workers = options.batch_size, options.workers
    begin = time.perf_counter(), cpu_seconds()
    sources = {"parquet": load_retraining_data(parquet(folder, 1))}
    loading = time.perf_counter() - begin[0], cpu_seconds() - begin[1]
    sources["folder"] = load_retraining_data({"name": "imagenet", "root": str(folder)})
    actions = {}
    for name, data in sources.items():
        actions[name] = Passes(data, batch_size, workers, BYTES_AHEAD).run
        actions[f"test {name}"] = lambda data=data: consume(
            evaluation_batches(data.test, data.info, batch_size, CPU, Decoders(workers, BYTES_AHEAD))
        )
    times, cpu = measure_with_cpu(actions, options.repeats)
    print("| images per second, Parquet over folder | folder s | Parquet s | ratio | target |")
    print("|---|---|---|---|---|", flush=True)
    row("training batches, decoded ahead", "at least 1.0", times["folder"], times["parquet"])
    row("the same, CPU seconds", "-", cpu["folder"], cpu["parquet"])
    row("evaluation batches, decoded ahead", "at least 1.0", times["test folder"], times["test parquet"])
    row("the same, CPU seconds", "-", cpu["test folder"], cpu["test parquet"])
    rate = options.images / statistics.median(times["parquet"])
    print(f"\nTraining images per second from Parquet: {rate:.0f}. Loading both splits took {loading[0]:.2f} s of the")
    print(f"clock, {loading[1]:.2f} s of the CPU.\n", flush=True)


def print_memory(folder: Path, options: argparse.Namespace) -> None:
    """Print the peaks of memory of both sources, for few and for many images."""
    few, many = options.few, options.many
    for times in (few, many):
        write_parquet(folder, times)
    cases = [("folder", few), ("folder", many), ("parquet", few), ("parquet", many), ("in memory", many)]
    peaks = {case: peak_of(case[0], folder, case[1], options) for case in cases}
    print("| peak of resident memory | training images | MiB | over the folder | pixels of both splits MiB |")
    print("|---|---|---|---|---|")
    for (source, times), peak in peaks.items():
        num_images = times * options.images
        pixels = 1.5 * num_images * 3 * SIZE * SIZE / MIB
        print(f"| {source} | {num_images} | {peak} | {peak / peaks['folder', times]:.2f} | {pixels:.0f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=256)
    parser.add_argument("--few", type=int, default=2, help="how many times as many images in the first rows of memory")
    parser.add_argument("--many", type=int, default=8, help="and in the others")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--peak-of", choices=["folder", "parquet", "in memory"], help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--times", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.peak_of != "in memory":
        stacking.BYTES_IN_MEMORY = 0
    if options.peak_of == "folder":
        linked = link_folder(options.folder, options.times)
        return print_peak({"name": "imagenet", "root": str(linked)}, options.batch_size, options.workers)
    if options.peak_of:
        return print_peak(parquet(options.folder, options.times), options.batch_size, options.workers)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        size = write_folder(folder, options.images)
        write_parquet(folder, 1)
        print(f"{machine()}; {options.images} images of {size} bytes, {NUM_CLASSES} classes, batch", end=" ")
        print(
            f"{options.batch_size}, {options.workers} threads, n = {options.repeats}, load {os.getloadavg()[0]:.1f}\n"
        )
        print_speed(folder, options)
        print_memory(folder, options)
    return None


if __name__ == "__main__":
    main()
