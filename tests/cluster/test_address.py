"""Addresses without a Ray cluster are refused within seconds, also if another server listens there."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from aca_ray.cluster import address
from aca_ray.cluster.address import require_cluster
from aca_ray.errors import SweepError


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a server that accepts connections and sends nothing."""
    with socket.create_server(("", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize("text", ["head", "head:", "head:port", ":", "head:6379x"])
def test_invalid_addresses(text: str) -> None:
    with pytest.raises(SweepError, match=r"^address: must be the host:port"):
        require_cluster(text)


@pytest.mark.parametrize("text", ["127.0.0.1:1", "127.0.0.1:99999", "[::1]:1", "no-such-host.invalid:6379"])
def test_nothing_answers(text: str) -> None:
    with pytest.raises(SweepError, match=rf"^address: no Ray cluster .*{re.escape(text)} .*ray start --head"):
        require_cluster(text)


def test_another_server_is_not_ray(silent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(address, "CONNECT_SECONDS", 0.3)
    with pytest.raises(SweepError, match=f"^address: .*{silent}.*Ray cluster.*port of `ray start --head`"):
        require_cluster(silent)


def test_a_server_that_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    server = grpc.server(ThreadPoolExecutor(1))
    port = server.add_insecure_port("0.0.0.0:0")
    server.start()
    require_cluster(f"127.0.0.1:{port}")
    monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{port}")  # to which Ray resolves `auto`
    require_cluster("auto")
    server.stop(None).wait()
    with pytest.raises(SweepError, match=rf"^address: .*:{port}, .* auto .*another sweep"):
        require_cluster("auto")


def test_auto_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "auto")
    with pytest.raises(SweepError, match=r"^RAY_ADDRESS: must be the host:port"):
        require_cluster("auto")
