"""Addresses where no cluster answers are refused within seconds, whatever listens there."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from aca_ray.errors import SweepError
from aca_ray.sweep import address
from aca_ray.sweep.address import require_cluster


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a server that takes connections and says nothing."""
    with socket.create_server(("", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize("text", ["head", "head:", "head:port", ":", "head:6379x"])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(SweepError, match=r"^address: must be the host:port"):
        require_cluster(text)


@pytest.mark.parametrize("text", ["127.0.0.1:1", "127.0.0.1:99999", "[::1]:1", "no-such-host.invalid:6379"])
def test_nothing_answers(text: str) -> None:
    with pytest.raises(SweepError, match=r"^address: no Ray cluster answers at .*ray start --head"):
        require_cluster(text)


def test_what_listens_is_no_ray(silent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(address, "CONNECT_SECONDS", 0.3)
    with pytest.raises(SweepError, match=r"^address: what listens at .* is no Ray cluster"):
        require_cluster(silent)


def test_a_server_that_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    server = grpc.server(ThreadPoolExecutor(1))
    port = server.add_insecure_port("0.0.0.0:0")
    server.start()
    require_cluster(f"127.0.0.1:{port}")
    monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{port}")  # which is what Ray takes `auto` for
    require_cluster("auto")
    server.stop(None).wait()
    with pytest.raises(SweepError, match=r"which Ray takes auto for .*another sweep's own Ray"):
        require_cluster("auto")


def test_auto_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "auto")
    with pytest.raises(SweepError, match=r"^RAY_ADDRESS: must be the host:port"):
        require_cluster("auto")
