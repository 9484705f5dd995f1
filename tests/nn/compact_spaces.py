"""Search spaces with smaller cells, for tests of every method in any space."""

from __future__ import annotations

from dataclasses import replace

from aca_ray.space import Space, Topology

NUM_NODES = 2


def compact(space: Space) -> Space:
    """Return a space of two-input cells cut to the first two nodes, 5 edges of 14; other spaces unchanged."""
    if space.topology.num_inputs == 1:
        return space
    topology = Topology(num_inputs=2, num_nodes=NUM_NODES)
    num_edges = len(topology.edges)
    return replace(space, topology=topology, normal=space.normal[:num_edges], reduce=space.reduce[:num_edges])
