"""Sweeps as jobs of Ray's job server, submitted from machines outside the cluster."""

from __future__ import annotations

import asyncio
import logging
import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from ray.job_submission import JobSubmissionClient

import aca_ray
from aca_ray.cluster.uploads import require_small
from aca_ray.config import SweepSpec
from aca_ray.errors import ConfigError, SweepError
from aca_ray.plugins import not_in_folder

ANSWER_SECONDS = 60.0  # to wait for an answer of the job server
STOP_SECONDS = 120  # Ray's own 3 seconds are too few for trials to save
_EXCLUDES = ["/results/"]  # default folder of the sweeps that ran on this machine


def submit(path: Path, spec: SweepSpec, address: str) -> str:
    """Submit a sweep to a cluster, with this package and the spec's folder, and return the job id.

    Submitting a sweep again resumes it.

    Args:
        path: path of the spec.
        spec: content of the spec.
        address: URL of the job server, such as http://HEAD:8265.

    Raises:
        ConfigError: the sweep would write its results into the job's working directory, which Ray deletes; or plug-ins
            are files outside of the spec's folder, which is what is uploaded; or a folder is too large to be uploaded.
        SweepError: the job server does not answer, or refuses.
    """
    storage = spec.runtime.storage
    if "://" not in storage and not Path(storage).is_absolute():
        raise ConfigError(
            f"runtime.storage: must be absolute in a job, whose working directory is a copy that Ray deletes; found "
            f"{storage!r}. Give the path of a folder that all nodes mount, or the URI of an object store"
        )
    folder = path.resolve().parent
    packages, problems = not_in_folder(spec.experiment.plugins, folder)
    if problems:
        raise ConfigError(f"experiment.plugins: {problem}" for problem in problems)
    require_small(folder, _EXCLUDES, "the folder of the spec")
    for package in packages:
        require_small(package, _EXCLUDES, "the package of a plug-in")
    with _job_server(address) as client:
        taken = {job.submission_id for job in client.list_jobs()}
        attempt = next(n for n in range(1, len(taken) + 2) if f"{spec.name}-{n}" not in taken)
        return client.submit_job(
            entrypoint=shlex.join(["python", "-m", "aca_ray.cli", "run", path.name]),
            submission_id=f"{spec.name}-{attempt}",
            metadata={"sweep": spec.name},
            runtime_env={
                "working_dir": str(folder),
                "excludes": _EXCLUDES,
                "py_modules": [str(Path(aca_ray.__file__).parent), *map(str, packages)],
                "env_vars": {"RAY_JOB_STOP_WAIT_TIME_S": str(STOP_SECONDS)},
            },
        )


def write_logs(job: str, address: str, follow: bool, stream: TextIO) -> None:
    """Write the output of a job so far to a stream or, with `follow`, its output until it ends.

    Raises:
        SweepError: the job server does not answer, or does not know the job.
    """

    async def write_tail(client: JobSubmissionClient) -> None:
        async for text in client.tail_job_logs(job):
            stream.write(text)
            stream.flush()

    with _job_server(address) as client:
        if follow:
            client.get_job_status(job)  # the tail of an unknown job is empty and raises nothing
            asyncio.run(write_tail(client))
        else:
            stream.write(client.get_job_logs(job))


def stop(job: str, address: str) -> str:
    """Make a job save its trials and end, wait for its end, and return its final Ray status.

    Raises:
        SweepError: the job server does not answer, does not know the job, or cannot end it in time.
    """
    with _job_server(address) as client:
        client.stop_job(job)
        end = time.monotonic() + STOP_SECONDS + 30
        while not (status := client.get_job_status(job)).is_terminal():
            if time.monotonic() > end:
                raise SweepError(f"job {job}: is still {status.value} after {STOP_SECONDS + 30} s; see its logs")
            time.sleep(0.5)
        return str(status.value)


def job_lines(address: str) -> list[str]:
    """Return a line per sweep of the job server, the newest first: id, Ray status, start time.

    Raises:
        SweepError: the job server does not answer.
    """
    with _job_server(address) as client:
        jobs = [job for job in client.list_jobs() if "sweep" in (job.metadata or {})]
    jobs.sort(key=lambda job: job.start_time or 0, reverse=True)
    return [f"{job.submission_id}  {job.status.value}  {_moment(job.start_time)}" for job in jobs]


def _moment(milliseconds: int | None) -> str:
    return "-" if milliseconds is None else time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(milliseconds / 1000))


@contextmanager
def _job_server(address: str) -> Iterator[JobSubmissionClient]:
    for handler in logging.getLogger("ray").handlers:  # its upload loggers have their own levels
        handler.setLevel(logging.WARNING)
    try:
        yield _BoundedClient(address)
    except (OSError, RuntimeError, ValueError) as error:
        raise SweepError(
            f"--address: the job server at {address} does not answer, or refuses ({error}). The address is that of the "
            "cluster's dashboard, such as http://HEAD:8265"
        ) from error


class _BoundedClient(JobSubmissionClient):
    """A client whose requests time out; those of Ray's own client wait forever."""

    def _do_request(self, method: str, endpoint: str, **arguments: Any) -> Any:
        return super()._do_request(method, endpoint, **{"timeout": ANSWER_SECONDS, **arguments})
