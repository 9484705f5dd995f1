"""A Ray cluster of two nodes: sweeps that join it, its doctor, and sweeps and plug-ins submitted to its job server."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shlex
import shutil
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from services import free_ports

if TYPE_CHECKING:
    from conftest import SweepProcess

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1200)]

# In a mount namespace with a different folder at the same path, a node is equivalent to another machine.
OWN_MOUNTS = ["unshare", "--mount"]
CAN_UNSHARE = (
    shutil.which("unshare") and subprocess.run([*OWN_MOUNTS, "true"], stderr=subprocess.DEVNULL).returncode == 0
)

SPEC = """
name: small
experiment:
  methods: darts
  skip: searched
  data: {{name: digits, max_train_images: 64, max_test_images: 32}}
  seeds: 0
  epochs: {epochs}
  network: {{channels: 4, cells: 3}}
  batch_size: 16
  retraining: {{protocol: small}}
runtime: {{storage: {storage}, accelerator_type: H100}}
"""

PLUGIN = Path(__file__).parents[2] / "experiments" / "plugins" / "tempered_darts.py"
RANKER = """
import torch
from aca_ray.channels.rankers import FixedScores, Ranker

first = Ranker("first", "minus the number", "ours", needs_data=False, needs_gradient=False,
               start=lambda edge: FixedScores(1.5 - torch.arange(edge.channels, dtype=torch.float64)))
"""


@dataclass(frozen=True)
class Cluster:
    """A head with a job server, and a second node that does not share the folder `own`.

    Attributes:
        address: address of the cluster.
        server: address of the job server.
        own: a path at which the second node has a different folder.
    """

    address: str
    server: str
    own: Path

    def num_nodes(self) -> int:
        """Return how many nodes the cluster reports; 0 while it does not answer."""
        token = {"Authorization": f"Bearer {os.environ['RAY_AUTH_TOKEN']}"}
        request = urllib.request.Request(f"{self.server}/nodes?view=summary", headers=token)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                summary = json.load(answer)["data"]["summary"]
        except (urllib.error.URLError, OSError):
            return 0
        return sum(node["raylet"].get("state") == "ALIVE" for node in summary)


@pytest.fixture(scope="module")
def cluster(servers: SweepProcess) -> Iterator[Cluster]:
    """A cluster with token authentication, in separate processes."""
    folder = servers.folder
    port, dashboard, client, *agents = free_ports(5)
    made = Cluster(f"127.0.0.1:{port}", f"http://127.0.0.1:{dashboard}", folder / "own")
    made.own.mkdir()
    common = [
        *("--block", "--node-ip-address=127.0.0.1", "--num-cpus=1", "--object-store-memory=100000000"),
        *("--min-worker-port=0", "--max-worker-port=0", "--disable-usage-stats"),
    ]
    head = [
        *("ray", "start", "--head", f"--port={port}", f"--temp-dir={folder}/1", "--include-dashboard=true"),
        *("--dashboard-host=127.0.0.1", f"--dashboard-port={dashboard}", f"--ray-client-server-port={client}"),
        *(f"--dashboard-agent-listen-port={agents[0]}", *common),
    ]
    node = [
        *("ray", "start", f"--address={made.address}", f"--dashboard-agent-listen-port={agents[1]}", *common),
        f"--temp-dir={folder}/2",  # otherwise the two overwrite each other's copies of a job's working directory
        '--resources={"accelerator_type:H100": 1}',
    ]
    if CAN_UNSHARE:
        node = [*OWN_MOUNTS, "sh", "-c", f"mount -t tmpfs none {made.own} && exec {shlex.join(node)}"]
    with pytest.MonkeyPatch.context() as environment, open(folder / "output-ray.txt", "w") as output:
        environment.setenv("RAY_AUTH_MODE", "token")
        environment.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))
        environment.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
        for number, command in enumerate((head, node), start=1):
            subprocess.Popen(command, env=servers.environment(), stdout=output, stderr=output, cwd=folder)
            servers.wait_for(lambda number=number: made.num_nodes() == number)
        yield made


def sha256(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()


def write_spec(process: SweepProcess, storage: Path, epochs: int) -> None:
    (process.folder / "spec.yaml").write_text(SPEC.format(storage=storage, epochs=epochs))


def test_a_sweep_joins_the_cluster_and_leaves_it_running(cluster: Cluster, process: SweepProcess) -> None:
    write_spec(process, process.folder / "results", epochs=1)
    code, output = process.run("run", "spec.yaml", "--address", cluster.address)
    assert code == 0, output
    assert [record["state"] for record in process.records()] == ["finished"] * 2
    process.check_tracked_once()
    assert cluster.num_nodes() == 2
    code, output = process.run("resume", "small", "--address", cluster.address)
    assert code == 0, output


def test_doctor(cluster: Cluster, process: SweepProcess) -> None:
    write_spec(process, process.folder / "results", epochs=1)
    code, output = process.run("doctor", "spec.yaml", "--address", cluster.address)
    assert code == 0, output
    lines = [line.split(maxsplit=2) for line in output.splitlines()]
    assert [line[:2] for line in lines] == [
        ["ok", f"{subject}:"] for subject in ("cluster", "versions", "GPUs", "resources", "storage", "tracking", "data")
    ]
    assert lines[0][2].startswith("2 CPUs, 0 GPUs (H100) on 2 nodes")


@pytest.mark.skipif(not CAN_UNSHARE, reason="needs the right to mount")
def test_storage_that_nodes_do_not_share(cluster: Cluster, process: SweepProcess) -> None:
    write_spec(process, cluster.own, epochs=1)
    code, output = process.run("run", "spec.yaml", "--address", cluster.address)
    assert code == 1, output
    assert f"runtime.storage: {cluster.own}/small " in output
    assert "2 nodes" in output
    assert output.count("(node ") == 1  # the head is fine
    assert f"{socket.gethostname()} (node " in output
    assert not list(cluster.own.glob("small/*/*/record.json"))
    assert not list(cluster.own.glob("mlflow.db"))


def test_a_job_is_followed_and_stopped(cluster: Cluster, process: SweepProcess) -> None:
    write_spec(process, process.folder / "results", epochs=2000)
    server = ("--address", cluster.server)
    assert process.run("submit", "spec.yaml", *server) == (0, "small-1\n")
    process.wait_for_epoch("search", 2)
    code, output = process.run("jobs", "list", *server)
    assert (code, output.split()[:2]) == (0, ["small-1", "RUNNING"])
    following = process.start("jobs", "logs", "small-1", "--follow", *server)
    followed = process.output_path()
    assert process.run("jobs", "stop", "small-1", *server) == (0, "small-1: STOPPED\n")
    assert following.wait(timeout=60) == 0
    code, output = process.run("jobs", "logs", "small-1", *server)
    assert output == followed.read_text()
    assert "interrupted" in output
    assert "aca-ray resume small" in output
    assert list(process.sweep.glob("searches/*/**/*.ckpt"))
    assert process.run("jobs", "stop", "none", *server)[0] == 1


def test_a_job_takes_its_plugins_along(
    cluster: Cluster, process: SweepProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One is a file beside the spec, the other a module that only the submitting machine can import."""
    specs, path = process.folder / "specs", process.folder / "path"
    (path / "rankers_of_a_test").mkdir(parents=True)
    (path / "rankers_of_a_test" / "__init__.py").write_text("")
    (path / "rankers_of_a_test" / "first.py").write_text(RANKER)
    (specs / "own").mkdir(parents=True)
    (specs / "own" / PLUGIN.name).write_bytes(PLUGIN.read_bytes())
    write_spec(process, process.folder / "results", epochs=1)
    process.replace(
        ("methods: darts", f"plugins: [own/{PLUGIN.name}, rankers_of_a_test.first]\n  methods: tempered_darts"),
        ("skip: searched", "ranking: first"),
    )
    (process.folder / "spec.yaml").rename(specs / "spec.yaml")
    monkeypatch.setenv("PYTHONPATH", f"{path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    server = ("--address", cluster.server)
    code, output = process.run("submit", "specs/spec.yaml", *server)
    assert code == 0, output
    job = output.strip()
    shutil.rmtree(specs)
    shutil.rmtree(path)

    code, output = process.run("jobs", "logs", job, "--follow", *server)
    assert code == 0, output
    code, jobs = process.run("jobs", "list", *server)
    assert code == 0
    assert [job, "SUCCEEDED"] in [line.split()[:2] for line in jobs.splitlines()], output
    records = process.records()
    assert {record["kind"] for record in records} == {"search", "retraining"}
    assert {record["state"] for record in records} == {"finished"}
    source = sha256(PLUGIN.read_bytes())
    for record in records:
        assert record["trial"]["plugins"][PLUGIN.name] == source
        assert source[:12] in record["environment"][f"plug-in {PLUGIN.name}"]
    package = sha256(
        f"__init__.py\0{sha256(b'')}\nfirst.py\0{sha256(RANKER.encode())}\n".encode()  # name and SHA-256 of its files
    )
    networks = [record["trial"]["plugins"] for record in records if record["kind"] == "retraining"]
    assert {plugins.get("rankers_of_a_test.first") for plugins in networks} == {package, None}  # None: the plain one
    code, output = process.run("compare", "small")  # here, where the plug-ins' files are gone
    assert code == 0, output
