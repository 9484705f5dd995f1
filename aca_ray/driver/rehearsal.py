"""What a sweep takes besides its trials, measured by a tiny sweep that runs as any other."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from aca_ray.config import ExperimentSpec, NetworkSpec, RuntimeSpec, SweepSpec
from aca_ray.driver.run import SweepOutcome
from aca_ray.errors import SweepError
from aca_ray.records import SearchRecord
from aca_ray.sweep.manifest import Sweep, create_sweep
from aca_ray.sweep.orders import search_orders
from aca_ray.trials.timing import Seconds

NUM_EPOCHS = 12


@dataclass(frozen=True)
class Besides:
    """What a sweep takes besides its trials.

    Attributes:
        ends: seconds before the first and after the last epoch of all trials: the tracker opens, processes start, what
            was found is looked up and compared, the report is written.
        turn: time between two epochs, per search of a process: it writes its record and checkpoints, and reports to the
            driver, which shows and logs them.
    """

    ends: float
    turn: Seconds


def rehearse(runtime: RuntimeSpec, slots: int, pack: int, run: Callable[[Sweep], SweepOutcome]) -> Besides:
    """Run a sweep of tiny searches, as many at once as the real one, and return what it took besides their steps.

    Its epochs last a moment, so that the driver is never idle: a turn includes what the driver and the tracker compute
    for an epoch of every search that runs, whether or not a core is free for it. It keeps nothing on the disk, and
    tracks into a file of its own.

    Args:
        runtime: resources of a trial.
        slots: number of processes at once.
        pack: number of searches in each.
        run: runs a sweep to its end, on this machine.

    Raises:
        SweepError: a search failed.
        KeyboardInterrupt: the user interrupted it.
    """
    with tempfile.TemporaryDirectory(prefix="aca-ray-rehearsal-") as folder:
        spec = _tiny(runtime, slots * pack, pack, folder)
        sweep = create_sweep(spec, Path(folder), spec.to_yaml())
        begin = perf_counter()
        outcome = run(sweep)
        seconds = perf_counter() - begin
        if outcome.interrupted:
            raise KeyboardInterrupt
        if outcome.failures:
            raise SweepError("\n".join(["a tiny sweep, run to measure, failed:", *outcome.failures]))
        records = [SearchRecord.read(order.folder) for order in search_orders(sweep)]
    ended = [record for record in records if record is not None]
    return Besides(seconds - max(map(_span, ended)), Seconds.of([_turn(record, pack) for record in ended]))


def _tiny(runtime: RuntimeSpec, num_searches: int, pack: int, folder: str) -> SweepSpec:
    """Return the spec of searches on one batch of images, whose cells are looked up."""
    own = {"storage": folder, "tracking": None, "pack": pack, "address": None}
    return SweepSpec(
        name="rehearsal",
        experiment=ExperimentSpec(
            methods="darts",
            skip="searched",
            spaces="nasbench201",
            data={"name": "digits", "max_train_images": 32, "max_test_images": 16},
            seeds=list(range(num_searches)),
            epochs=NUM_EPOCHS,
            network=NetworkSpec(channels=4, cells=3),
            batch_size=16,
            table="nasbench201",
        ),
        runtime=runtime.model_copy(update=own),
    )


def _span(record: SearchRecord) -> float:
    """Return the seconds from the end of the first epoch to that of the last."""
    return (record.rows[-1].time_ms - record.rows[0].time_ms) / 1000


def _turn(record: SearchRecord, pack: int) -> float:
    """Return the mean seconds between two epochs, in which its process did no steps, divided by the searches in it."""
    steps = pack * sum(row.seconds or 0.0 for row in record.rows[1:])
    return max(0.0, _span(record) - steps) / (len(record.rows) - 1) / pack
