"""Images per second of training batches from files, over torchvision's ImageFolder with a DataLoader.

Writes a folder of JPEGs of ImageNet's usual size (500x375, quality 90) with the spectrum of photographs. Both sides
read the same files by as many threads or worker processes, as in DARTS' train_imagenet.py: random resized crop, flip,
color jitter, normalization. Every pass begins with nothing decoded; the start of worker processes is not counted. On a
machine that does other things at the same time, rows of CPU seconds (Linux) are the ones to look at. The second table
counts how many training steps, which sleep for longer than their batch takes to decode, have to wait for it. Needs
torch, torchvision and the repository, nothing else:

    PYTHONPATH=<repository> python experiments/benchmarks/image_reading.py [--workers 2] [--repeats 5]
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from machine import machine
from PIL import Image
from torch.utils.data import DataLoader
from torchvision import datasets, transforms
from turns import measure, row

from aca_ray.data import (
    Batches,
    Decoders,
    RetrainingData,
    evaluation_batches,
    load_retraining_data,
    standard_augmentation,
)
from aca_ray.data.decoders import BYTES_AHEAD
from aca_ray.data.imagenet import MEAN, STD

NUM_CLASSES, WIDTH, HEIGHT, QUALITY = 4, 500, 375, 90
SLOWER = 1.5  # how many times as long as decoding its batch a training step takes
CPU = torch.device("cpu")


def photograph(draw: np.random.Generator) -> np.ndarray:
    """Return (H, W, 3) uint8 with amplitudes that fall as 1 / frequency, like those of photographs."""
    rows, columns = np.fft.fftfreq(HEIGHT)[:, None], np.fft.rfftfreq(WIDTH)[None]
    frequency = np.maximum(np.hypot(rows, columns), 1 / WIDTH)

    def field(exponent: float) -> np.ndarray:
        spectrum = draw.standard_normal(frequency.shape) + 1j * draw.standard_normal(frequency.shape)
        pixels = np.fft.irfft2(spectrum / frequency**exponent, s=(HEIGHT, WIDTH))
        return pixels / pixels.std()

    gray = field(1.0)
    channels = [128 + 45 * gray + 20 * field(1.2) for _ in range(3)]
    return np.clip(np.stack(channels, axis=2), 0, 255).astype(np.uint8)


def write_folder(root: Path, num_images: int) -> int:
    """Write class folders of training and test images; return the mean size of a file in bytes."""
    draw, sizes = np.random.default_rng(0), []
    for split, count in (("train", num_images), ("val", num_images // 2)):
        for index in range(count):
            path = root / split / f"class{index % NUM_CLASSES}" / f"{index}.JPEG"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(photograph(draw)).save(path, quality=QUALITY)
            sizes.append(path.stat().st_size)
    return round(statistics.fmean(sizes))


def torchvision_loader(folder: Path, batch_size: int, workers: int, *, train: bool) -> DataLoader:
    """Return the loader of DARTS' train_imagenet.py."""
    last = [transforms.ToTensor(), transforms.Normalize(MEAN, STD)]
    if train:
        jitter = transforms.ColorJitter(brightness=0.4, contrast=0.4, saturation=0.4, hue=0.2)
        views = [transforms.RandomResizedCrop(224), transforms.RandomHorizontalFlip(), jitter]
    else:
        views = [transforms.Resize(256), transforms.CenterCrop(224)]
    images = datasets.ImageFolder(str(folder), transforms.Compose([*views, *last]))
    return DataLoader(images, batch_size, shuffle=train, num_workers=workers, persistent_workers=True)


def training_batches(data: RetrainingData, batch_size: int, decoders: Decoders) -> Batches:
    return Batches(data.train, data.info, batch_size, standard_augmentation(data.info), 0, CPU, decoders=decoders)


class Passes:
    """Passes over the training images; no pass repeats the views of another."""

    def __init__(self, data: RetrainingData, batch_size: int, workers: int, bytes_ahead: int) -> None:
        self._data, self._batch_size, self._workers, self._bytes_ahead = data, batch_size, workers, bytes_ahead
        self._number = 0

    def run(self) -> None:
        batches = training_batches(self._data, self._batch_size, Decoders(self._workers, self._bytes_ahead))
        first = self._number * batches.batches_per_pass
        for index in range(first, first + batches.batches_per_pass):
            batches.batch(index)
        self._number += 1


def cpu_seconds() -> float:
    """Return the CPU time of this process and of its workers so far."""
    tick = os.sysconf("SC_CLK_TCK")
    stats = [Path(f"/proc/{worker.pid}/stat").read_text() for worker in multiprocessing.active_children()]
    fields = [text.rpartition(")")[2].split() for text in stats]
    return time.process_time() + sum(int(own[11]) + int(own[12]) for own in fields) / tick


def measure_with_cpu(
    actions: Mapping[str, Callable[[], None]], repeats: int
) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Return the seconds of every action by the clock, and those of the CPU, in turns as `measure` does."""
    cpu: dict[str, list[float]] = {name: [] for name in actions}
    times = measure({name: _noting_cpu(own, cpu[name]) for name, own in actions.items()}, repeats, CPU)
    return times, {name: own[1:] for name, own in cpu.items()}  # `measure` leaves out the first round


def _noting_cpu(action: Callable[[], None], seconds: list[float]) -> Callable[[], None]:
    """Return the action, which then also adds its CPU seconds to a list."""

    def run() -> None:
        begin = cpu_seconds()
        action()
        seconds.append(cpu_seconds() - begin)

    return run


def consume(batches: object) -> None:
    for _ in batches:  # type: ignore[attr-defined]
        pass


def count_waits(data: RetrainingData, batch_size: int, workers: int, bytes_ahead: int, num_steps: int) -> str:
    """Return a row: how many of the steps after the first had to wait for their batch, and for how long in all."""
    alone = training_batches(data, batch_size, Decoders(workers, 0))
    times = []
    for index in range(num_steps, num_steps + 5):
        begin = time.perf_counter()
        alone.batch(index)
        times.append(time.perf_counter() - begin)
    step = SLOWER * max(times)
    decoders = Decoders(workers, bytes_ahead)
    batches = training_batches(data, batch_size, decoders)
    batches.batch(0)
    begun, waits, seconds = decoders.num_requests, decoders.num_waits, 0.0
    for index in range(1, num_steps + 1):
        time.sleep(step)
        begin = time.perf_counter()
        batches.batch(index)
        seconds += time.perf_counter() - begin
    waited = f"{decoders.num_waits - waits} of {decoders.num_requests - begun}"
    ahead = decoders.batches_ahead(batch_size * 3 * 224 * 224)
    return f"| {ahead} | {statistics.median(times):.3f} | {step:.3f} | {waited} | {seconds / num_steps:.3f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=256)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--steps", type=int, default=20)
    options = parser.parse_args()
    torch.set_num_threads(1)
    batch_size, workers = options.batch_size, options.workers
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        size = write_folder(root, options.images)
        data = load_retraining_data({"name": "imagenet", "root": folder})
        print(f"{machine()}; {options.images} images of {size} bytes, batch {batch_size}, {workers} workers", end=", ")
        print(f"n = {options.repeats}, load {os.getloadavg()[0]:.1f}\n")
        loaders = [
            torchvision_loader(root / name, batch_size, workers, train=name == "train") for name in ("train", "val")
        ]
        actions = {
            "loader": lambda: consume(loaders[0]),
            "ahead": Passes(data, batch_size, workers, BYTES_AHEAD).run,
            "not ahead": Passes(data, batch_size, workers, 0).run,
            "test loader": lambda: consume(loaders[1]),
            "test ahead": lambda: consume(
                evaluation_batches(data.test, data.info, batch_size, CPU, Decoders(workers, BYTES_AHEAD))
            ),
        }
        times, cpu = measure_with_cpu(actions, options.repeats)
        print("| images per second, ours over torchvision's | torchvision s | ours s | ratio | target |")
        print("|---|---|---|---|---|", flush=True)
        row("training batches, decoded ahead", "at least 1.0", times["loader"], times["ahead"])
        row("the same, CPU seconds", "-", cpu["loader"], cpu["ahead"])
        row("training batches, each when it is needed", "-", times["loader"], times["not ahead"])
        row("evaluation batches, decoded ahead", "at least 1.0", times["test loader"], times["test ahead"])
        row("the same, CPU seconds", "-", cpu["test loader"], cpu["test ahead"])
        rate = options.images / statistics.median(times["ahead"])
        print(f"\nTraining images per second, decoded ahead: {rate:.0f}\n")
        print("| batches ahead | decoding a batch s | step s | steps that waited | in `batch` s per step |")
        print("|---|---|---|---|---|", flush=True)
        for bytes_ahead in (BYTES_AHEAD, 1, 0):
            print(count_waits(data, batch_size, workers, bytes_ahead, options.steps), flush=True)


if __name__ == "__main__":
    main()
