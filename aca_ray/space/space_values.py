"""Spaces by value: the cells of a registered space with candidates of one's own.

    {base: darts, operations: [skip_connect, sep_conv_3x3]}                      # every edge of both cells
    {base: darts, normal: [skip_connect, sep_conv_3x3], reduce: [max_pool_3x3]}  # every edge of a cell
    {base: darts, normal: {operations: [skip_connect, sep_conv_3x3], 0->2: [none, sep_conv_5x5]}}
    {base: darts, normal: {0->3: []}}                                            # a deleted edge

An edge has the candidates that are written for it, else the `operations` of its cell, else those of the space, else the
base's. An empty list, or `none` alone, deletes an edge (see `deletion_problems`). Order does not matter: columns are in
the canonical order. A space by value is named by its canonical text, such as `darts(skip_connect,sep_conv_3x3)`, which
a trial keeps and `find_space` reads; the text that means a registered space is that space's name.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from aca_ray.errors import ConfigError, shortened, unknown_name
from aca_ray.space.candidates import ALL_CANDIDATES, NASBENCH201_CANDIDATES, NONE, PLAIN, published_name
from aca_ray.space.deletions import deletion_problems
from aca_ray.space.spaces import DELETED, SPACES, EdgeCandidates, Space
from aca_ray.space.topology import CELL_TYPES, DARTS_TOPOLOGY, NASBENCH201_TOPOLOGY, CellType, Topology, edge_names

_TEXT = re.compile(r"(?P<base>\w+)\((?P<parts>.*)\)", re.DOTALL)
_MOST_CHARACTERS = 10_000  # of a text; all 28 edges with all operations have fewer
_BASE, _OPERATIONS = "base", "operations"
_EXAMPLE = "{base: darts, operations: [skip_connect, sep_conv_3x3]}"
_TOPOLOGIES = {"darts": DARTS_TOPOLOGY, "nasbench201": NASBENCH201_TOPOLOGY}


def read_space(value: Any, place: str) -> tuple[str, list[str]]:
    """Return the canonical text of a space, and all its problems.

    Args:
        value: a registered name, the text of a space by value, or a mapping with a registered name as `base`.
        place: place of the value, for messages.

    Returns:
        The registered name if a registered space has the same cells and candidates, else the text. Equal spaces have
        equal texts. "" with problems.
    """
    if isinstance(value, str):
        if value in SPACES:
            return value, []
        mapping = _parsed(value)
        if mapping is None:
            return "", [unknown_name(place, "space", value, SPACES)]
        value = mapping
    if not isinstance(value, Mapping):
        return "", [f"{place}: must be the name of a space, or a mapping such as {_EXAMPLE}; found {shortened(value)}"]
    reading = _Reading(place)
    cells = reading.cells(value)
    if cells is None or reading.problems:
        return "", reading.problems
    topology, normal, reduce = cells
    for space in SPACES.values():
        if (space.topology, space.normal, space.reduce) == (topology, normal, reduce):
            return space.name, []
    return _text(topology, {"normal": normal, "reduce": reduce}), []


def find_space(name: str, place: str = "space") -> Space:
    """Return a registered space, or one by its text; raise ConfigError with all its problems."""
    text, problems = read_space(name, place)
    if problems:
        raise ConfigError(problems)
    if text in SPACES:
        return SPACES[text]
    cells = _Reading(place).cells(_parsed(text) or {})
    assert cells is not None  # read_space found no problem
    return Space(text, *cells, source="ours: other candidates than the base's")


def in_nasbench201(name: str) -> bool:
    """Return whether all cells of a space, by name or text, are cells of NAS-Bench-201; False for an unknown space."""
    try:
        space = find_space(name)
    except ConfigError:
        return False
    known = set(NASBENCH201_CANDIDATES)
    return space.topology == NASBENCH201_TOPOLOGY and all(known.issuperset(names) for names in space.normal)


class _Reading:
    """Reads a mapping; collects its problems."""

    def __init__(self, place: str) -> None:
        self.place = place
        self.problems: list[str] = []

    def cells(
        self, value: Mapping[Any, Any]
    ) -> tuple[Topology, tuple[EdgeCandidates, ...], tuple[EdgeCandidates, ...]] | None:
        """Return topology and candidates of both cells; None without a base."""
        base = self._base(value)
        known = (_BASE, _OPERATIONS, *CELL_TYPES)
        if len(value) == 1 and base is not None:
            self.problems.append(
                f"{self.place}: changes nothing of {base.name}; write {base.name}, or add {', '.join(known[1:])}"
            )
        for key in value:
            if key == "name":
                self.problems.append(
                    f"{self.place}.name: spaces by value are named by their candidates, so that equal spaces have "
                    f"equal names; leave it out. Known keys: {', '.join(known)}"
                )
            elif key not in known:
                self.problems.append(unknown_name(f"{self.place}.{key}", "key", key, known))
        topology = base.topology if base is not None else DARTS_TOPOLOGY
        everywhere = self._operations(value, _OPERATIONS, self.place, topology)
        cells = {kind: self._cell(value, kind, base, topology, everywhere) for kind in CELL_TYPES}
        return None if base is None else (topology, cells["normal"], cells["reduce"])

    def _base(self, value: Mapping[Any, Any]) -> Space | None:
        if _BASE not in value:
            self.problems.append(
                f"{self.place}.base: is required: name the space whose cells these are; known spaces: "
                f"{', '.join(sorted(SPACES))}"
            )
            return None
        base = value[_BASE]
        if isinstance(base, str) and base in SPACES:
            if SPACES[base].topology in _TOPOLOGIES.values():
                return SPACES[base]
            self.problems.append(
                f"{self.place}.base: must be a space with the cells of {' or '.join(sorted(_TOPOLOGIES))}, found "
                f"{base}, whose cells are its own; let its plug-in define another space"
            )
            return None
        self.problems.append(unknown_name(f"{self.place}.base", "space", base, SPACES))
        return None

    def _cell(
        self,
        value: Mapping[Any, Any],
        kind: CellType,
        base: Space | None,
        topology: Topology,
        everywhere: EdgeCandidates | None,
    ) -> tuple[EdgeCandidates, ...]:
        """Return the candidates of every edge of a cell."""
        place, own = f"{self.place}.{kind}", value.get(kind)
        if kind == "reduce" and topology.num_inputs == 1:
            if kind in value:
                self.problems.append(
                    f"{place}: is a fixed residual block in cells of one input, with nothing to search; leave it out"
                )
            return ()
        of_base = base.candidates(kind) if base is not None else ()
        if not isinstance(own, Mapping):
            of_cell = self._operations(value, kind, self.place, topology) or everywhere
            return of_base if of_cell is None else (of_cell,) * len(topology.edges)
        names = edge_names(topology)
        if not own:
            self.problems.append(f"{place}: is empty; write candidates for some edges, or leave it out")
        for key in own:
            if key != _OPERATIONS and key not in names:
                self.problems.append(_unknown_edge(f"{place}.{key}", key, names))
        of_cell = self._operations(own, _OPERATIONS, place, topology) or everywhere
        chosen = [self._of_edge(own, name, place, topology) or of_cell for name in names]
        edges = tuple(one or other for one, other in zip(chosen, of_base or [()] * len(names), strict=True))
        if base is not None:
            self.problems += deletion_problems(topology, edges, place)
        return edges

    def _of_edge(self, value: Mapping[Any, Any], name: str, place: str, topology: Topology) -> EdgeCandidates | None:
        """Return the candidates of one edge by its name, as `_operations` does; an edge may be deleted."""
        deleted = name in value and value[name] in ([], (), [NONE], (NONE,), NONE)
        return DELETED if deleted else self._operations(value, name, place, topology, ", or [] to delete the edge")

    def _operations(
        self, value: Mapping[Any, Any], key: str, place: str, topology: Topology, also: str = ""
    ) -> EdgeCandidates | None:
        """Return the operations under a key, in canonical order; None without the key, or with problems.

        Args:
            value: the mapping that may have the key.
            key: the key.
            place: place of the mapping, for messages.
            topology: topology of the cells.
            also: what else may be written there, for messages.
        """
        if key not in value:
            return None
        place, found = f"{place}.{key}", value[key]
        found = [found] if isinstance(found, str) else found
        if not isinstance(found, list | tuple) or not found:
            self.problems.append(
                f"{place}: must be a list of at least one operation, such as [skip_connect, sep_conv_3x3]{also}; found "
                f"{shortened(found)}"
            )
            return None
        spelled, problems = _spellings(topology), []
        for index, name in enumerate(found):
            if not isinstance(name, str) or name not in spelled:
                problems.append(unknown_name(f"{place}[{index}]", "operation", name, _shown(topology)))
            elif spelled[name] in [spelled.get(str(one)) for one in found[:index]]:
                problems.append(f"{place}[{index}]: lists {name} twice; remove one")
        chosen = {spelled[name] for name in found if isinstance(name, str) and name in spelled}
        if not problems and chosen == {NONE}:
            problems.append(f"{place}: must offer an operation besides none, found none alone; add one")
        self.problems += problems
        return None if problems else tuple(name for name in ALL_CANDIDATES if name in chosen)


def _unknown_edge(place: str, key: object, names: list[str]) -> str:
    return (
        f"{place}: no such edge; the nodes of a cell are numbered from its inputs on, and 0->2 is the edge from node 0 "
        f"to node 2. Edges: {', '.join(names)}"
    )


def _spellings(topology: Topology) -> dict[str, str]:
    """Return the operations by their spelling.

    In cells of NAS-Bench-201, `avg_pool_3x3` is that benchmark's, without a batch norm.
    """
    spelled = {name: name for name in ALL_CANDIDATES}
    if topology == NASBENCH201_TOPOLOGY:
        spelled |= {published_name(name): name for name in NASBENCH201_CANDIDATES}
    return spelled


def _shown(topology: Topology) -> list[str]:
    """Return the spellings to suggest: one per operation."""
    plain = topology == NASBENCH201_TOPOLOGY
    return [name for name in _spellings(topology) if not (plain and name.startswith(PLAIN))]


def _text(topology: Topology, cells: Mapping[CellType, tuple[EdgeCandidates, ...]]) -> str:
    """Return the canonical text: the commonest candidates of each cell, then the edges that have others.

    A deleted edge is written as one that has `none` alone.
    """
    name = next(name for name, known in _TOPOLOGIES.items() if known == topology)
    searched = {kind: edges for kind, edges in cells.items() if edges}
    common = {kind: _commonest(edges) for kind, edges in searched.items()}
    parts = [f"{kind}={_joined(candidates, topology)}" for kind, candidates in common.items()]
    if len(set(common.values())) == 1:
        parts = [_joined(common["normal"], topology)]
    parts += [
        f"{kind} {edge}={_joined(candidates, topology)}"
        for kind, edges in searched.items()
        for edge, candidates in zip(edge_names(topology), edges, strict=True)
        if candidates != common[kind]
    ]
    return f"{name}({';'.join(parts)})"


def _commonest(edges: tuple[EdgeCandidates, ...]) -> EdgeCandidates:
    return Counter(names for names in edges if names != DELETED).most_common(1)[0][0]  # of equal counts, the first


def _joined(candidates: EdgeCandidates, topology: Topology) -> str:
    plain = topology == NASBENCH201_TOPOLOGY
    return ",".join(published_name(name) if plain else name for name in candidates)


def _parsed(text: str) -> dict[str, Any] | None:
    """Return the mapping that a text stands for; None if it is no text of a space by value."""
    match = _TEXT.fullmatch(text) if len(text) <= _MOST_CHARACTERS else None
    if match is None:
        return None
    mapping: dict[str, Any] = {_BASE: match["base"]}
    for path, names in _parts(match["parts"]):
        target: dict[str, Any] = mapping
        for key in path[:-1]:
            target = target.setdefault(key, {})
        if path[-1] in target:
            return None
        target[path[-1]] = names
    return mapping


def _parts(text: str) -> Iterator[tuple[tuple[str, ...], list[str]]]:
    """Yield the keys and the operations of every part of a text."""
    for part in text.split(";"):
        key, equals, names = part.rpartition("=")
        listed = [name.strip() for name in names.split(",")] if names.strip() else []
        if not equals:
            yield (_OPERATIONS,), listed
        else:
            cell, _, edge = key.strip().partition(" ")
            yield (cell, edge.strip() or _OPERATIONS), listed
