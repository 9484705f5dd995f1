"""Shared by search and retraining: the resumable epoch loop, its meters, schedules and random states."""

from aca_ray.training.device import (
    device_name,
    forget_gpu_memory,
    free_gpu_bytes,
    peak_memory_bytes,
    select_device,
    tf32_allowed,
)
from aca_ray.training.loop import EpochLoop, EpochReport, EpochWork
from aca_ray.training.meter import Meter, evaluate_network
from aca_ray.training.schedule import cosine, set_learning_rate

__all__ = [
    "EpochLoop",
    "EpochReport",
    "EpochWork",
    "Meter",
    "cosine",
    "device_name",
    "evaluate_network",
    "forget_gpu_memory",
    "free_gpu_bytes",
    "peak_memory_bytes",
    "select_device",
    "set_learning_rate",
    "tf32_allowed",
]
