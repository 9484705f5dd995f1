"""The shell scripts, linted and run with fakes of the commands of a cluster."""

from __future__ import annotations

import configparser
import http.server
import os
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

DEPLOY = Path(__file__).parents[2] / "deploy"
SCRIPTS = sorted(path for path in DEPLOY.rglob("*") if path.is_file() and path.read_bytes().startswith(b"#!"))

each_script = pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)


class Commands:
    """A folder of fake commands for PATH; each logs its call before it runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "bin"
        self.folder.mkdir()
        self.log = folder / "calls"
        self.log.touch()

    def add(self, name: str, body: str = "") -> None:
        path = self.folder / name
        path.write_text(f'#!/bin/bash\necho "{name} $*" >>"{self.log}"\n{body}\n')
        path.chmod(0o755)

    def env(self, **variables: str) -> dict[str, str]:
        return {**os.environ, "PATH": f"{self.folder}:{os.environ['PATH']}", **variables}

    def calls(self) -> list[str]:
        return self.log.read_text().splitlines()

    def wait_for(self, line: str, times: int = 1) -> None:
        deadline = time.monotonic() + 20
        while self.calls().count(line) < times:
            assert time.monotonic() < deadline, f"{line!r} is not {times} times in {self.calls()}"
            time.sleep(0.02)


@pytest.fixture
def commands(tmp_path: Path) -> Commands:
    return Commands(tmp_path)


def test_all_scripts_are_here() -> None:
    assert {path.name for path in SCRIPTS} == {"make-secrets.sh", "mlflow-server.sh", "worker.sh", "sweep.sbatch"}


@each_script
def test_the_shell_can_read_it(script: Path) -> None:
    subprocess.run(["bash", "-n", script], check=True)
    assert os.access(script, os.X_OK)


@each_script
def test_shellcheck_finds_nothing(script: Path) -> None:
    if shutil.which("shellcheck") is None:
        pytest.skip("shellcheck is not installed: apt-get install shellcheck")
    found = subprocess.run(["shellcheck", script], capture_output=True, text=True)
    assert found.returncode == 0, found.stdout


def test_secrets_are_random_private_and_kept(tmp_path: Path) -> None:
    shutil.copy(DEPLOY / "compose" / "make-secrets.sh", tmp_path)
    run = [tmp_path / "make-secrets.sh"]
    subprocess.run(run, check=True)
    folder = tmp_path / "secrets"
    assert folder.stat().st_mode & 0o077 == 0
    first = {path.name: path.read_text() for path in folder.iterdir()}
    assert all((folder / name).stat().st_mode & 0o777 == 0o600 for name in first)
    credentials = configparser.ConfigParser()
    credentials.read_string(first.pop("mlflow_credentials"))
    assert credentials["mlflow"]["mlflow_tracking_password"] == first["mlflow_admin_password"]
    assert set(first) == {"ray_token", "postgres_password", "mlflow_admin_password", "mlflow_secret_key"}
    assert all(re.fullmatch("[0-9a-f]{64}", secret) for secret in first.values())
    assert len(set(first.values())) == 4
    subprocess.run(run, check=True)
    assert {name: (folder / name).read_text() for name in first} == first


def test_the_mlflow_server_shows_no_secret(commands: Commands, tmp_path: Path) -> None:
    for name in ("postgres_password", "mlflow_admin_password", "mlflow_secret_key"):
        (tmp_path / name).write_text(f"the {name}")
    commands.add("mlflow", 'echo "$PGPASSWORD, $MLFLOW_AUTH_ADMIN_PASSWORD, $MLFLOW_FLASK_SERVER_SECRET_KEY"')
    script = DEPLOY / "image" / "mlflow-server.sh"
    env = commands.env(SECRETS=str(tmp_path))
    served = subprocess.run([script, "mlflow:5000"], env=env, check=True, capture_output=True, text=True)
    assert served.stdout == "the postgres_password, the mlflow_admin_password, the mlflow_secret_key\n"
    (call,) = commands.calls()
    assert call.startswith("mlflow server --app-name basic-auth ")
    assert call.endswith(" --allowed-hosts mlflow:5000")
    assert "the " not in call
    (tmp_path / "mlflow_admin_password").unlink()
    assert subprocess.run([script, "mlflow:5000"], env=env, capture_output=True).returncode != 0
    assert subprocess.run([script], env=env, capture_output=True).returncode != 0


class Metadata(http.server.BaseHTTPRequestHandler):
    """The metadata services of AWS and Google, before and after a spot notice."""

    noticed = False

    def do_PUT(self) -> None:
        assert self.path == "/latest/api/token"
        self._answer(200, "the-token" if "X-aws-ec2-metadata-token-ttl-seconds" in self.headers else "")

    def do_GET(self) -> None:
        if self.path == "/latest/meta-data/spot/instance-action":
            known = self.headers["X-aws-ec2-metadata-token"] == "the-token"
            self._answer((200 if self.noticed else 404) if known else 401, '{"action": "terminate"}')
        elif self.path == "/computeMetadata/v1/instance/preempted" and self.headers["Metadata-Flavor"] == "Google":
            self._answer(200, "TRUE" if self.noticed else "FALSE")
        else:
            self._answer(403, "")

    def _answer(self, status: int, body: str) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def metadata() -> Iterator[tuple[str, type[Metadata]]]:
    handler = type("Handler", (Metadata,), {})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", handler
        server.shutdown()
        thread.join()


# Ray's head or worker, which drains on SIGTERM.
RAY_START = 'trap "echo drained >>$LOG; exit 0" TERM; echo up >>$LOG; while :; do sleep 0.05; done'


@pytest.mark.parametrize("cloud", ["aws", "gcp"])
def test_a_spot_notice_drains_the_worker(cloud: str, commands: Commands, metadata: tuple[str, type[Metadata]]) -> None:
    url, handler = metadata
    commands.add("ray", RAY_START)
    env = commands.env(METADATA_URL=url, POLL_SECONDS="0.1", LOG=str(commands.log))
    with subprocess.Popen([DEPLOY / "launcher" / "worker.sh", cloud, "--address=head:6379"], env=env) as worker:
        commands.wait_for("up")
        time.sleep(0.5)
        assert commands.calls() == ["ray start --block --address=head:6379", "up"]
        handler.noticed = True
        assert worker.wait(timeout=20) == 0
    assert commands.calls()[2:] == ["drained"]


def test_the_worker_refuses_an_unknown_cloud(commands: Commands) -> None:
    commands.add("ray")
    assert subprocess.run([DEPLOY / "launcher" / "worker.sh", "azure"], env=commands.env()).returncode == 2
    assert commands.calls() == []


# A driver that ends when the file `done` exists, or with the exit code of an interrupt on SIGTERM.
DRIVER = 'trap "exit 130" TERM; echo driving >>$LOG; until [ -e "$HOME/done" ]; do sleep 0.05; done'


@pytest.fixture
def slurm(commands: Commands, tmp_path: Path) -> dict[str, str]:
    """The environment of a job on two nodes, with fakes of Slurm, Ray and aca-ray."""
    commands.add("scontrol", 'if [ "$1" = show ]; then printf "node1\\nnode2\\n"; fi')
    commands.add("hostname", "echo 10.0.0.1")
    commands.add("srun", 'while [[ $1 == -* ]]; do [ "$1" = -w ] && shift; shift; done; exec "$@"')
    commands.add("ray", f'[ "$1" = health-check ] && exit; test -s "$RAY_AUTH_TOKEN_PATH" || exit 3; {RAY_START}')
    commands.add("aca-ray", DRIVER)
    return commands.env(
        HOME=str(tmp_path),
        LOG=str(commands.log),
        SLURM_JOB_NODELIST="node[1-2]",
        SLURM_JOB_ID="7",
        SLURM_CPUS_PER_TASK="16",
    )


def test_slurm_runs_the_sweep_on_all_nodes(commands: Commands, slurm: dict[str, str], tmp_path: Path) -> None:
    with subprocess.Popen([DEPLOY / "slurm" / "sweep.sbatch", "my sweep.yaml"], env=slurm) as job:
        commands.wait_for("up", times=2)
        commands.wait_for("aca-ray run my sweep.yaml --address 10.0.0.1:6379")
        (tmp_path / "done").touch()
        assert job.wait(timeout=20) == 0
    calls = commands.calls()
    steps = [call for call in calls if call.startswith("srun") and "ray start" in call]
    assert len(steps) == 2
    assert any("-w node1 ray start --block --num-cpus=16 --head" in step for step in steps)
    assert any("-w node2 ray start --block --num-cpus=16 --address=10.0.0.1:6379" in step for step in steps)
    assert calls.count("drained") == 2
    assert "scontrol requeue 7" not in calls
    assert list(tmp_path.glob(".aca-ray-token*")) == []


def test_slurm_requeues_an_unfinished_sweep(commands: Commands, slurm: dict[str, str], tmp_path: Path) -> None:
    with subprocess.Popen([DEPLOY / "slurm" / "sweep.sbatch", "sweep.yaml"], env=slurm) as job:
        commands.wait_for("up", times=2)
        commands.wait_for("driving")
        job.send_signal(signal.SIGUSR1)
        assert job.wait(timeout=20) == 130
    assert commands.calls()[-1] == "scontrol requeue 7"
    assert commands.calls().count("drained") == 2
    assert list(tmp_path.glob(".aca-ray-token*")) == []
