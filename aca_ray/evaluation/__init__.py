"""Retraining derived networks from scratch: the protocols and the loop."""

from aca_ray.evaluation.protocols import PROTOCOLS, Protocol, check_fits, find_protocol
from aca_ray.evaluation.retraining import Retraining

__all__ = ["PROTOCOLS", "Protocol", "Retraining", "check_fits", "find_protocol"]
