"""The contract of a search method."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch

from aca_ray.contract import small
from aca_ray.contract.check import Check, require
from aca_ray.methods.core import SearchMethod
from aca_ray.nn import DerivedNetwork
from aca_ray.space import SPACES, Genotype, Space, without_skip
from aca_ray.training import EpochLoop

_EPOCHS = 3
_SMALLEST = ("s2", "nasbench201")  # fastest first


def method_checks(method: SearchMethod) -> Iterator[Check]:
    """Yield the checks: networks on every space, the rest on the fastest of its spaces."""
    yield Check("has a space, a title, a source and its difference from DARTS", partial(_texts, method))
    names = method.spaces
    for name in names:
        yield Check(f"builds a supernet on {name}", partial(_builds, method, SPACES[name]))
    if not names:
        return
    name = next(name for name in (*_SMALLEST, *names) if name in names)
    for space in dict.fromkeys((SPACES[name], without_skip(SPACES[name]))):
        yield Check(f"an epoch on {space.name} is finite and gives a valid genotype", partial(_epoch, method, space))
    yield Check(f"resumes on {name} bit for bit", partial(_resumes, method, SPACES[name]))


def _texts(method: SearchMethod) -> None:
    require(bool(method.spaces), f"refuses every registered space: {', '.join(SPACES)}")
    empty = [name for name in ("title", "source", "changes") if not getattr(method, name)]
    require(not empty, f"empty: {', '.join(empty)}; the report shows these texts")


def _builds(method: SearchMethod, space: Space) -> None:
    search = small.search(method, space)
    own, weights = search.parameters.values(), list(search.network.parameters())
    shared = {id(parameter) for parameter in own} & {id(parameter) for parameter in weights}
    require(not shared, "the weights of the supernet include architecture parameters")


def _epoch(method: SearchMethod, space: Space) -> None:
    search = small.search(method, space, num_epochs=1)
    loop = EpochLoop(search, 1)
    _run(loop)
    for name, parameter in (*search.parameters.items(), *search.network.named_parameters()):
        require(bool(parameter.isfinite().all()), f"{name} is not finite after an epoch")
    genotype = search.genotype()
    require(
        genotype == search.genotype(), "deriving the genotype again gives another one; settle_operations must not draw"
    )
    _check_valid(genotype, search.space)


def _check_valid(genotype: Genotype, space: Space) -> None:
    for kind in space.cell_types:
        offered = dict(zip(space.topology.edges, space.candidates(kind), strict=True))
        for edge in genotype.cell(kind).edges:
            found = f"{kind} cell, edge {edge.source}-{edge.target}: {edge.operation}"
            require(edge.operation in offered[edge.edge], f"{found} is no candidate of the edge")
            require(edge.operation != "none", f"{found} must not be derived")
    network = DerivedNetwork(genotype, None, channels=4, num_cells=3, num_classes=small.NUM_CLASSES)
    require(bool(network(torch.randn(2, 3, 8, 8)).isfinite().all()), "logits of the derived network are not finite")


def _resumes(method: SearchMethod, space: Space) -> None:
    straight = EpochLoop(small.search(method, space, _EPOCHS), _EPOCHS)
    states = []
    for _ in range(3):  # within an epoch, between two, and within the next
        straight.advance(0.0)
        states.append(small.through_a_file(straight.state_dict()))
    expected = _run(straight)
    for state in states[1:]:
        resumed = EpochLoop(small.search(method, space, _EPOCHS), _EPOCHS)
        resumed.load_state_dict(state)
        place = small.first_difference(_run(resumed), expected)
        require(place is None, f"a resumed search differs from an uninterrupted one in {place}")


def _run(loop: EpochLoop) -> dict[str, Any]:
    """Run to the end; return metrics and final state, except time and memory."""
    rows = []
    while not loop.finished:
        report = loop.advance()
        if report is not None:
            rows.append({k: v for k, v in report.metrics.items() if not k.startswith(("time/", "memory/"))})
    state = {key: value for key, value in loop.state_dict().items() if key != "seconds"}
    return {"rows": rows, "state": state}
