"""The differences of two trials or genotypes, by section."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aca_ray.channels import SKIP_FREE
from aca_ray.records import NetworkRecord, SearchRecord, StandaloneRecord, TrialFolder, TrialRecord
from aca_ray.space import CELL_TYPES, CellType, ChannelPlan, Genotype, stage_cell_type
from aca_ray.space.candidates import published_name
from aca_ray.space.topology import NUM_STAGES
from aca_ray.storage import StoragePath
from aca_ray.sweep.finding import find_trial, trial_title
from aca_ray.sweep.manifest import sweep_of
from aca_ray.sweep.orders import rankings_of, rules_of
from aca_ray.trials.network_files import read_network
from aca_ray.trials.retraining import found_network
from aca_ray.trials.standalone import named_network, network_title

Values = dict[str, Any]  # JSON values by name
_CHANNELS, _SHARE = "channels kept", "share kept"
_DATA = ("source", "digest", "num_images", "augmentation", "height", "width", "num_classes", "mean", "std")


@dataclass(frozen=True)
class Side:
    """One side of a comparison.

    Attributes:
        title: name and description.
        sections: values by section and name: trial, data, genotype, plan, accuracy, cost, environment. A genotype has
            genotype and plan only.
    """

    title: str
    sections: Mapping[str, Values]


@dataclass(frozen=True)
class Differences:
    """The differences of two sides.

    Attributes:
        a: the first side.
        b: the second side.
        sections: per section of both sides that differs, (value of a, value of b) by name; None for a missing value.
        equal: the sections that are equal.
        one_sided: the sections that only one side has, which are not compared.
    """

    a: Side
    b: Side
    sections: Mapping[str, Mapping[str, tuple[Any, Any]]]
    equal: tuple[str, ...]
    one_sided: tuple[str, ...]


def differences(a: str, b: str, storage: StoragePath) -> Differences:
    """Return what differs between two trials or genotypes, finished or not.

    Args:
        a: name of a trial (see `find_trial`) or of a genotype (see `named_network`).
        b: name of the other one.
        storage: folder of all sweeps.

    Raises:
        ConfigError: a name is unknown or ambiguous.
        StorageError: a file of a trial can't be read.
    """
    first, second = read_side(a, storage), read_side(b, storage)
    shared = [name for name in first.sections if name in second.sections]
    found = {
        name: (_differing_plans if name == "plan" else _differing)(first.sections[name], second.sections[name])
        for name in shared
    }
    return Differences(
        first,
        second,
        {name: values for name, values in found.items() if values},
        tuple(name for name, values in found.items() if not values),
        tuple(sorted(first.sections.keys() ^ second.sections.keys())),
    )


def read_side(name: str, storage: StoragePath) -> Side:
    """Return the values of a trial or a genotype; see `differences`."""
    folder = find_trial(name, storage)
    if folder is None:
        genotype, plan = named_network(name)
        return Side(network_title(name), {"genotype": _edges(genotype), "plan": _plan(genotype, plan)})
    record = TrialRecord.read(folder)
    assert record is not None  # find_trial found it
    sections = {
        "trial": {"kind": record.kind, **_flat(record.trial.to_json())},
        "data": {key: _plain(getattr(record.data_info, key)) for key in _DATA} if record.data_info else {},
    }
    if (network := _network(folder, record)) is not None:
        sections |= {"genotype": _edges(network[0]), "plan": _plan(*network)}
    sections |= {"accuracy": _accuracy(record), "cost": _cost(record), "environment": _environment(record)}
    sweep = sweep_of(folder)
    place = folder.name if sweep is None else f"{sweep.spec.name}/{folder.name}"
    return Side(f"{place}: {trial_title(record)}", sections)


def _differing(a: Values, b: Values) -> dict[str, tuple[Any, Any]]:
    names = [*a, *(name for name in b if name not in a)]
    found = {name: (a.get(name), b.get(name)) for name in names if a.get(name) != b.get(name)}
    # Where an operation keeps another share of the channels, it keeps other channels, too.
    return {name: pair for name, pair in found.items() if name.replace(_CHANNELS, _SHARE) not in found.keys() - {name}}


def _differing_plans(a: Values, b: Values) -> dict[str, tuple[Any, Any]]:
    """Return what differs on the edges of both sides; that others are missing is a difference of the genotypes."""
    found = _differing(a, b)
    return {name: pair for name, pair in found.items() if not (name.endswith(_SHARE) and None in pair)}


def _flat(value: Mapping[str, Any], before: str = "") -> Values:
    """Return the entries of nested mappings by dotted names."""
    found: Values = {}
    for name, entry in value.items():
        found |= _flat(entry, f"{before}{name}.") if isinstance(entry, Mapping) else {f"{before}{name}": _plain(entry)}
    return found


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _network(folder: StoragePath, record: TrialRecord) -> tuple[Genotype, ChannelPlan | None] | None:
    """Return genotype and plan, by the sweep's main ranker and rule for a search; None before there is a genotype."""
    if not isinstance(record, SearchRecord):
        file = TrialFolder(folder).network
        if file.is_file():
            return read_network(file)
        return None if record.genotype is None else (record.genotype, None)
    sweep = sweep_of(folder)
    if sweep is not None and record.trial.skip == "allocated" and rules_of(sweep)[0] != SKIP_FREE:
        ranking, rule = rankings_of(sweep)[0], rules_of(sweep)[0]
        if TrialFolder(folder).allocation(record.trial.epochs, ranking).summary.is_file():
            return found_network(record.trial, folder, ranking, rule)
    return None if record.genotype is None else (record.genotype, None)


def _edge_names(genotype: Genotype, cell_type: CellType) -> list[str]:
    """Return a name for every edge of a cell, such as `0→2`; further edges between the same nodes are numbered."""
    names: list[str] = []
    for edge in genotype.cell(cell_type).edges:
        name = f"{edge.source}→{edge.target}"
        same = sum(known.partition(" ")[0] == name for known in names)
        names.append(f"{name} ({same + 1})" if same else name)
    return names


def _edges(genotype: Genotype) -> Values:
    found: Values = {}
    for cell_type in CELL_TYPES:
        cell = genotype.cell(cell_type)
        for name, edge in sorted(zip(_edge_names(genotype, cell_type), cell.edges, strict=True)):
            found[f"{cell_type} {name}"] = published_name(edge.operation)
        found[f"{cell_type} output of"] = list(cell.concat)
    return found


def _plan(genotype: Genotype, plan: ChannelPlan | None) -> Values:
    """Return the share of channels that operations keep, per stage and edge: 1 without a plan."""
    found: Values = {
        "allocation": None if plan is None else f"{plan.allocation} of {plan.ranking}",
        "share refilled": 0.0 if plan is None else plan.refilled_share,
    }
    for stage in range(NUM_STAGES):
        names = _edge_names(genotype, stage_cell_type(stage))
        edges = [None] * len(names) if plan is None else plan.stages[stage]
        shares = [1.0 if edge is None else edge.kept_fraction for edge in edges]
        if shares:
            found[f"stage {stage}: mean share kept"] = sum(shares) / len(shares)
        for name, edge, share in zip(names, edges, shares, strict=True):
            found[f"stage {stage} {name}: {_SHARE}"] = share
            if edge is not None and 0.0 < share < 1.0:
                found[f"stage {stage} {name}: {_CHANNELS}"] = list(edge.kept_channels(len(edge.order)))
    return found


def _accuracy(record: TrialRecord) -> Values:
    found: Values = {"state": record.state, "epochs done": record.epoch}
    if isinstance(record, SearchRecord):
        found["search_valid, last epoch"] = record.rows[-1].accuracy if record.rows else None
    elif record.result is not None:
        assert isinstance(record, NetworkRecord | StandaloneRecord)
        found["test, final epoch"] = record.result.test_accuracy
        if record.kind == "retraining":
            found["test, best epoch (optimistic)"] = record.result.best_test_accuracy
    return found


def _cost(record: TrialRecord) -> Values:
    found: Values = {}
    if isinstance(record, NetworkRecord | StandaloneRecord) and record.result is not None:
        found |= {"parameters": record.result.parameters, "MACs": record.result.macs}
    peaks = [row.peak_bytes for row in record.rows if row.peak_bytes is not None]
    return found | {"seconds": record.seconds, "peak bytes": max(peaks, default=None)}


def _environment(record: TrialRecord) -> Values:
    return {
        **(record.environment or {}),
        "torch device": record.device,
        "host": record.host,
        "threads": record.threads,
        "resumes": record.resumes,
        "trained as": record.shared_with,
    }
