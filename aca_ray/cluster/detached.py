"""Starting Ray's processes on this machine detached, so that signals reach only the driver."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from ray._private import services

from aca_ray.cluster.watcher import Watcher


@contextmanager
def detached(watcher: Watcher) -> Iterator[None]:
    """Make Ray start its processes in their own sessions, with SIGTERM and SIGHUP blocked, while the block runs.

    Ctrl-C, a closed terminal and `kill -- -GROUP` signal the driver's process group; systemd and Slurm signal all
    processes of the service or the job. Trials can be saved only if Ray's processes survive these signals. Their child
    processes, workers among them, inherit session and signal mask.

    Args:
        watcher: ends them with the driver.
    """

    class Detached(services.ConsolePopen):
        def __init__(
            self, command: Sequence[str], *, env: Mapping[str, str], preexec_fn: Callable[[], None], **options: Any
        ) -> None:
            def detach() -> None:
                preexec_fn()  # blocks SIGINT, and binds the process to the driver
                signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGHUP})

            env = {**env, **watcher.environment}
            super().__init__(command, env=env, preexec_fn=detach, start_new_session=True, **options)
            watcher.add_session(self.pid)

        def terminate(self) -> None:
            """Kill the process at once, since SIGTERM would not reach it."""
            self.kill()

    module: Any = services  # Ray has no public way to change how it starts its processes
    plain = services.ConsolePopen
    module.ConsolePopen = Detached
    try:
        yield
    finally:
        module.ConsolePopen = plain
