"""Retraining derived networks from scratch: the protocols and the loop."""

from aca_ray.evaluation.protocols import PROTOCOLS, Protocol, check_fits, find_protocol
from aca_ray.evaluation.retraining import Retraining
from aca_ray.evaluation.table import LookedUp, read_table

__all__ = ["PROTOCOLS", "LookedUp", "Protocol", "Retraining", "check_fits", "find_protocol", "read_table"]
