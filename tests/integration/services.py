"""Real servers for sweeps: Redis, PostgreSQL and MLflow, each on a free port of 127.0.0.1."""

from __future__ import annotations

import os
import random
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

import pytest

PORTS = range(20_000, 32_000)  # below the ephemeral ports


def free_ports(count: int) -> list[int]:
    """Return unused ports of 127.0.0.1, none of them ephemeral.

    Ray's servers share ports with their present users, and a driver whose port another cluster took would lose its
    actors.
    """
    found: list[int] = []
    while len(found) < count:
        (port,) = random.sample(PORTS, 1)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        found += [] if port in found else [port]
    return found


@dataclass
class Service(ABC):
    """A server in separate processes, which can be restarted with the same port and data.

    Attributes:
        folder: folder of its data, secrets and output.
        environment: environment of its processes; `SweepProcess.environment()` marks them for the clean-up.
    """

    folder: Path
    environment: Mapping[str, str]
    port: int = field(default_factory=lambda: free_ports(1)[0])
    password: str = field(default_factory=lambda: secrets.token_hex(16))

    END: ClassVar[signal.Signals] = signal.SIGTERM
    USER: ClassVar[str | None] = None

    def start(self, seconds: float = 300.0) -> None:
        """Start the server and wait until it answers; skip the test if it is not installed."""
        command = self.command()
        log = self.folder / "output.txt"
        with open(log, "a") as output:
            self.process = subprocess.Popen(
                command,
                cwd=self.folder,
                env={**self.environment, **self.variables()},
                user=self.USER,
                group=self.USER,
                extra_groups=None if self.USER is None else [],
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        end = time.monotonic() + seconds
        while not self.answers():
            assert self.process.poll() is None, f"{command[0]} ended:\n{log.read_text()}"
            assert time.monotonic() < end, f"{command[0]} does not answer after {seconds:g} s:\n{log.read_text()}"
            time.sleep(0.1)

    def stop(self) -> None:
        """Shut the server down and wait for its end."""
        self.process.send_signal(self.END)
        self.process.wait(timeout=180)

    def kill(self) -> None:
        """Kill the server and its child processes."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(timeout=180)

    def variables(self) -> dict[str, str]:
        """Return the environment variables of the server."""
        return {}

    @abstractmethod
    def command(self) -> list[str]:
        """Prepare the files of the server and return the command that starts it."""

    @abstractmethod
    def answers(self) -> bool:
        """Return whether the server answers requests."""


@dataclass
class Redis(Service):
    """A Redis with a password, whose data survives SIGKILL."""

    @property
    def address(self) -> str:
        """Address in the form of RAY_REDIS_ADDRESS."""
        return f"127.0.0.1:{self.port}"

    def command(self) -> list[str]:
        program = _installed("redis-server")
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / "redis.conf"
        lines = [
            "bind 127.0.0.1",
            f"port {self.port}",
            f"requirepass {self.password}",
            "appendonly yes",
            "set-proc-title no",  # a title would overwrite the environment with its mark
        ]
        file.touch(mode=0o600)
        file.write_text("\n".join(lines))
        return [program, str(file)]

    def answers(self) -> bool:
        environment = {**self.environment, "REDISCLI_AUTH": self.password}
        ping = ["redis-cli", "-h", "127.0.0.1", "-p", str(self.port), "ping"]
        return subprocess.run(ping, env=environment, capture_output=True, text=True).stdout == "PONG\n"


@dataclass
class Postgres(Service):
    """A PostgreSQL with a user `aca` and a password.

    Started by root, it runs as the user postgres, who needs access to its folder; pytest's own folders deny it.
    """

    END = signal.SIGINT  # SIGTERM would wait for its clients
    USER = "postgres" if os.geteuid() == 0 else None

    @property
    def uri(self) -> str:
        """URI for MLflow; the password is in PGPASSWORD."""
        return f"postgresql+psycopg2://aca@127.0.0.1:{self.port}/postgres"

    def command(self) -> list[str]:
        programs = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)
        if programs is None:
            pytest.skip("PostgreSQL is not installed (/usr/lib/postgresql)")
        data = self.folder / "data"
        if not data.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            password = self.folder / "password"
            password.touch(mode=0o600)
            password.write_text(self.password)
            if self.USER:
                for path in (self.folder, password):
                    shutil.chown(path, self.USER, self.USER)
            create = [
                *(str(programs / "initdb"), f"--pgdata={data}", "--username=aca", "--auth=scram-sha-256"),
                *(f"--pwfile={password}", "--no-sync", "--encoding=UTF8", "--no-locale"),
            ]
            subprocess.run(
                create, cwd=self.folder, user=self.USER, group=self.USER, check=True, stdout=subprocess.DEVNULL
            )
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": "",
            "fsync": "off",
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return [str(programs / "postgres"), "-D", str(data), *options]

    def create(self, name: str) -> str:
        """Create another database and return its URI."""
        variables = {**self.environment, "PGPASSWORD": self.password}
        where = ["--host=127.0.0.1", f"--port={self.port}", "--username=aca"]
        subprocess.run(["createdb", *where, name], env=variables, check=True)
        return f"{self.uri.rpartition('/')[0]}/{name}"

    def answers(self) -> bool:
        ready = ["pg_isready", "--quiet", "--host=127.0.0.1", f"--port={self.port}"]
        return subprocess.run(ready).returncode == 0


@dataclass
class MlflowServer(Service):
    """An MLflow server with its artifacts in its folder.

    Attributes:
        backend: URI of its database, with the password in the environment; None for an SQLite file in its folder.
        users: whether it requires a login; the password of `admin` is `password`.
        hosts: accepted Host headers; empty for MLflow's default.
    """

    backend: str | None = None
    users: bool = False
    hosts: tuple[str, ...] = ()

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client_variables(self) -> dict[str, str]:
        """Return the environment variables with which a client logs in."""
        if not self.users:
            return {}
        return {"MLFLOW_TRACKING_USERNAME": "admin", "MLFLOW_TRACKING_PASSWORD": self.password}

    def variables(self) -> dict[str, str]:
        shared = {
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "MLFLOW_SQLALCHEMYSTORE_POOL_SIZE": "20",
            "MLFLOW_SQLALCHEMYSTORE_MAX_OVERFLOW": "20",
        }
        if not self.users:
            return shared
        return {
            **shared,
            "MLFLOW_AUTH_CONFIG_PATH": str(self.folder / "auth.ini"),
            "MLFLOW_AUTH_ADMIN_PASSWORD": self.password,
            "MLFLOW_FLASK_SERVER_SECRET_KEY": secrets.token_hex(16),
        }

    def command(self) -> list[str]:
        self.folder.mkdir(parents=True, exist_ok=True)
        users: list[str] = []
        if self.users:
            if find_spec("flask_wtf") is None:
                pytest.skip("MLflow's users are not installed (mlflow[auth])")
            (self.folder / "auth.ini").write_text(
                f"[mlflow]\ndefault_permission = READ\nadmin_username = admin\n"
                f"database_uri = sqlite:///{self.folder}/users.db\n"
            )
            users = ["--app-name", "basic-auth"]
        return [
            *(sys.executable, "-m", "mlflow", "server", *users),
            *("--host", "127.0.0.1", "--port", str(self.port), "--workers", "1"),
            *("--backend-store-uri", self.backend or f"sqlite:///{self.folder}/mlflow.db"),
            *("--serve-artifacts", "--artifacts-destination", (self.folder / "artifacts").as_uri()),
            *(("--allowed-hosts", ",".join(self.hosts)) if self.hosts else ()),
        ]

    def answers(self) -> bool:
        return is_healthy(self.uri)


def is_healthy(server: str) -> bool:
    """Return whether MLflow answers at an address."""
    try:
        with urllib.request.urlopen(f"{server}/health", timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False


def _installed(program: str) -> str:
    """Return the path of a program; skip the test if it is not installed."""
    path = shutil.which(program)
    if path is None:
        pytest.skip(f"{program} is not installed")
    return path
