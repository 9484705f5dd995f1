"""Plans of sweeps: every object is built and nothing runs. `check` prints the plan, and `run` makes it first."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from aca_ray.config import ExperimentSpec, SearchTrial, SweepSpec, search_trials
from aca_ray.data import CheckedData, DataInfo
from aca_ray.errors import AcaRayError, ConfigError
from aca_ray.methods.registry import find_method
from aca_ray.nn import Cost, supernet_cost
from aca_ray.nn.image_scale import scale_of_images
from aca_ray.records.layout import SweepFolder
from aca_ray.retraining import check_device, check_fits, find_protocol
from aca_ray.space import find_space
from aca_ray.space.candidates import NONE, SKIP
from aca_ray.sweep.manifest import Sweep
from aca_ray.sweep.orders import network_orders, protocol_of, search_orders
from aca_ray.trials.batch_of_one import (
    TrainingPass,
    batch_of_one_problem,
    failing_passes,
    retraining_pass,
    search_passes,
)
from aca_ray.trials.datasets import DataRef
from aca_ray.trials.looking_up import read_benchmark
from aca_ray.trials.retraining import table_json
from aca_ray.trials.searching import search_space


@dataclass(frozen=True)
class PlannedSearch:
    """A search and the cost of its first supernet."""

    trial: SearchTrial
    supernet: Cost


@dataclass(frozen=True)
class SweepPlan:
    """The work of a sweep.

    Attributes:
        searches: all searches, with the costs of their supernets.
        num_retrainings: number of retrainings.
        num_look_ups: number of look-ups in a benchmark's table.
        data: results of the data checks, per data set.
    """

    searches: tuple[PlannedSearch, ...]
    num_retrainings: int
    num_look_ups: int
    data: tuple[CheckedData, ...]


def plan_sweep(spec: SweepSpec, base: Path) -> SweepPlan:
    """Read the data of a sweep (including the test split), build its supernets, and return the plan.

    Raises:
        ConfigError: parts of the spec do not fit together; lists all problems.
    """
    experiment = spec.experiment
    problems: list[str] = []
    found: dict[int, CheckedData] = {}
    protocol = find_protocol(protocol_of(experiment))
    if experiment.retraining is not None:
        try:
            check_device(protocol, "cuda" if spec.runtime.gpus_per_trial else "cpu")
        except ConfigError as error:
            problems.append(f"experiment.retraining: {error}")
    for index, data in enumerate(experiment.data):
        place = f"experiment.data[{index}]"
        try:
            found[index] = DataRef(data, base).checked()
            problems += _size_problems(found[index].info, place)
            if experiment.retraining is not None:
                check_fits(protocol, found[index].info)
        except AcaRayError as error:
            problems.append(f"{place}: {error}")
    for index, name in enumerate(experiment.methods):
        problems += _method_problems(name, f"experiment.methods[{index}]", experiment)
    problems += _space_problems(experiment)
    if experiment.table is not None:
        try:
            read_benchmark(table_json(experiment.table), base)
        except AcaRayError as error:
            problems.append(f"experiment.table: {error}")
    if problems:
        raise ConfigError(problems)
    index_of = {str(dict(data)): index for index, data in enumerate(experiment.data)}
    cost_once = cache(supernet_cost)  # most methods of a sweep search the same supernets
    searches = []
    failing: dict[int, list[TrainingPass]] = {}
    for trial in search_trials(experiment):
        index = index_of[str(dict(trial.data))]
        info, space = found[index].info, search_space(trial)
        method = find_method(trial.method).on(space)
        cost = cost_once(
            space,
            method.edge_builder(space, stage=0),
            method.build_head,
            channels=trial.network["channels"],
            num_cells=method.num_cells(space, 0, trial.network["cells"]),
            num_classes=info.num_classes,
            in_channels=info.channels,
            height=info.height,
            width=info.width,
        )
        searches.append(PlannedSearch(trial, cost))
        failing.setdefault(index, []).extend(
            failing_passes(trial, None if experiment.retraining is None else protocol, found[index])
        )
    others = {one for planned in searches for one in search_passes(planned.trial)} | {retraining_pass(protocol)}
    problems = [
        f"experiment.data[{index}]: {batch_of_one_problem(passes, found[index], others)}"
        for index, passes in sorted(failing.items())
        if passes
    ]
    if problems:
        raise ConfigError(problems)
    sweep = Sweep(spec, base, SweepFolder(base), text="")
    kinds = [order.trial.kind for search in search_orders(sweep) for order in network_orders(sweep, search)]
    return SweepPlan(tuple(searches), kinds.count("retraining"), kinds.count("look-up"), tuple(found.values()))


def _size_problems(info: DataInfo, place: str) -> list[str]:
    """Return the problem of images whose size supernets can't halve as often as they must."""
    multiple = scale_of_images(info.height, info.width).size_multiple
    if info.height % multiple == info.width % multiple == 0:
        return []
    return [
        f"{place}: height and width must be divisible by {multiple} for searches on images of this size, because stem "
        f"and reduction cells halve them, found {info.width}x{info.height}; set resize to scale them"
    ]


def _space_problems(experiment: ExperimentSpec) -> list[str]:
    """Return the problems of spaces in which every operation is a skip connection, so that nothing can be refilled."""
    if "allocated" not in experiment.skip:
        return []
    problems = []
    for index, text in enumerate(experiment.spaces):
        space = find_space(text)
        names = {name for kind in space.cell_types for edge in space.candidates(kind) for name in edge}
        if names <= {NONE, SKIP}:
            problems.append(
                f"experiment.spaces[{index}]: must offer an operation besides none and {SKIP}, because experiment.skip "
                f"has allocated; found {text}. Add one, or set skip: searched"
            )
    return problems


def _method_problems(name: str, place: str, experiment: ExperimentSpec) -> list[str]:
    """Return the problems of running a method in an experiment."""
    method, channels, problems = find_method(name), experiment.network.channels, []
    divisor = max(method.on(find_space(space)).channel_divisor for space in experiment.spaces)
    if channels % divisor:
        problems.append(
            f"experiment.network.channels: must be divisible by {divisor} for {place} ({name}), found {channels}"
        )
    for index, space in enumerate(experiment.spaces):
        reason = method.refuses(find_space(space))
        if reason is not None:
            problems.append(
                f"experiment.spaces[{index}]: must be a space that {place} ({name}) is defined on; {space} {reason}. "
                f"Remove one of the two, or use separate sweeps. Registered spaces of {name}: "
                f"{', '.join(method.spaces) or 'none'}"
            )
    return problems
