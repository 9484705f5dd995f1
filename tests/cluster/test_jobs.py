"""Requests to a job server that does not answer time out."""

from __future__ import annotations

import socket

import pytest

from aca_ray.cluster import jobs
from aca_ray.errors import SweepError


def test_a_silent_server_times_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "ANSWER_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(SweepError, match=rf"^--address: .*{address} does not answer"):
            jobs.job_lines(address)
