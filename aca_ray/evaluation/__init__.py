"""Test accuracies of derived networks: retraining from scratch (protocols and loop), and tables of benchmarks."""

from aca_ray.evaluation.protocol_values import find_protocol, read_protocol
from aca_ray.evaluation.protocols import DEFAULT_PROTOCOL, PROTOCOLS, Protocol, check_fits
from aca_ray.evaluation.retraining import Retraining
from aca_ray.evaluation.table import COVERED_SPACE, TABLES, Benchmark, Standing, load_table, read_table

__all__ = [
    "COVERED_SPACE",
    "DEFAULT_PROTOCOL",
    "PROTOCOLS",
    "TABLES",
    "Benchmark",
    "Protocol",
    "Retraining",
    "Standing",
    "check_fits",
    "find_protocol",
    "load_table",
    "read_protocol",
    "read_table",
]
