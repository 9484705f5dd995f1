"""Trained networks as MLflow models."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import mlflow
from mlflow.exceptions import MlflowException

from aca_ray.errors import StorageError
from aca_ray.tracking.store import Store

if TYPE_CHECKING:
    import numpy as np
    from mlflow.entities import Run

MODEL = "network"
_REQUIREMENTS = ("mlflow", "numpy", "torch")


def log_model(
    store: Store,
    sweep: str,
    fingerprint: str,
    network: Any,
    images: np.ndarray[Any, Any],
    logits: np.ndarray[Any, Any],
    metadata: Mapping[str, Any],
    register: str | None = None,
) -> str:
    """Log a trained network as an MLflow model of its retraining's run and return the model's URI.

    The model is a torch.export program, which loads and is served without this package. The run keeps its status and
    its times.

    Args:
        store: store with the sweep's runs.
        sweep: name of the sweep.
        fingerprint: fingerprint of the retraining.
        network: a module made of torch's own layers, in evaluation mode, on the CPU.
        images: (N, C, H, W) float32, normalized, at least two images: the input example.
        logits: (N, K) float32 outputs of the network for `images`.
        metadata: metadata of the model.
        register: name of the registered model that gets this model as a new version, or None.

    Raises:
        StorageError: MLflow has no run of the retraining, can't be reached, or refuses the model.
    """
    # Imported here because they import torch, which this package does not need.
    from mlflow import pytorch
    from mlflow.models import infer_signature

    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(store.uri)
    try:
        run = _run_of(store, sweep, fingerprint)
        # Otherwise the model would belong to the current experiment of the process, which is a different one.
        model = store.client().create_logged_model(
            run.info.experiment_id, MODEL, source_run_id=run.info.run_id, params=run.data.params
        )
        logged = pytorch.log_model(
            network,
            name=MODEL,
            model_id=model.model_id,
            run_id=run.info.run_id,
            signature=infer_signature(images, logits),
            input_example=images,
            serialization_format="pt2",
            pip_requirements=[f"{name}=={version(name).partition('+')[0]}" for name in _REQUIREMENTS],
            metadata=dict(metadata),
            registered_model_name=register,
        )
    except MlflowException as error:
        raise StorageError(
            f"MLflow at {store.uri} did not accept the model ({error}); try again, or export a file without MLflow"
        ) from error
    finally:
        mlflow.set_tracking_uri(before)
    return str(logged.model_uri) if register is None else f"models:/{register}/{logged.registered_model_version}"


def _run_of(store: Store, sweep: str, fingerprint: str) -> Run:
    """Return the run of a retraining."""
    client = store.client()
    experiment = client.get_experiment_by_name(sweep)
    condition = f"tags.`aca.fingerprint` = '{fingerprint}'"
    runs = [] if experiment is None else client.search_runs([experiment.experiment_id], condition)
    if not runs:
        raise StorageError(
            f"MLflow at {store.uri} has no run of trial {fingerprint[:12]}; log it with `aca-ray resume {sweep}`"
        )
    return runs[0]
