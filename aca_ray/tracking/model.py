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

    The model is a program of torch.export, so that it loads and is served where this package is not installed. The run
    keeps its status and its times.

    Args:
        store: where the sweep's runs are.
        sweep: name of the sweep.
        fingerprint: of the retraining.
        network: a module made of torch's own layers, in evaluation mode, on the CPU.
        images: (N, C, H, W) float32, normalized, at least two: the input example.
        logits: (N, K) float32 what the network answers.
        metadata: kept with the model.
        register: name of the registered model that this becomes a version of, or None.

    Raises:
        StorageError: MLflow has no run of the retraining, or can't be reached, or refuses.
    """
    # Here, because they import torch, which this package does without.
    from mlflow import pytorch
    from mlflow.models import infer_signature

    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(store.uri)
    try:
        run = _run_of(store, sweep, fingerprint)
        # Else it would become one of the process's own experiment, which is another.
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
            f"MLflow at {store.uri} did not take the model ({error}); try again, or export a file without MLflow"
        ) from error
    finally:
        mlflow.set_tracking_uri(before)
    return str(logged.model_uri) if register is None else f"models:/{register}/{logged.registered_model_version}"


def _run_of(store: Store, sweep: str, fingerprint: str) -> Run:
    """Return a retraining's run."""
    client = store.client()
    experiment = client.get_experiment_by_name(sweep)
    condition = f"tags.`aca.fingerprint` = '{fingerprint}'"
    runs = [] if experiment is None else client.search_runs([experiment.experiment_id], condition)
    if not runs:
        raise StorageError(
            f"MLflow at {store.uri} has no run of trial {fingerprint[:12]}; aca-ray resume {sweep} logs what is missing"
        )
    return runs[0]
