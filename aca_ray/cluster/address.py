"""A check within seconds that a Ray cluster answers at an address. Ray itself retries for minutes or forever."""

from __future__ import annotations

import os
import re
import socket

from aca_ray.errors import SweepError

CONNECT_SECONDS = 10.0


def require_cluster(address: str) -> None:
    """Raise an error unless a Ray cluster answers at an address.

    Args:
        address: host:port, or auto for the cluster that Ray finds on this machine.

    Raises:
        SweepError: no cluster is found, or none answers there.
    """
    found = _resolved(address)
    host, _, port = found.rpartition(":")
    place = found if found == address else f"{found}, to which Ray resolves {address}"
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_SECONDS).close()
    except (OSError, OverflowError, UnicodeError) as error:
        private = "" if found == address else ". It may be another sweep's private Ray, which no other process can join"
        raise SweepError(
            f"address: no Ray cluster answers at {place} ({error}){private}. Correct the address, start a cluster with "
            "`ray start --head`, or leave the address out to start a private Ray on this machine"
        ) from error
    if not _speaks_grpc(found):
        raise SweepError(
            f"address: the server at {place} is not a Ray cluster, or its TLS settings differ: no answer within "
            f"{CONNECT_SECONDS:g} s. Give the port of `ray start --head` (6379 by default), not that of the dashboard"
        )


def _resolved(address: str) -> str:
    """Return the host:port to which Ray resolves an address; auto and this machine's loopback become another one."""
    from ray._private.services import canonicalize_bootstrap_address

    if address == "auto":
        if os.environ.get("RAY_ADDRESS") == "auto":
            raise SweepError("RAY_ADDRESS: must be the host:port of a running Ray cluster, found 'auto'; unset it")
    elif not re.fullmatch(r".+:\d+", address):
        raise SweepError(f"address: must be the host:port of a running Ray cluster, or auto; found {address!r}")
    try:
        return str(canonicalize_bootstrap_address(address))
    except (OSError, ValueError) as error:
        raise SweepError(
            f"address: Ray finds no cluster for {address} ({error}). Start one with `ray start --head`, or leave the "
            "address out to start a private Ray on this machine"
        ) from error


def _speaks_grpc(address: str) -> bool:
    """Return whether a server answers in gRPC, the protocol of Ray's processes."""
    import grpc  # type: ignore[import-untyped]
    from ray._private.grpc_utils import init_grpc_channel

    channel = init_grpc_channel(address, options=[("grpc.enable_http_proxy", 0)])
    try:
        grpc.channel_ready_future(channel).result(timeout=CONNECT_SECONDS)
    except grpc.FutureTimeoutError:
        return False
    finally:
        channel.close()
    return True
