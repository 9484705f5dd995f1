"""Export formats; every export is built and checked in memory before a file is written."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from aca_ray.errors import ConfigError, ExportError
from aca_ray.exports.network import ExportedNetwork, Standalone, logits_of, stand_alone
from aca_ray.space import network_json
from aca_ray.storage import StoragePath, write_bytes

Made = tuple[dict[str, bytes], float]  # contents by suffix, and the largest difference of logits


@dataclass(frozen=True)
class Format:
    """An export format.

    Attributes:
        suffix: suffix of the main file.
        make: returns the contents of the files by suffix, the main file last, and the largest difference of logits.
    """

    suffix: str
    make: Callable[[ExportedNetwork, Standalone], Made]


@dataclass(frozen=True)
class Export:
    """A written export.

    Attributes:
        network: the exported network.
        files: its files, the requested one first.
        difference: largest difference of logits from the network in memory, on the images of the check.
        card: model card and picture of the cells beside them; () before they are written.
    """

    network: ExportedNetwork
    files: tuple[StoragePath, ...]
    difference: float
    card: tuple[StoragePath, ...] = ()


def write_export(exported: ExportedNetwork, form: str, path: StoragePath) -> Export:
    """Write a network in a format.

    Args:
        exported: the network.
        form: name of the format.
        path: the file, with the suffix of the format; weights of a Python file go beside it, with the suffix .pt.

    Raises:
        ConfigError: the file has another suffix.
        ExportError: a package that the format needs is missing, or the export computes something else; nothing is
            written.
        StorageError: the file can't be written; an existing file is untouched.
    """
    chosen = FORMATS[form]
    if path.suffix != chosen.suffix:
        raise ConfigError(f"out: must end in {chosen.suffix} for the format {form}, found {path}")
    contents, difference = chosen.make(exported, stand_alone(exported))
    files = [write_bytes(path.with_name(f"{path.stem}{suffix}"), content) for suffix, content in contents.items()]
    return Export(exported, tuple(reversed(files)), difference)


def _python(exported: ExportedNetwork, network: Standalone) -> Made:
    difference = network.check(logits_of(network.module, network.images), "python")
    contents = {".py": network.source.encode()}
    if exported.weights is not None:
        buffer = io.BytesIO()
        torch.save(network.module.state_dict(), buffer)
        contents = {".pt": buffer.getvalue(), **contents}
    return contents, difference


def _json(exported: ExportedNetwork, network: Standalone) -> Made:
    value = {**network_json(exported.genotype, exported.plan), **network.metadata, "trial": exported.trial}
    return {".json": json.dumps(value, indent=1, allow_nan=False).encode()}, 0.0


def _torch_export(exported: ExportedNetwork, network: Standalone) -> Made:
    buffer = io.BytesIO()
    extra = {"metadata.json": json.dumps(_metadata(exported, network))}
    torch.export.save(_program(network), buffer, extra_files=extra)
    loaded = torch.export.load(io.BytesIO(buffer.getvalue())).module()
    return {".pt2": buffer.getvalue()}, network.check(logits_of(loaded, network.images), "torch-export")


def _onnx(exported: ExportedNetwork, network: Standalone) -> Made:
    if any(
        edge.operation == "noise"
        for cell in (exported.genotype.normal, exported.genotype.reduce)
        for edge in cell.edges
    ):
        raise ExportError(
            f"onnx: {exported.name} has the operation noise, which onnxruntime can't reproduce; choose another format"
        )
    try:
        import onnx
        import onnxruntime
        import onnxscript  # noqa: F401 - used by torch.onnx
    except ImportError as error:
        raise ExportError(
            f"onnx: needs the packages onnx, onnxscript and onnxruntime ({error}); pip install 'aca-ray[export]'"
        ) from error
    program = torch.onnx.export(
        _program(network),
        dynamo=True,
        input_names=["images"],
        output_names=["logits"],
        dynamic_shapes={"images": {0: "batch"}},
        verbose=False,
    )
    assert program is not None
    model = program.model_proto
    onnx.helper.set_model_props(
        model,
        {
            key: value if isinstance(value, str) else json.dumps(value)
            for key, value in _metadata(exported, network).items()
        },
    )
    content = model.SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    (logits,) = session.run(["logits"], {"images": network.images.numpy()})
    return {".onnx": content}, network.check(torch.from_numpy(logits), "onnx")


def _metadata(exported: ExportedNetwork, network: Standalone) -> dict[str, Any]:
    """Return the metadata of an export, with everything to rebuild the network."""
    return {**network.metadata, "trial": exported.trial, "network": network_json(exported.genotype, exported.plan)}


def _program(network: Standalone) -> torch.export.ExportedProgram:
    """Return the traced network, for batches of any size."""
    return torch.export.export(
        network.module, (network.images[:2],), dynamic_shapes=({0: torch.export.Dim("batch", min=1)},)
    )


FORMATS: dict[str, Format] = {
    "onnx": Format(".onnx", _onnx),
    "torch-export": Format(".pt2", _torch_export),
    "python": Format(".py", _python),
    "json": Format(".json", _json),
}
