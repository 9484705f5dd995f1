"""Running a sweep from its lock to its comparison."""

from __future__ import annotations

import gc
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aca_ray.display import View
from aca_ray.driver.driver import Driver
from aca_ray.driver.interrupt import Interrupt
from aca_ray.driver.log import sweep_log
from aca_ray.driver.mirror import OpenMirror
from aca_ray.driver.page import close_page
from aca_ray.driver.pool import OpenPool
from aca_ray.driver.reporter import Reporter
from aca_ray.records import TrialRecord
from aca_ray.storage.files import remove_leftovers
from aca_ray.storage.lock import exclusive
from aca_ray.sweep.growing import driven_elsewhere, require_newest
from aca_ray.sweep.manifest import Sweep
from aca_ray.sweep.orders import NetworkOrder, all_orders, plans_of

if TYPE_CHECKING:
    from aca_ray.comparison import Comparison

logger = logging.getLogger(__name__)

_TRACKING_SECONDS = 600.0  # for a slow server; the wait for an unreachable one ends earlier
_INTERRUPTED_SECONDS = 30.0


@dataclass(frozen=True)
class SweepOutcome:
    """How a driven sweep ended.

    Attributes:
        comparison: comparison of all finished trials, or None if no retraining has finished.
        interrupted: whether the sweep was stopped before its end and can be resumed.
        failures: one sentence per trial that failed or could not start.
        tracked: whether the tracking store is complete.
    """

    comparison: Comparison | None
    interrupted: bool
    failures: tuple[str, ...]
    tracked: bool


def run_sweep(sweep: Sweep, open_pool: OpenPool, open_mirror: OpenMirror, view: View) -> SweepOutcome:
    """Run everything in a sweep that is not done yet.

    Args:
        sweep: the sweep.
        open_pool: opens the pool that does the work.
        open_mirror: connects to the tracker.
        view: display of the trials.

    Raises:
        SweepError: another process drives this sweep or has given it another spec, or the pool can't run it.
    """
    sweep.folder.path.mkdir(parents=True, exist_ok=True)
    with Interrupt().handling_signals() as interrupt, exclusive(sweep.folder.lock, wait=False) as free:
        if not free:
            raise driven_elsewhere(sweep.folder)
        require_newest(sweep)
        sweep.plugins.load()
        remove_leftovers(sweep.folder.path)
        with sweep_log(sweep.folder):
            return _drive(sweep, open_pool, open_mirror, view, interrupt)


def _drive(
    sweep: Sweep, open_pool: OpenPool, open_mirror: OpenMirror, view: View, interrupt: Interrupt
) -> SweepOutcome:
    """Run a sweep whose lock this process has."""
    logger.info("sweep %s, experiment %s: started", sweep.spec.name, sweep.fingerprint[:12])
    reporter = Reporter(sweep, next((plan.name for plan in plans_of(sweep)), ""), open_mirror)
    gc.freeze()  # torch and Ray are no garbage: a collection over them takes 0.2 s; MLflow's import makes two
    failures: list[str] = []
    try:
        try:
            with open_pool(interrupt, view.say) as pool:
                interrupt.check()
                reporter.start()
                interrupt.check()
                driver = Driver(sweep, pool, view, reporter, interrupt)
                try:
                    driver.run()
                except KeyboardInterrupt:  # while the driver catches up
                    interrupt.requested = True
                failures = driver.failures
                if interrupt.requested:
                    reporter.interrupt()  # first: the sender of the signal may not wait for the rest
        finally:
            close_page(sweep.folder)
        comparison = _compare(sweep)
        if not interrupt.requested:
            reporter.finish(sweep.folder.comparison, {} if comparison is None else _metrics(comparison))
        interrupted = interrupt.requested  # a signal after this ends only the wait for the tracker
    except BaseException as error:
        logger.info("stopped by %s: %s", type(error).__name__, error)
        reporter.interrupt()
        raise
    finally:
        view.close()
        tracked = reporter.stop(_INTERRUPTED_SECONDS if interrupt.requested else _TRACKING_SECONDS)
        gc.unfreeze()
    end = "interrupted" if interrupted else f"ended with {len(failures)} failures"
    logger.info("sweep %s: %s", sweep.spec.name, end)
    return SweepOutcome(comparison, interrupted, tuple(failures), tracked)


def _compare(sweep: Sweep) -> Comparison | None:
    """Compare the finished trials; return None if no retraining has finished."""
    # Imported here, so that the first trials do not wait for the statistics and plot libraries.
    from aca_ray.sweep.comparing import compare_sweeps

    for order in all_orders(sweep):
        if isinstance(order, NetworkOrder):
            record = TrialRecord.read(order.folder)
            if record is not None and record.state == "finished":
                return compare_sweeps([sweep], sweep.folder.comparison)
    return None


def _metrics(comparison: Comparison) -> dict[str, float]:
    """Return the metrics of a comparison for the tracker."""
    from aca_ray.comparison import comparison_metrics

    return comparison_metrics(comparison)
