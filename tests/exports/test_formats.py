"""Round trips: exports return the logits of the network in memory, without this package."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor

from aca_ray.errors import ConfigError, ExportError, StorageError
from aca_ray.exports import FORMATS, ExportedNetwork, stand_alone, write_export
from aca_ray.exports.literals import WIDTH
from aca_ray.exports.network import logits_of
from aca_ray.trials.network_files import read_network

NAMES = (
    "plain",
    "plan",
    "nasbench201",
    "nasbench201_dead_end",
    "pc_darts",
    "s1",
    "s4",
    "node_left_out",
    "imagenet",
)
TRACED = ("plan", *(pytest.param(name, marks=pytest.mark.slow) for name in ("plain", "nasbench201")))
NUM_IMAGES = 5  # differs from the batch sizes that are traced and checked

# Runs every Python file of a folder where aca_ray cannot be imported.
ALONE = """
import importlib, sys
from pathlib import Path
sys.modules["aca_ray"] = None
folder = Path(sys.argv[1])
sys.path.insert(0, str(folder))
import torch
torch.set_num_threads(1)
for path in sorted(folder.glob("*.py")):
    module = importlib.import_module(path.stem)
    network = module.build()
    assert not network.training
    torch.manual_seed(0)
    with torch.no_grad():
        logits = network(torch.load(path.with_suffix(".images")))
    torch.save({"logits": logits, "state": network.state_dict()}, path.with_suffix(".answer"))
assert not [name for name in sys.modules if name.startswith("aca_ray.")]
"""


@pytest.fixture(scope="module")
def python_files(networks: dict[str, ExportedNetwork], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of all networks as Python files, with their logits, computed in a separate process."""
    folder = tmp_path_factory.mktemp("python")
    for name, network in networks.items():
        write_export(network, "python", folder / f"{name}.py")
        torch.save(network.random_images(NUM_IMAGES, seed=7), folder / f"{name}.images")
    done = subprocess.run([sys.executable, "-I", "-c", ALONE, str(folder)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return folder


def assert_equal_logits(found: Tensor, network: ExportedNetwork) -> None:
    images = network.random_images(NUM_IMAGES, seed=7)
    expected = logits_of(network.build(), images)
    assert found.shape == (NUM_IMAGES, network.images.num_classes)
    assert float((expected[0] - expected[1]).abs().max()) > 0.01, "the logits do not depend on the images"
    assert float((found - expected).abs().max()) < 1e-4


@pytest.mark.parametrize("name", NAMES)
def test_python(networks: dict[str, ExportedNetwork], python_files: Path, name: str) -> None:
    answer = torch.load(python_files / f"{name}.answer", weights_only=True)
    state = networks[name].build().state_dict()
    assert list(answer["state"]) == list(state)
    assert all(torch.equal(answer["state"][key], tensor) for key, tensor in state.items())
    assert_equal_logits(answer["logits"], networks[name])


def test_python_files_are_clean(python_files: Path) -> None:
    files = [str(path) for path in python_files.glob("*.py")]
    assert len(files) == len(NAMES)
    for width in ("88", "120"):
        base = [sys.executable, "-m", "ruff"]
        options = ["--isolated", "--no-cache", "--line-length", width]
        for command in (["check", "--select", "E,F,W,I"], ["format", "--check"]):
            done = subprocess.run([*base, *command, *options, *files], capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout + done.stderr


def test_python_contains_only_modules_in_use(python_files: Path) -> None:
    plain, residual = (python_files / f"{name}.py" for name in ("plain", "nasbench201"))
    text = plain.read_text()
    assert "class SeparableConv" in text
    assert "class MaxPool" in text
    for absent in ("AllocatedEdge", "ResidualBlock", "Noise", "ImageNetStem", "AveragePool"):
        assert absent not in text
    assert "FactorizedReduce" not in residual.read_text()
    imports = [line for line in text.splitlines() if line.startswith(("import ", "from "))]
    assert imports == ["from __future__ import annotations", "import torch", "from torch import Tensor, nn"]


def test_python_of_an_untrained_network(networks: dict[str, ExportedNetwork], tmp_path: Path) -> None:
    network = replace(networks["plain"], weights=None, test_accuracy=None)
    assert write_export(network, "python", tmp_path / "network.py").files == (tmp_path / "network.py",)
    text = (tmp_path / "network.py").read_text()
    assert "TRAINED = False" in text
    assert "WEIGHTS = None" in text
    assert [path.name for path in tmp_path.iterdir()] == ["network.py"]


def test_logits_of_the_check_depend_on_the_images(networks: dict[str, ExportedNetwork]) -> None:
    network = replace(networks["pc_darts"], weights=None)
    assert float(logits_of(network.build(), network.random_images(3)).std(dim=0).max()) < 1e-3
    assert float(stand_alone(network).logits.std(dim=0).max()) > 0.05


@pytest.mark.parametrize("name", TRACED)
def test_onnx(networks: dict[str, ExportedNetwork], tmp_path: Path, name: str) -> None:
    network = networks[name]
    path = tmp_path / "network.onnx"
    assert write_export(network, "onnx", path).difference < 1e-4
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (given,), (answered,) = session.get_inputs(), session.get_outputs()
    assert (given.name, given.shape) == ("images", ["batch", 3, 16, 16])
    assert (answered.name, answered.shape) == ("logits", ["batch", 10])
    images = network.random_images(NUM_IMAGES, seed=7).numpy()
    assert_equal_logits(torch.from_numpy(session.run(None, {"images": images})[0]), network)
    one = session.run(None, {"images": images[:1]})[0]
    assert np.abs(one - session.run(None, {"images": images})[0][:1]).max() < 1e-4
    properties = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    check_metadata({key: value if key in TEXTS else json.loads(value) for key, value in properties.items()}, network)


@pytest.mark.parametrize("name", TRACED)
def test_torch_export(networks: dict[str, ExportedNetwork], tmp_path: Path, name: str) -> None:
    network = networks[name]
    path = tmp_path / "network.pt2"
    assert write_export(network, "torch-export", path).difference < 1e-4
    extra = {"metadata.json": ""}
    program = torch.export.load(path, extra_files=extra).module()
    images = network.random_images(NUM_IMAGES, seed=7)
    logits = logits_of(program, images)
    assert_equal_logits(logits, network)
    assert float((logits_of(program, images[:1]) - logits[:1]).abs().max()) < 1e-4
    check_metadata(json.loads(extra["metadata.json"]), network)


@pytest.mark.parametrize("name", NAMES)
def test_json(networks: dict[str, ExportedNetwork], tmp_path: Path, name: str) -> None:
    path = tmp_path / "network.json"
    write_export(networks[name], "json", path)
    assert read_network(path) == (networks[name].genotype, networks[name].plan)
    check_metadata(json.loads(path.read_text()), networks[name])


TEXTS = {"name", "origin", "protocol", "data", "aca_ray_version", "torch_version"}


def check_metadata(found: dict[str, Any], network: ExportedNetwork) -> None:
    images, cost = network.images, network.cost
    expected = {
        "name": "made",
        "origin": "Made for a test",
        "fingerprint": None,
        "trained": True,
        "test_accuracy": 0.5,
        "parameters": cost.parameters,
        "macs": cost.macs,
        "input_shape": [images.channels, images.height, images.width],
        "num_classes": 10,
        "class_names": None,
        "mean": list(images.mean),
        "std": list(images.std),
        "torch_version": str(torch.__version__),
    }
    assert {key: found[key] for key in expected} == expected


def test_python_carries_the_same_metadata(networks: dict[str, ExportedNetwork], python_files: Path) -> None:
    constants: dict[str, Any] = {"__file__": "network.py"}
    exec((python_files / "plan.py").read_text(), constants)
    metadata = networks["plan"].metadata()
    assert {key: constants[key.upper()] for key in metadata} == {
        key: tuple(value) if isinstance(value, list) else value for key, value in metadata.items()
    }
    assert "Made for a test" in constants["__doc__"]
    assert "test accuracy is 50.00 %" in constants["__doc__"]


def test_metadata_of_any_text(networks: dict[str, ExportedNetwork], tmp_path: Path) -> None:
    name = 'a "name" of\n"""three""" lines \\ ' + "and-a-word-too-long-for-a-line" * 5
    images = replace(networks["plain"].images, num_classes=10, class_names=tuple(f'"{i}"\n' * 9 for i in range(10)))
    network = replace(networks["plain"], name=name, origin=name, images=images)
    write_export(network, "python", tmp_path / "network.py")
    constants: dict[str, Any] = {"__file__": "network.py"}
    exec((tmp_path / "network.py").read_text(), constants)
    assert (constants["NAME"], constants["CLASS_NAMES"]) == (name, images.class_names)


def test_class_names_of_several_words(networks: dict[str, ExportedNetwork], tmp_path: Path) -> None:
    names = tuple(f"{color} {animal}  finch" for color in ("dark red", "pale") for animal in "abcde")
    network = replace(networks["plain"], images=replace(networks["plain"].images, num_classes=10, class_names=names))
    write_export(network, "python", tmp_path / "network.py")
    text = (tmp_path / "network.py").read_text()
    constants: dict[str, Any] = {"__file__": "network.py"}
    exec(text, constants)
    assert constants["CLASS_NAMES"] == names
    assert max(map(len, text.splitlines())) <= WIDTH


def test_noise_is_not_exported_to_onnx(networks: dict[str, ExportedNetwork], tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"^onnx: made has the operation noise.*another format"):
        write_export(networks["s4"], "onnx", tmp_path / "network.onnx")
    assert list(tmp_path.iterdir()) == []


def test_wrong_logits_are_refused(networks: dict[str, ExportedNetwork]) -> None:
    made = stand_alone(networks["plain"])
    for wrong in (made.logits + 0.01, made.logits[:2], made.logits * float("nan")):
        with pytest.raises(ExportError, match="form: "):
            made.check(wrong, "form")


def test_weights_of_another_network(networks: dict[str, ExportedNetwork], tmp_path: Path) -> None:
    network = replace(networks["plain"], weights=networks["s1"].weights)
    with pytest.raises(ExportError, match=r"^made: its weights "):
        write_export(network, "python", tmp_path / "network.py")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("form", FORMATS)
def test_file_of_another_suffix(networks: dict[str, ExportedNetwork], tmp_path: Path, form: str) -> None:
    with pytest.raises(ConfigError, match=rf"^out: .* \{FORMATS[form].suffix} .*{form}, found .*network\.pt"):
        write_export(networks["plain"], form, tmp_path / "network.pt")


@pytest.mark.parametrize("form", ["python", "json"])
def test_target_that_cannot_be_written(networks: dict[str, ExportedNetwork], tmp_path: Path, form: str) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match="cannot be written"):
        write_export(networks["plain"], form, tmp_path / "file" / f"network{FORMATS[form].suffix}")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
