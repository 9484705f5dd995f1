"""Models that cannot be logged; those that can are in tests/integration/test_model_serving.py."""

from __future__ import annotations

import numpy as np
import pytest

from aca_ray.errors import StorageError
from aca_ray.tracking import Store
from aca_ray.tracking.model import log_model

IMAGES = np.zeros((2, 1, 8, 8), np.float32)
LOGITS = np.zeros((2, 10), np.float32)


def test_no_run_of_the_trial(store: Store) -> None:
    with pytest.raises(StorageError, match=r"has no run of trial 0{12}; aca-ray resume none logs what is missing"):
        log_model(store, "none", "0" * 64, None, IMAGES, LOGITS, {})


def test_server_that_is_away() -> None:
    with pytest.raises(StorageError, match=r"MLflow at http://127\.0\.0\.1:1 did not take the model \(.*try again"):
        log_model(Store("http://127.0.0.1:1", None), "none", "0" * 64, None, IMAGES, LOGITS, {})
