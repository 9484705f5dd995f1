"""Retraining derived networks from scratch: the protocols and the loop."""

from aca_ray.evaluation.protocol_values import find_protocol, read_protocol
from aca_ray.evaluation.protocols import DEFAULT_PROTOCOL, PROTOCOLS, Protocol, check_fits
from aca_ray.evaluation.retraining import Retraining
from aca_ray.evaluation.table import COVERED_SPACE, TABLES, LookedUp, read_table

__all__ = [
    "COVERED_SPACE",
    "DEFAULT_PROTOCOL",
    "PROTOCOLS",
    "TABLES",
    "LookedUp",
    "Protocol",
    "Retraining",
    "check_fits",
    "find_protocol",
    "read_protocol",
    "read_table",
]
