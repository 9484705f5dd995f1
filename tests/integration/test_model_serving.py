"""A trained network as an MLflow model: logged to its run, registered, loaded and served without this package."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from mlflow import MlflowClient
from services import free_ports

from aca_ray.sweep.exporting import read_named

if TYPE_CHECKING:
    from conftest import SweepProcess

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1200)]

NAME = "digits"
WITHOUT_US = "import sys\nsys.modules['aca_ray'] = None\n"  # every import of it fails
LOADS = """
import json, sys
import mlflow, numpy, torch
mlflow.set_tracking_uri(sys.argv[1])
images = numpy.load(sys.argv[2])
served = mlflow.pyfunc.load_model(sys.argv[3])
logits = served.predict(images)
module = mlflow.pytorch.load_model(sys.argv[3])
with torch.no_grad():
    assert numpy.abs(module(torch.from_numpy(images)).numpy() - logits).max() < 1e-4
assert not [name for name in sys.modules if name.startswith("aca_ray.")]
print(json.dumps({"logits": logits.tolist(), "inputs": str(served.metadata.signature.inputs)}))
"""


@contextmanager
def serving(
    process: SweepProcess, environment: dict[str, str], model: str
) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Yield MLflow's starting model server and its address; its whole process group is killed afterwards."""
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "mlflow", "models", "serve", "--env-manager", "local", "--model-uri", model]
    with open(process.folder / "output-serve.txt", "w") as output:
        server = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port)],
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield server, f"http://127.0.0.1:{port}"
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def test_logged_registered_loaded_and_served(undisturbed: SweepProcess, process: SweepProcess) -> None:
    storage = undisturbed.folder / "results"
    tracking = f"sqlite:///{storage}/mlflow.db"
    record = next(r for r in undisturbed.records() if r["kind"] == "retraining" and r["trial"]["allocation"] == "sign")
    client = MlflowClient(tracking)
    experiment = client.get_experiment_by_name("small")
    assert experiment is not None
    condition = f"tags.`aca.fingerprint` = '{record['fingerprint']}'"
    (before,) = client.search_runs([experiment.experiment_id], condition)

    name = f"small/{record['fingerprint'][:12]}"
    code, output = process.run("export", name, "--storage", str(storage), "--register", NAME)
    assert (code, output.splitlines()[-1]) == (0, f"MLflow: models:/{NAME}/1"), output
    version = client.get_model_version(NAME, "1")
    assert version.run_id == before.info.run_id
    (model,) = client.search_logged_models([experiment.experiment_id])
    assert (model.status, model.source_run_id) == ("READY", before.info.run_id)
    (after,) = client.search_runs([experiment.experiment_id], condition)
    assert (after.info, after.data.tags, after.data.params) == (before.info, before.data.tags, before.data.params)

    network = read_named(name, storage).exported
    images = network.random_images(5, seed=3)
    expected = network.build()(images).detach().numpy()
    np.save(process.folder / "images.npy", images.numpy())
    (process.folder / "site").mkdir()
    (process.folder / "site" / "sitecustomize.py").write_text(WITHOUT_US)
    environment = {
        **process.environment(),
        "PYTHONPATH": str(process.folder / "site"),
        "MLFLOW_TRACKING_URI": tracking,
        "OMP_NUM_THREADS": "1",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",  # MLflow starts uvicorn by its name
    }
    arguments = [tracking, str(process.folder / "images.npy"), f"models:/{NAME}/1"]
    with serving(process, environment, f"models:/{NAME}/1") as (server, address):
        loaded = subprocess.run(  # while the server starts
            [sys.executable, "-c", LOADS, *arguments], env=environment, capture_output=True, text=True, check=False
        )
        request = urllib.request.Request(
            f"{address}/invocations",
            json.dumps({"inputs": images.tolist()}).encode(),
            {"Content-Type": "application/json"},
        )
        process.wait_for(lambda: server.poll() is not None or _answers(f"{address}/health"))
        assert server.poll() is None, process.output()
        with urllib.request.urlopen(request, timeout=30) as response:
            predictions = json.loads(response.read())["predictions"]
    assert loaded.returncode == 0, loaded.stderr
    answer = json.loads(loaded.stdout.splitlines()[-1])
    assert "float32" in answer["inputs"]
    assert "(-1, 1, 8, 8)" in answer["inputs"]
    assert np.abs(np.array(answer["logits"]) - expected).max() < 1e-4
    assert np.abs(np.array(predictions) - expected).max() < 1e-4
    assert process.processes() == []
