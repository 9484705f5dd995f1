"""The networks as torch modules: supernet and derived network."""

from aca_ray.nn.cost import Cost, derived_cost, num_parameters, supernet_cost
from aca_ray.nn.derived import DerivedNetwork
from aca_ray.nn.mixing import CellMixing, Mixing, candidate_mask
from aca_ray.nn.supernet import Supernet

__all__ = [
    "CellMixing",
    "Cost",
    "DerivedNetwork",
    "Mixing",
    "Supernet",
    "candidate_mask",
    "derived_cost",
    "num_parameters",
    "supernet_cost",
]
