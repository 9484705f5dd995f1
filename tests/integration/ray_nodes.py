"""A Ray cluster of several nodes on this machine; each node can be drained and killed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from services import Redis, free_ports

# With its own namespaces a node is like a machine: it has a name, sees no process of another node, and all of its
# processes end with the first one.
OWN_NAMESPACES = ["unshare", "--pid", "--uts", "--fork", "--mount-proc", "--kill-child"]
CAN_UNSHARE = bool(
    shutil.which("unshare") and not subprocess.run([*OWN_NAMESPACES, "true"], stderr=subprocess.DEVNULL).returncode
)

# Ray checks for dead nodes at long intervals, meant for production; the head reads these shorter ones.
IMPATIENCE = {
    "RAY_health_check_initial_delay_ms": "1000",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "2000",
    "RAY_health_check_failure_threshold": "3",
}


@dataclass
class RayNode:
    """A node: namespaces in which `ray start --block` runs.

    Attributes:
        name: name of the host.
        outer: process that created the namespaces.
    """

    name: str
    outer: subprocess.Popen[bytes]

    def find(self, title: str) -> list[int]:
        """Return the ids, outside the namespaces, of the node's processes with a word in their title."""
        return [pid for pid in _below(self.outer.pid) if title in _title(pid)]

    @property
    def starter(self) -> int:
        """The process id of `ray start`."""
        return self.find("bin/ray start")[0]

    def enter(self, folder: Path) -> list[str]:
        """Return the first words of a command that runs on the node, in a folder."""
        return ["nsenter", f"--target={self.starter}", "--pid", "--uts", "--mount", f"--wd={folder}"]

    def vanish(self) -> None:
        """Kill the node with all its processes, without notice."""
        os.kill(self.starter, signal.SIGKILL)  # the first of its namespace
        self.outer.wait(timeout=180)

    def kill_raylet(self) -> None:
        """Kill the process that represents the node."""
        os.kill(self.find("raylet/raylet")[0], signal.SIGKILL)

    def drain(self) -> None:
        """Send the node the signal that Kubernetes, Slurm and deploy/launcher/worker.sh send."""
        os.kill(self.starter, signal.SIGTERM)

    def gone(self) -> bool:
        """Return whether all processes of the node have ended."""
        return self.outer.poll() is not None


@dataclass
class RayCluster:
    """A head that runs no trials, and nodes that do.

    Attributes:
        folder: folder of all Ray files; a short path, since paths of sockets have at most 107 characters.
        environment: environment of all processes.
        redis: store of the head's state, or None.
    """

    folder: Path
    environment: Mapping[str, str]
    redis: Redis | None = None
    port: int = field(default_factory=lambda: free_ports(1)[0])
    nodes: list[RayNode] = field(default_factory=list)

    @property
    def address(self) -> str:
        """Address of the cluster."""
        return f"127.0.0.1:{self.port}"

    def start_head(self) -> None:
        """Start or restart the head."""
        arguments = ["--head", f"--port={self.port}", "--num-cpus=0", "--include-dashboard=false"]
        environment = {}
        if self.redis is not None:
            environment["RAY_REDIS_ADDRESS"] = self.redis.address
            arguments.append(f"--redis-password={self.redis.password}")
        self.head = self._start("head", arguments, environment)

    def start_node(self) -> RayNode:
        """Start a node with room for one trial."""
        arguments = [f"--address={self.address}", "--num-cpus=1"]
        self.nodes.append(self._start(f"n{len(self.nodes) + 1}", arguments, {}))
        return self.nodes[-1]

    def num_alive(self) -> int:
        """Return how many nodes are alive according to the head, including itself; 0 if it does not answer."""
        script = (
            f"from ray._raylet import GcsClient; client = GcsClient(address='{self.address}')\n"
            "print(sum(node.state == 0 for node in client.get_all_node_info(timeout=5).values()))"
        )
        answer = subprocess.run(
            [sys.executable, "-c", script], env=self.environment, capture_output=True, text=True, check=False
        )
        return int(answer.stdout.split()[-1]) if answer.returncode == 0 else 0

    def wait(self, num_nodes: int, seconds: float = 120.0) -> None:
        """Wait until `num_nodes` nodes are alive, including the head."""
        end = time.monotonic() + seconds
        while (found := self.num_alive()) != num_nodes:
            assert time.monotonic() < end, f"{found} nodes instead of {num_nodes}; see {self.folder}/output-*.txt"
            time.sleep(0.5)

    def _start(self, name: str, arguments: list[str], more: Mapping[str, str]) -> RayNode:
        command = [
            *(*OWN_NAMESPACES, "sh", "-c", 'hostname "$0" && exec "$@"', name),
            *(str(Path(sys.executable).with_name("ray")), "start", "--block", "--disable-usage-stats"),
            *("--node-ip-address=127.0.0.1", f"--temp-dir={self.folder / name}", "--object-store-memory=100000000"),
            *("--min-worker-port=0", "--max-worker-port=0", *arguments),
        ]
        environment = {**self.environment, **IMPATIENCE, **more}
        with open(self.folder / f"output-{name}.txt", "ab") as output:
            outer = subprocess.Popen(command, env=environment, stdout=output, stderr=output, cwd=self.folder)
        return RayNode(name, outer)


def _below(pid: int) -> Iterator[int]:
    """Yield all descendants of a process."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            children.setdefault(parent, []).append(int(entry.name))
    waiting = list(children.get(pid, []))
    while waiting:
        found = waiting.pop(0)
        yield found
        waiting += children.get(found, [])


def _title(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""
