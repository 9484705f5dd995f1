"""The vocabulary of a search: frozen values, without torch."""

from aca_ray.space.channel_plan import ChannelPlan, EdgePlan
from aca_ray.space.genotype import CellGenotype, Genotype, KeptEdge
from aca_ray.space.network import NETWORK_SCHEMA, network_from_json, network_json, plan_from_json
from aca_ray.space.published import PUBLISHED
from aca_ray.space.space_values import find_space, in_nasbench201, read_space
from aca_ray.space.spaces import SPACES, Space, without_skip
from aca_ray.space.topology import CELL_TYPES, CellType, Topology, reduction_cells, stage_cell_type, stage_of_cell
from aca_ray.space.whole_edges import whole_edge_genotype

__all__ = [
    "CELL_TYPES",
    "NETWORK_SCHEMA",
    "PUBLISHED",
    "SPACES",
    "CellGenotype",
    "CellType",
    "ChannelPlan",
    "EdgePlan",
    "Genotype",
    "KeptEdge",
    "Space",
    "Topology",
    "find_space",
    "in_nasbench201",
    "network_from_json",
    "network_json",
    "plan_from_json",
    "read_space",
    "reduction_cells",
    "stage_cell_type",
    "stage_of_cell",
    "whole_edge_genotype",
    "without_skip",
]
