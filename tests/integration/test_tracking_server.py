"""Sweeps with an MLflow server with users on PostgreSQL: outages, and the secrecy of passwords."""

from __future__ import annotations

import secrets
import signal
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from mlflow import MlflowClient
from observing import Seen, files_with, observed
from services import MlflowServer, Postgres, free_ports, is_healthy

if TYPE_CHECKING:
    from conftest import SweepProcess

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1200)]

SPEC = """
name: small
experiment:
  methods: darts
  skip: searched
  data: {{name: digits, max_train_images: 128, max_test_images: 32}}
  seeds: 0
  epochs: {epochs}
  network: {{channels: 4, cells: 3}}
  batch_size: 16
  retraining: {{protocol: small}}
runtime: {{tracking: "{tracking}"}}
"""


@pytest.fixture(scope="module")
def database(servers: SweepProcess) -> Postgres:
    made = Postgres(servers.folder / "postgres", servers.environment())
    made.start()
    return made


@pytest.fixture(scope="module")
def server(servers: SweepProcess, database: Postgres) -> MlflowServer:
    environment = {**servers.environment(), "PGPASSWORD": database.password}
    made = MlflowServer(servers.folder / "mlflow", environment, backend=database.uri, users=True)
    made.start()
    return made


@pytest.fixture(scope="module")
def known(servers: SweepProcess, server: MlflowServer, database: Postgres) -> Iterator[dict[str, str]]:
    """The secrets in the environment of the sweeps."""
    given = {
        **server.client_variables(),
        "PGPASSWORD": database.password,
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "AWS_SECRET_ACCESS_KEY": secrets.token_hex(20),
    }
    with pytest.MonkeyPatch.context() as environment:
        for name, value in {**given, "RAY_AUTH_MODE": "token", "RAY_TMPDIR": str(servers.folder)}.items():
            environment.setenv(name, value)
        yield {name: value for name, value in given.items() if name != "MLFLOW_TRACKING_USERNAME"}


@pytest.fixture(scope="module")
def survived(servers: SweepProcess, server: MlflowServer, known: dict[str, str]) -> tuple[SweepProcess, Seen]:
    """A sweep during which the server was killed and restarted, and the observations of its processes."""
    write_spec(servers, server.uri)
    with observed(servers) as seen:
        running = servers.start("run", "spec.yaml")
        servers.wait_for_epoch("search", 1)
        server.kill()
        servers.wait_for(lambda: "MLflow cannot be reached" in servers.output())
        server.start()
        assert running.wait(timeout=600) == 0, servers.output()
    return servers, seen


def write_spec(process: SweepProcess, tracking: str, epochs: int = 12) -> None:
    (process.folder / "spec.yaml").write_text(SPEC.format(tracking=tracking, epochs=epochs))
    process.tracking = tracking


def test_a_restarted_server_has_everything_once(survived: tuple[SweepProcess, Seen]) -> None:
    sweep, _ = survived
    assert "MLflow can be reached again" in sweep.output()
    sweep.check_tracked_once()


def test_no_secret_is_written_or_shown(
    survived: tuple[SweepProcess, Seen], server: MlflowServer, database: Postgres, known: dict[str, str]
) -> None:
    sweep, seen = survived
    assert any("ray::" in line for line in seen.command_lines)
    assert [(name, line) for name, secret in known.items() for line in seen.command_lines if secret in line] == []
    assert "mlflow" in {path.name for path in sweep.folder.iterdir()}  # MLflow's database and artifacts lie there
    assert files_with(known, sweep.folder) == [("PGPASSWORD", "postgres/password")]


def test_ray_of_a_local_run_listens_on_loopback_alone(survived: tuple[SweepProcess, Seen]) -> None:
    _, seen = survived
    assert seen.open_ports == {}


def test_an_unreachable_server_at_the_end(process: SweepProcess, server: MlflowServer, known: dict[str, str]) -> None:
    client = MlflowClient(server.uri)
    if (earlier := client.get_experiment_by_name("small")) is not None:
        client.rename_experiment(earlier.experiment_id, "earlier")
    write_spec(process, server.uri, epochs=4)
    running = process.start("run", "spec.yaml")
    process.wait_for_epoch("search", 1)
    server.kill()
    process.wait_for(lambda: "120 s for MLflow" in process.output())
    running.send_signal(signal.SIGINT)
    assert running.wait(timeout=180) == 0, process.output()
    assert "aca-ray resume small" in process.output()
    server.start()
    code, output = process.run("resume", "small")
    assert code == 0, output
    process.check_tracked_once()


def test_a_database_without_a_server(
    survived: tuple[SweepProcess, Seen], database: Postgres, known: dict[str, str]
) -> None:
    """A finished sweep is logged again to a new store."""
    sweep, _ = survived
    write_spec(sweep, database.create("direct"))
    code, output = sweep.run("run", "spec.yaml")
    assert code == 0, output
    sweep.check_tracked_once()
    assert not (sweep.folder / "mlruns").exists()


def test_a_wrong_password_ends_the_sweep_before_it_starts(
    process: SweepProcess, server: MlflowServer, known: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also, the token that Ray creates if none is set is readable only by the user."""
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", wrong := secrets.token_hex(16))
    monkeypatch.setenv("HOME", str(process.folder))
    monkeypatch.delenv("RAY_AUTH_TOKEN")
    monkeypatch.delenv("RAY_AUTH_MODE")
    write_spec(process, server.uri)
    code, output = process.run("run", "spec.yaml")
    assert code == 1, output
    assert f"runtime.tracking: MLflow at {server.uri} refused" in output
    assert "'small'" in output
    assert "401" in output
    assert "MLFLOW_TRACKING_PASSWORD" in output
    assert wrong not in output
    assert process.records() == []
    token = (process.folder / ".ray" / "auth_token").stat()
    assert (token.st_size, token.st_mode & 0o777) == (64, 0o600)


def test_a_foreign_host_header_is_refused(server: MlflowServer, known: dict[str, str]) -> None:
    request = urllib.request.Request(f"{server.uri}/api/2.0/mlflow/experiments/search", headers={"Host": "evil.test"})
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(request, timeout=10)


def test_the_pages_are_served_on_loopback_alone(process: SweepProcess) -> None:
    (process.folder / "results").mkdir()
    (port,) = free_ports(1)
    process.start("ui", "--port", str(port))
    process.wait_for(lambda: is_healthy(f"http://127.0.0.1:{port}"))
    seen = Seen()
    seen.look(process)
    assert any("uvicorn" in line for line in seen.command_lines)
    assert seen.open_ports == {}
