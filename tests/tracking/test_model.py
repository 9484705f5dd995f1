"""Models that cannot be logged; logged ones are tested in tests/integration/test_model_serving.py."""

from __future__ import annotations

import numpy as np
import pytest

from aca_ray.errors import StorageError
from aca_ray.tracking import Store
from aca_ray.tracking.model import log_model

IMAGES = np.zeros((2, 1, 8, 8), np.float32)
LOGITS = np.zeros((2, 10), np.float32)


def test_no_run_of_the_trial(store: Store) -> None:
    with pytest.raises(StorageError, match=r"trial 0{12}; .*aca-ray resume none"):
        log_model(store, "none", "0" * 64, None, IMAGES, LOGITS, {})


def test_unreachable_server() -> None:
    with pytest.raises(StorageError, match=r"MLflow at http://127\.0\.0\.1:1 .*try again"):
        log_model(Store("http://127.0.0.1:1", None), "none", "0" * 64, None, IMAGES, LOGITS, {})
