"""Observation of the processes of a sweep from outside: command lines and open ports."""

from __future__ import annotations

import ipaddress
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conftest import SweepProcess

_LISTENS = "0A"


@dataclass
class Seen:
    """The observations so far.

    Attributes:
        command_lines: command lines of all processes.
        open_ports: processes that listen on addresses reachable from other machines, by title, with these addresses.
    """

    command_lines: set[str] = field(default_factory=set)
    open_ports: dict[str, set[str]] = field(default_factory=dict)

    def look(self, process: SweepProcess) -> None:
        """Add the present state of the processes."""
        listening = _listening()
        for pid in process.processes():
            folder = Path("/proc", str(pid))
            try:
                words = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
                links = [str(link.readlink()) for link in (folder / "fd").iterdir()]
            except OSError:  # it has ended
                continue
            self.command_lines.add(" ".join(words))
            for address in filter(None, map(listening.get, links)):
                if not address.is_loopback:
                    self.open_ports.setdefault(Path(words[0]).name, set()).add(str(address))


@contextmanager
def observed(process: SweepProcess, seconds: float = 0.5) -> Iterator[Seen]:
    """Yield observations of the processes of a sweep, updated every `seconds`."""
    seen, done = Seen(), threading.Event()

    def watch() -> None:
        while not done.wait(seconds):
            seen.look(process)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        done.set()
        thread.join()


def files_with(secrets: Mapping[str, str], folder: Path) -> list[tuple[str, str]]:
    """Return the names of secrets with the paths of the files below a folder that contain them."""
    return [
        (name, str(path.relative_to(folder)))
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink()
        for name, secret in secrets.items()
        if secret.encode() in path.read_bytes()
    ]


def _listening() -> dict[str, ipaddress.IPv4Address | ipaddress.IPv6Address]:
    """Return the addresses of listening sockets, by the name of the socket in /proc/PID/fd."""
    found: dict[str, ipaddress.IPv4Address | ipaddress.IPv6Address] = {}
    for table in ("tcp", "tcp6"):
        for line in Path("/proc/net", table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == _LISTENS:
                words = re.findall(".{8}", fields[1].partition(":")[0])  # 32 bits each, in the machine's byte order
                address = ipaddress.ip_address(b"".join(bytes.fromhex(word)[::-1] for word in words))
                found[f"socket:[{fields[9]}]"] = getattr(address, "ipv4_mapped", None) or address
    return found
