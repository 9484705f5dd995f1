"""Precision and compilation of the passes of a retraining."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.backends import cuda, cudnn

from aca_ray.data import RetrainingData
from aca_ray.errors import ConfigError
from aca_ray.retraining import Protocol, Retraining, check_device
from aca_ray.space.nasbench201 import parse_architecture_string
from aca_ray.training import EpochLoop

Build = Callable[..., Retraining]
CPU = torch.device("cpu")
# One convolution in 3 cells is compiled in seconds, the cells of DARTS in minutes.
ONE_OPERATION = parse_architecture_string("|nor_conv_1x1~0|+|none~0|skip_connect~1|+|none~0|none~1|skip_connect~2|")


def weights(work: Retraining) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in work.network.parameters()]


def trained(work: Retraining, num_epochs: int = 2) -> Retraining:
    finish(EpochLoop(work, num_epochs))
    return work


def finish(loop: EpochLoop) -> None:
    while not loop.finished:
        loop.advance()


def test_bfloat16_rounds_passes_and_nothing_else(build: Build, protocol: Protocol) -> None:
    exact, rounded = build(protocol), build(replace(protocol, precision="bfloat16"))
    images, _ = exact.batches.batch(0)
    rounded.network.train()
    with torch.no_grad():
        logits, _ = rounded.passes.train(images)
        expected, _ = exact.passes.train(images)
    assert logits.dtype == torch.float32
    assert not torch.equal(logits, expected)
    assert torch.allclose(logits, expected, atol=0.1 * float(expected.abs().max()))
    trained(rounded)
    kept = [
        *rounded.network.state_dict().values(),
        *rounded.optimizer.state[next(rounded.network.parameters())].values(),
    ]
    assert {value.dtype for value in kept if value is not None and value.is_floating_point()} == {torch.float32}


@pytest.mark.parametrize("precision", ["float32", "tf32", "bfloat16"])
def test_tf32_is_allowed_by_its_precision_alone(build: Build, protocol: Protocol, precision: Any) -> None:
    passes = build(protocol).passes
    passes._protocol = replace(protocol, precision=precision)
    with passes.tf32():
        assert (cudnn.allow_tf32, cuda.matmul.allow_tf32) == (precision == "tf32",) * 2


def test_tf32_needs_a_gpu(build: Build, protocol: Protocol) -> None:
    protocol = replace(protocol, precision="tf32")
    with pytest.raises(ConfigError, match="tf32 needs a GPU"):
        build(protocol)
    check_device(protocol, "cuda")


def test_compile_needs_a_compiler(build: Build, protocol: Protocol, monkeypatch: pytest.MonkeyPatch) -> None:
    protocol = replace(protocol, compile=True)
    build(protocol)
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(ConfigError, match=r"needs a C\+\+ compiler"):
        build(protocol)


@pytest.mark.slow
def test_a_compiled_network_is_the_same_network_and_resumes_exactly(
    make_data: Callable[[int], RetrainingData], through_a_file: Callable[[Any], Any]
) -> None:
    """16 images in batches of 6: the last batch of an epoch is not compiled."""
    protocol = Protocol(name="tiny", source="test", channels=2, num_cells=3, epochs=2, batch_size=6, compile=True)

    def build(protocol: Protocol) -> Retraining:
        return Retraining(ONE_OPERATION, None, make_data(8), protocol, seed=3, device=CPU)

    plain, compiled = trained(build(replace(protocol, compile=False))), trained(build(protocol))
    for one, other in zip(weights(plain), weights(compiled), strict=True):
        assert torch.allclose(one, other, atol=1e-4)

    dropping = replace(protocol, drop_path=0.9)
    straight = build(dropping)
    loop = EpochLoop(straight, 2)
    while (loop.epoch, loop.step) != (1, 1):
        loop.advance(0.0)
    state = through_a_file(loop.state_dict())
    finish(loop)
    assert not all(torch.equal(one, other) for one, other in zip(weights(straight), weights(compiled), strict=True))
    resumed = build(dropping)
    loop = EpochLoop(resumed, 2)
    loop.load_state_dict(state)
    finish(loop)
    for one, other in zip(weights(straight), weights(resumed), strict=True):
        assert torch.equal(one, other)
