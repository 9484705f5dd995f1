"""The pool in one process: what it refuses, and what its function calls leave alone."""

from __future__ import annotations

import pytest
import torch

from aca_ray.config import RuntimeSpec
from aca_ray.driver.interrupt import Interrupt
from aca_ray.driver.local import local_pool
from aca_ray.errors import SweepError


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
@pytest.mark.parametrize("gpus", [0.5, 1])
def test_trials_that_need_a_gpu_are_refused(gpus: float) -> None:
    with (
        pytest.raises(SweepError, match=r"^runtime\.gpus_per_trial: needs .*found none"),
        local_pool(RuntimeSpec(gpus_per_trial=gpus), Interrupt()),
    ):
        pass


def test_a_call_leaves_the_random_numbers_of_the_trial_alone() -> None:
    with local_pool(RuntimeSpec(), Interrupt()) as pool:
        torch.manual_seed(0)
        expected = torch.rand(2).tolist()
        torch.manual_seed(0)
        found = [torch.rand(1).item()]
        assert pool.start(torch.rand, 3).result().shape == (3,)
        found.append(torch.rand(1).item())
    assert found == expected


def test_the_error_of_a_call_is_raised_by_its_result() -> None:
    with local_pool(RuntimeSpec(), Interrupt()) as pool:
        task = pool.start(int, "x")
        assert task.done()
        with pytest.raises(ValueError, match="invalid literal"):
            task.result()
