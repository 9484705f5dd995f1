"""Image files that are decoded ahead: the same batches, a bounded number of them, and nothing left afterwards."""

from __future__ import annotations

import gc
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from aca_ray.data import (
    Batches,
    Decoders,
    RetrainingData,
    cpu_generator,
    evaluation_batches,
    load_retraining_data,
    standard_augmentation,
)
from aca_ray.data.decoders import BYTES_AHEAD, MAX_BATCHES_AHEAD, Decoding
from aca_ray.data.prefetch import Prefetch
from aca_ray.errors import ConfigError, DataError

SIZE = 32
BATCH = 5
BATCH_BYTES = BATCH * 3 * SIZE * SIZE
OUT_OF_ORDER = (0, 1, 2, 9, 3, 4, 4, 0, 11, 10, 5)
SHAPE = (3, 2, 2)


@pytest.fixture
def data(tmp_path: Path) -> RetrainingData:
    """23 training and 7 test images of differing sizes."""
    rng = np.random.default_rng(0)
    for folder, count in (("train", 23), ("val", 7)):
        for index in range(count):
            path = tmp_path / folder / f"class{index % 2}" / f"{index}.JPEG"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 256, (*rng.integers(40, 60, 2), 3), dtype=np.uint8)).save(path)
    return load_retraining_data({"name": "imagenet", "root": str(tmp_path), "resize": SIZE})


MakeBatches = Callable[[Decoders], Batches]


def any_rows(num_images: int, batch_size: int, generator: torch.Generator) -> Tensor:
    return torch.randint(num_images, (batch_size,), generator=generator)


@pytest.fixture
def make_batches(data: RetrainingData) -> MakeBatches:
    augmentation = standard_augmentation(data.info, cutout=True)
    return lambda decoders, draw=None: Batches(
        data.train, data.info, BATCH, augmentation, 7, "cpu", draw, decoders=decoders
    )


def assert_no_decoders_left() -> None:
    """Wait for threads that have nothing to do to end."""
    deadline = time.monotonic() + 10
    while left := [thread for thread in threading.enumerate() if thread.name == "image decoder"]:
        assert time.monotonic() < deadline, left
        time.sleep(0.001)


@pytest.mark.parametrize("draw", [None, any_rows])
@pytest.mark.parametrize("num_threads", [1, 3])
@pytest.mark.parametrize("bytes_ahead", [0, 1, 3 * BATCH_BYTES, BYTES_AHEAD])
def test_batches_do_not_depend_on_what_is_decoded_ahead(
    data: RetrainingData,
    make_batches: MakeBatches,
    num_threads: int,
    bytes_ahead: int,
    draw: Callable[..., Tensor] | None,
) -> None:
    batches = make_batches(Decoders(num_threads, bytes_ahead), draw)
    augmentation = standard_augmentation(data.info, cutout=True)
    for index in OUT_OF_ORDER:
        images, labels = batches.batch(index)
        # The batch by its definition: the views of its rows, augmented, by one generator.
        generator = cpu_generator("augmentation", 7, index)
        pixels, expected = data.train.take(batches.rows(index), generator)
        assert torch.equal(images, augmentation(pixels, data.info, generator))
        assert torch.equal(labels, expected)
    with pytest.raises(ConfigError):
        batches.batch(-1)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu_batches_are_those_of_the_cpu(make_batches: MakeBatches, data: RetrainingData) -> None:
    augmentation = standard_augmentation(data.info, cutout=True)
    ahead = Batches(data.train, data.info, BATCH, augmentation, 7, "cuda")  # decoded into page-locked memory
    plain = make_batches(Decoders(1, 0))
    for index in (*OUT_OF_ORDER, *range(20)):
        images, labels = ahead.batch(index)
        expected, expected_labels = plain.batch(index)
        assert images.device.type == labels.device.type == "cuda"
        assert torch.allclose(images.cpu(), expected, atol=1e-6)
        assert torch.equal(labels.cpu(), expected_labels)


@pytest.mark.parametrize("batch_size", [3, 7, 50])
def test_evaluation_passes_do_not_depend_on_what_is_decoded_ahead(data: RetrainingData, batch_size: int) -> None:
    passes = [
        list(evaluation_batches(data.test, data.info, batch_size, "cpu", decoders))
        for decoders in (Decoders(3), Decoders(1, 0), None)
    ]
    for other in passes[1:]:
        for (images, labels), (expected, expected_labels) in zip(passes[0], other, strict=True):
            assert torch.equal(images, expected)
            assert torch.equal(labels, expected_labels)
    assert_no_decoders_left()


def test_a_damaged_file_is_an_error_of_its_batch_alone(make_batches: MakeBatches, data: RetrainingData) -> None:
    batches = make_batches(Decoders(2))
    damaged = [data.train.root / data.train.paths[int(batches.rows(2)[position])] for position in (1, 3)]
    for path in damaged:
        path.write_bytes(path.read_bytes()[:300])
    for index in (0, 1):
        assert len(batches.batch(index)[1]) == BATCH
    for _ in range(2):  # it is not lost when the batch is requested again, or another one between
        with pytest.raises(DataError, match=rf"^{damaged[0]}: can't be read"):
            batches.batch(2)
        assert len(batches.batch(3)[1]) == BATCH
    with pytest.raises(DataError, match=str(damaged[0])):
        batches.batch(2)


def test_a_damaged_test_file_is_an_error_of_its_batch(data: RetrainingData) -> None:
    path = data.test.root / data.test.paths[4]
    path.unlink()
    parts = evaluation_batches(data.test, data.info, 2, "cpu", Decoders(2))
    assert [len(next(parts)[1]) for _ in range(2)] == [2, 2]
    with pytest.raises(DataError, match=rf"^{path}: can't be read"):
        next(parts)


@pytest.mark.parametrize(("bytes_ahead", "num_ahead"), [(0, 0), (1, 1), (2 * BATCH_BYTES, 2), (BYTES_AHEAD, 4)])
def test_the_number_of_batches_in_memory_is_bounded(
    make_batches: MakeBatches, monkeypatch: pytest.MonkeyPatch, bytes_ahead: int, num_ahead: int
) -> None:
    begun: list[weakref.ref[Decoding]] = []

    class Noted(Decoding):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments)
            begun.append(weakref.ref(self))

    monkeypatch.setattr("aca_ray.data.image_files.Decoding", Noted)
    assert num_ahead <= MAX_BATCHES_AHEAD
    decoders = Decoders(2, bytes_ahead)
    assert decoders.batches_ahead(BATCH_BYTES) == num_ahead
    batches = make_batches(decoders)
    for index in (*range(8), 3, 100):
        batches.batch(index)
        wait_until(lambda: sum(one() is not None for one in begun) == 1 + num_ahead)
    del batches
    wait_until(lambda: all(one() is None for one in begun))
    assert_no_decoders_left()


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait for something that other threads are about to do."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


class Permitted:
    """Images of 2x2 pixels in batches of two; decoding an image takes a permit."""

    def __init__(self, num_permits: int) -> None:
        self.seen: list[tuple[int, int]] = []
        self.permits = threading.Semaphore(num_permits)

    def begin(self, index: int) -> tuple[Decoding, int]:
        def view(position: int) -> np.ndarray:
            self.seen.append((index, position))
            assert self.permits.acquire(timeout=10)
            return np.full((2, 2, 3), 2 * index + position, dtype=np.uint8)

        return Decoding(2, SHAPE, view, "cpu"), index


def test_what_is_needed_comes_first() -> None:
    images, decoders = Permitted(2), Decoders(1)
    prefetch = Prefetch(decoders, num_ahead=2)
    pixels, rest = prefetch.get(0, images.begin)
    assert rest == 0
    assert pixels[:, 0, 0, 0].tolist() == [0, 1]
    wait_until(lambda: len(images.seen) == 3)  # the thread waits for a permit
    other, _ = images.begin(50)
    decoders.start(other, first=True)

    def begin(index: int) -> tuple[Decoding, int]:
        images.permits.release(100)  # 1, the batch needed, is first by now
        return images.begin(index)

    pixels, _ = prefetch.get(1, begin)
    assert pixels[:, 0, 0, 0].tolist() == [2, 3]
    assert_no_decoders_left()
    order = [index for index, position in images.seen if position == 1]
    assert order == [0, 1, 50, 2, 3]


def test_what_is_dropped_is_not_decoded() -> None:
    images = Permitted(2)
    prefetch = Prefetch(Decoders(1), num_ahead=2)
    prefetch.get(0, images.begin)
    wait_until(lambda: len(images.seen) == 3)

    def begin(index: int) -> tuple[Decoding, int]:
        images.permits.release(100)  # 1 and 2 are dropped by now
        return images.begin(index)

    pixels, _ = prefetch.get(20, begin)
    assert pixels[:, 0, 0, 0].tolist() == [40, 41]
    assert_no_decoders_left()
    assert images.seen[:5] == [(0, 0), (0, 1), (1, 0), (20, 0), (20, 1)]
    assert {index for index, _ in images.seen[3:]} == {20, 21, 22}


def test_two_sequences_share_the_threads_of_one_trial() -> None:
    images, decoders, most = Permitted(1000), Decoders(2), 0
    prefetches = [Prefetch(decoders, num_ahead=3) for _ in range(2)]
    for index in range(20):
        for number, prefetch in enumerate(prefetches):
            prefetch.get(50 * number + index, images.begin)
            most = max(most, sum(thread.name == "image decoder" for thread in threading.enumerate()))
    assert 1 <= most <= 2
    assert_no_decoders_left()


def test_waits_are_counted() -> None:
    def begin(index: int) -> tuple[Decoding, None]:
        def view(position: int) -> np.ndarray:
            time.sleep(0.02)
            return np.zeros((2, 2, 3), dtype=np.uint8)

        return Decoding(1, SHAPE, view, "cpu"), None

    for num_ahead, num_waits in ((2, 1), (0, 4)):
        decoders = Decoders(2)
        prefetch = Prefetch(decoders, num_ahead)
        for index in range(4):
            prefetch.get(index, begin)
            assert_no_decoders_left()  # a step that is slower than decoding
        assert (decoders.num_requests, decoders.num_waits) == (4, num_waits)


def test_a_sequence_with_an_end_decodes_nothing_beyond_it() -> None:
    images = Permitted(1000)
    prefetch = Prefetch(Decoders(1), num_ahead=4, end=3)
    for index in range(3):
        prefetch.get(index, images.begin)
    assert_no_decoders_left()
    assert {index for index, _ in images.seen} == {0, 1, 2}


def test_any_error_of_a_thread_reaches_the_consumer() -> None:
    def view(position: int) -> np.ndarray:
        if position:
            raise MemoryError(position)
        return np.zeros((2, 2, 3), dtype=np.uint8)

    prefetch = Prefetch(Decoders(2), num_ahead=1)
    with pytest.raises(MemoryError, match="1"):
        prefetch.get(0, lambda index: (Decoding(3, SHAPE, view, "cpu"), None))
    assert_no_decoders_left()


def test_on_a_cpu_nothing_is_decoded_ahead_and_by_as_many_threads_as_torch_has() -> None:
    torch.set_num_threads(3)
    try:
        decoders = Decoders.beside("cpu")
    finally:
        torch.set_num_threads(1)
    assert decoders.batches_ahead(1) == 0
    assert decoders.num_threads == 3
    assert Decoders.beside("cuda").batches_ahead(BYTES_AHEAD) == 1
    assert Decoders.beside("cuda").batches_ahead(1) == MAX_BATCHES_AHEAD


SLOW = """
import signal
import time
import numpy as np
from aca_ray.data.decoders import Decoders, Decoding

def view(position):
    if position:
        time.sleep(0.2)
    return np.zeros((2, 2, 3), dtype=np.uint8)

first, second = (Decoding(count, (3, 2, 2), view, "cpu") for count in (1, 1000))
decoders = Decoders(2)
decoders.start(first)
decoders.start(second)
decoders.result(first)
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs begin with it ignored
print("ready", flush=True)
{end}
"""


@pytest.mark.slow
@pytest.mark.parametrize(("end", "code"), [("", 0), ("decoders.result(second)", -signal.SIGINT)])
def test_a_process_that_ends_or_is_interrupted_does_not_wait_for_what_is_ahead(end: str, code: int) -> None:
    """200 s of decoding are left when the process ends, or gets SIGINT while it waits for them."""
    with subprocess.Popen([sys.executable, "-c", SLOW.format(end=end)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        try:
            if code:
                process.send_signal(signal.SIGINT)
            assert process.wait(30) == code
        finally:
            process.kill()


def test_nothing_of_a_sequence_is_kept_by_a_cycle(make_batches: MakeBatches) -> None:
    """What is ahead must be dropped at once, not when garbage is collected."""
    gc.disable()
    try:
        batches = make_batches(Decoders(1))
        batches.batch(0)
        kept = weakref.ref(batches)
        del batches
        assert kept() is None
    finally:
        gc.enable()
