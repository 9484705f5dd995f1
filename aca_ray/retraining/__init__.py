"""Retraining of derived networks from scratch: protocols and training loop."""

from aca_ray.retraining.protocol_values import find_protocol, read_protocol
from aca_ray.retraining.protocols import DEFAULT_PROTOCOL, PROTOCOLS, Protocol, check_device, check_fits
from aca_ray.retraining.retraining import Retraining

__all__ = [
    "DEFAULT_PROTOCOL",
    "PROTOCOLS",
    "Protocol",
    "Retraining",
    "check_device",
    "check_fits",
    "find_protocol",
    "read_protocol",
]
