"""The public functions: the verbs of the command line, for Python."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, overload

from aca_ray.config import GivenSpec, RuntimeSpec, SpecSource, SweepSpec, given_spec, load_spec, parse_spec
from aca_ray.errors import ConfigError, unknown_name
from aca_ray.result import Result
from aca_ray.storage import StoragePath, storage_path
from aca_ray.storage.checkpoint import SUFFIX

if TYPE_CHECKING:
    from aca_ray.cluster.doctor import Check
    from aca_ray.comparison import Comparison
    from aca_ray.display import Progress, View
    from aca_ray.driver.estimating import SweepEstimate
    from aca_ray.driver.mirror import Mirror
    from aca_ray.driver.pool import OpenPool
    from aca_ray.driver.run import SweepOutcome
    from aca_ray.exports import Export
    from aca_ray.nn import DerivedNetwork
    from aca_ray.records import AllocationSummary, StandaloneRecord
    from aca_ray.space import ChannelPlan, Genotype
    from aca_ray.sweep.exporting_all import NetworkExport
    from aca_ray.sweep.manifest import Sweep
    from aca_ray.sweep.planning import SweepPlan

Storage = str | StoragePath
DEFAULT_STORAGE = Path("results")


def check(spec: SpecSource) -> tuple[SweepSpec, SweepPlan]:
    """Validate a spec, build its supernets without running anything, and return it with its plan.

    Args:
        spec: path of a YAML file, a mapping with the same keys, or a `SweepSpec`; relative data paths are relative to
            the file, or to the working directory.

    Raises:
        ConfigError: the file is missing or anything in it is wrong; lists all problems.
    """
    return _planned(given_spec(spec))


def _planned(given: GivenSpec) -> tuple[SweepSpec, SweepPlan]:
    from aca_ray.sweep.planning import plan_sweep

    spec = _parsed(given)
    return spec, plan_sweep(spec, given.base)


def _parsed(given: GivenSpec) -> SweepSpec:
    from aca_ray.sweep.vocabulary import vocabulary

    return parse_spec(given.text, vocabulary(given.base), given.origin)


def estimate(
    spec: SpecSource, *, address: str | None = None, local: bool = False, stream: TextIO | None = None
) -> SweepEstimate:
    """Take a few steps of every kind of trial in a spec, and return the time that its sweep takes; no file is kept.

    Args:
        spec: as in `check`.
        address: address of a running Ray cluster; overrides runtime.address.
        local: whether to measure in this process, for a sweep that runs in one process without Ray.
        stream: output for progress; standard output if None.

    Raises:
        ConfigError: the spec is wrong.
        SweepError: no cluster answers, no node can hold a trial, or trials could not be measured.
    """
    given = given_spec(spec)
    loaded, _ = _planned(given)
    return measure(loaded, given.base, address, local=local, stream=stream)


def measure(
    spec: SweepSpec, base: Path, address: str | None = None, *, local: bool = False, stream: TextIO | None = None
) -> SweepEstimate:
    """Return the time that the sweep of a checked spec takes; see `estimate`."""
    from aca_ray.driver.estimating import estimate_sweep
    from aca_ray.driver.interrupt import Interrupt
    from aca_ray.records import SweepFolder
    from aca_ray.sweep.manifest import Sweep

    base = base.resolve()
    sweep = Sweep(spec, base, SweepFolder(base / spec.name), text="")

    def say(text: str) -> None:
        print(text, file=stream or sys.stdout, flush=True)

    open_pool = _local_pool(spec.runtime) if local else _measuring_pool(spec.runtime, address)
    begin = time.perf_counter()
    with Interrupt().handling_signals() as interrupt, open_pool(interrupt, say) as pool:
        opening = time.perf_counter() - begin
        return estimate_sweep(sweep, pool, say, opening=opening, rehearsal=_rehearsal(spec, address, local=local))


def _rehearsal(spec: SweepSpec, address: str | None, *, local: bool) -> Callable[[Sweep], SweepOutcome] | None:
    """Return what runs a sweep on this machine, or None if trials would run on a cluster."""
    from aca_ray.cluster.session import cluster_address
    from aca_ray.display import QuietView

    if not local and cluster_address(address or spec.runtime.address) is not None:
        return None
    return lambda sweep: drive(sweep, local=local, view=QuietView())


def run(spec: SpecSource, *, address: str | None = None, local: bool = False, stream: TextIO | None = None) -> Result:
    """Run everything in a spec that is not done yet and return the result of the sweep.

    An existing sweep of the same name grows: its finished trials stay, and the trials that the spec adds are run.

    An interrupt (Ctrl-C, the stop button of a notebook) saves what is running and returns; `resume` continues.

    Args:
        spec: as in `check`.
        address: address of a running Ray cluster; overrides runtime.address.
        local: whether to run all trials in this process, one after the other, without Ray.
        stream: output for progress; None for standard output, in a notebook a table below the cell.

    Raises:
        ConfigError: the spec is wrong, or no longer asks for a trial that is finished; nothing was started.
        SweepError: another process drives the sweep, no cluster answers, no node can hold a trial, or the nodes do not
            share the storage folder.
    """
    sweep = create(spec)
    return Result(sweep, drive(sweep, address, local=local, stream=stream))


def resume(
    name: str,
    *,
    storage: Storage = DEFAULT_STORAGE,
    address: str | None = None,
    local: bool = False,
    stream: TextIO | None = None,
) -> Result:
    """Check and resume an unfinished sweep by its newest spec, and return its result; see `run`."""
    sweep = reopen(name, storage)
    return Result(sweep, drive(sweep, address, local=local, stream=stream))


def load(name: str, *, storage: Storage = DEFAULT_STORAGE) -> Result:
    """Return the result of a sweep that ran elsewhere, or still runs; needs no Ray, and writes nothing.

    Args:
        name: name of the sweep, or path or URI of its folder.
        storage: folder or URI of all sweeps.

    Raises:
        ConfigError: there is no such sweep; lists the sweeps that exist.
    """
    return Result(find(name, storage))


def create(spec: SpecSource) -> Sweep:
    """Check a spec and return its sweep, created, or grown if it exists; nothing is run.

    Raises:
        ConfigError: the spec is wrong, no longer asks for a trial that is finished, or its images have changed.
        SweepError: the sweep exists, and another process drives it.
    """
    from aca_ray.sweep.growing import start_sweep
    from aca_ray.sweep.images import check_images, keep_images
    from aca_ray.sweep.manifest import folder_of

    given = given_spec(spec)
    loaded, plan = _planned(given)
    check_images(folder_of(loaded), loaded, plan)
    sweep = start_sweep(loaded, given.base, given.text, given.file_name)
    keep_images(sweep.folder, loaded, plan)
    return sweep


def find(name: str, storage: Storage = DEFAULT_STORAGE) -> Sweep:
    """Return a sweep by name, or by the path or URI of its folder."""
    from aca_ray.sweep.manifest import find_sweep

    return find_sweep(name, storage_path(storage))


def reopen(name: str, storage: Storage = DEFAULT_STORAGE) -> Sweep:
    """Return a sweep by name; if it is unfinished, its data and networks are checked as in `create`.

    Raises:
        ConfigError: there is no such sweep, its unfinished trials can't run, or its images have changed.
    """
    from aca_ray.display import read_progress
    from aca_ray.sweep.images import check_images, keep_images
    from aca_ray.sweep.orders import all_orders
    from aca_ray.sweep.planning import plan_sweep

    sweep = find(name, storage)
    sweep.plugins.load()
    if any(line.state != "finished" for line in read_progress(all_orders(sweep)).lines):
        plan = plan_sweep(sweep.spec, sweep.base)
        check_images(sweep.folder, sweep.spec, plan)
        keep_images(sweep.folder, sweep.spec, plan)
    return sweep


def drive(
    sweep: Sweep,
    address: str | None = None,
    *,
    local: bool = False,
    stream: TextIO | None = None,
    view: View | None = None,
) -> SweepOutcome:
    """Run everything in a sweep that is not done yet, and return how that ended; see `run`.

    `view` shows the trials; None for a table on a terminal or in a notebook, or lines in a file or pipe, written to
    `stream`.
    """
    from aca_ray.driver.run import run_sweep
    from aca_ray.sweep.manifest import settle_sweep

    settle_sweep(sweep)
    open_pool = _local_pool(sweep.spec.runtime) if local else _ray_pool(sweep, address)
    return run_sweep(sweep, open_pool, _mlflow, view or _view(stream))


def _view(stream: TextIO | None) -> View:
    from aca_ray.display import LiveView, NotebookView, notebook_output

    show = notebook_output() if stream is None else None
    if show is not None:
        return NotebookView(show)
    out = stream or sys.stdout
    return LiveView(out, in_place=out.isatty())


def _local_pool(runtime: RuntimeSpec) -> OpenPool:
    from aca_ray.driver.local import local_pool

    return lambda interrupt, say: local_pool(runtime, interrupt)


def _measuring_pool(runtime: RuntimeSpec, address: str | None) -> OpenPool:
    from aca_ray.cluster.pool import measuring_pool

    return partial(measuring_pool, runtime, address or runtime.address)


def _ray_pool(sweep: Sweep, address: str | None) -> OpenPool:
    from aca_ray.cluster.pool import ray_pool

    return partial(ray_pool, sweep, address or sweep.spec.runtime.address)


def _mlflow(sweep: Sweep) -> Mirror:
    from aca_ray.tracking import Tracker, open_store

    store = open_store(sweep.spec.runtime.tracking, sweep.storage)
    return Tracker(store, sweep.spec.name, sweep.identity)


def doctor(spec: SpecSource | None = None, *, address: str | None = None) -> Iterator[Check]:
    """Yield the checks of a Ray cluster and, with a spec, of whether its sweep can run there; no trial is run.

    Args:
        spec: as in `check`, or None.
        address: address of a running Ray cluster; overrides runtime.address.

    Raises:
        ConfigError: the spec is wrong.
    """
    from aca_ray.cluster.doctor import examine

    if spec is None:
        return examine(address, None, Path.cwd())
    given = given_spec(spec)
    loaded = _parsed(given)
    return examine(address or loaded.runtime.address, loaded, given.base.resolve())


def submit(spec: Path | str, *, address: str) -> str:
    """Submit a sweep to Ray's job server and return the job id; submitting it again resumes it.

    Code and spec are uploaded with the job; the data is looked up where the job runs.

    Args:
        spec: path of a YAML file, whose folder is uploaded; a `SweepSpec` writes one with `save`.
        address: URL of the job server, such as http://HEAD:8265.

    Raises:
        ConfigError: the spec is wrong, or is not a path; nothing was sent.
        SweepError: the job server does not answer, or refuses.
    """
    from aca_ray.cluster.jobs import submit as submit_job
    from aca_ray.sweep.vocabulary import vocabulary

    if not isinstance(spec, str | Path):
        raise ConfigError(
            f"spec: must be the path of a file, whose folder is uploaded with the job; found {type(spec).__name__}. "
            "Save it first: SweepSpec.save(path)"
        )
    path = Path(spec)
    names = replace(vocabulary(path.parent), data_problems=lambda data, place: [])
    return submit_job(path, load_spec(path, names), address)


def status(name: str, *, storage: Storage = DEFAULT_STORAGE) -> tuple[Progress, bool]:
    """Return the progress of a sweep, and whether a process drives it now; needs no Ray."""
    from aca_ray.display import read_progress
    from aca_ray.storage.lock import is_held
    from aca_ray.sweep.orders import all_orders

    sweep = find(name, storage)
    return read_progress(all_orders(sweep)), is_held(sweep.folder.lock)


def watch(name: str, view: View, *, storage: StoragePath = DEFAULT_STORAGE) -> bool:
    """Show the trials of a sweep until no process drives it; return whether one did at first. Needs no Ray."""
    from aca_ray.display import watch as watch_orders
    from aca_ray.storage.lock import is_held
    from aca_ray.sweep.orders import all_orders

    sweep = find(name, storage)
    return watch_orders(all_orders(sweep), lambda: is_held(sweep.folder.lock), view)


def rank(
    names: Sequence[str | StoragePath],
    *,
    rankings: Sequence[str] = (),
    rules: Sequence[str] = (),
    protocol: str | Mapping[str, Any] | None = None,
    base: Path | None = None,
    out: StoragePath | None = None,
    storage: Storage = DEFAULT_STORAGE,
    threads: int = 1,
) -> dict[StoragePath, AllocationSummary]:
    """Rank and allocate the channels of saved supernets, as Ray tasks; return the summaries by output folder.

    Existing results are reused. The results for a sweep are written to the sweep's own folders, where a run finds them
    if the spec later asks for the same rankers and rules. Their parameters and MACs are those of the sweep's protocol.

    Args:
        names: checkpoints (milestones of searches), or sweeps: the name or folder of a sweep stands for all milestones
            of its searches with allocated skips.
        rankings: names of rankers; empty for those of the sweep, or the default for checkpoints.
        rules: names of allocation rules, the main one first; empty for the default. A sweep adds its own rules.
        protocol: retraining protocol, by name or value, that sets the network size for the parameters and MACs of
            checkpoints' plans; None for the protocol of the checkpoint's sweep, or the default.
        base: base folder of relative data paths; None for that of the checkpoint's sweep.
        out: output folder, with one folder per checkpoint and ranker; None writes beside each checkpoint.
        storage: folder of all sweeps.
        threads: torch threads per task.

    Raises:
        ConfigError: a name is unknown or a file does not exist; lists all problems.
        CheckpointError: a file is not a checkpoint of a search.
        SweepError: a task failed, or another process drives the sweep.
    """
    from aca_ray.cluster.pool import task_pool
    from aca_ray.driver.rank import rank_checkpoints
    from aca_ray.sweep.ranking_orders import ranking_orders, sweep_orders

    paths = [storage_path(name) if isinstance(name, str) else name for name in names]
    checkpoints = [path for path in paths if path.suffix == SUFFIX or path.is_file()]
    sweeps = [find(str(name), storage) for name, path in zip(names, paths, strict=True) if path not in checkpoints]
    for sweep in sweeps:
        sweep.plugins.load()
    given = {"protocol": protocol, "base": base, "out": out}
    if sweeps and any(value is not None for value in given.values()):
        keys = [key for key, value in given.items() if value is not None]
        raise ConfigError([f"{key}: is for checkpoints only; leave it out for a sweep" for key in keys])
    orders = [order for sweep in sweeps for order in sweep_orders(sweep, rankings, rules)]
    if checkpoints or not sweeps:
        orders += ranking_orders(checkpoints, rankings, rules, protocol, base, out)
    return rank_checkpoints(orders, threads, [sweep.folder for sweep in sweeps], partial(task_pool, threads))


def retrain(
    network: str,
    *,
    data: str | Mapping[str, Any],
    protocol: str | Mapping[str, Any] = "cifar",
    seed: int = 0,
    out: Path | str,
    threads: int = 1,
    gpu: bool = False,
    stream: TextIO | None = None,
) -> StandaloneRecord:
    """Retrain a derived network from scratch and return its record; resumes a retraining that was killed.

    Args:
        network: name of a published genotype; a genotype as printed by other codes; an architecture string; or the
            path of a file with one of these, a network.json or a genotype.json.
        data: data set: a name, or a mapping with its keys; relative paths are relative to the working directory.
        protocol: retraining protocol: a name, or a mapping such as {"base": "cifar", "epochs": 100}.
        seed: seed of the retraining.
        out: folder of checkpoints and record.
        threads: torch threads.
        gpu: whether to compute on the GPU.
        stream: output for a line per epoch; standard output if None.
    """
    from aca_ray.trials.standalone import retrain

    return retrain(network, _mapping(data), protocol, seed, Path(out), threads, gpu, stream or sys.stdout)


@overload
def _mapping(data: str | Mapping[str, Any]) -> Mapping[str, Any]: ...
@overload
def _mapping(data: str | Mapping[str, Any] | None) -> Mapping[str, Any] | None: ...
def _mapping(data: str | Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    return {"name": data} if isinstance(data, str) else data


def compare(
    names: Sequence[str],
    *,
    storage: Storage = DEFAULT_STORAGE,
    out: Storage | None = None,
    by: str | None = None,
) -> tuple[Comparison, StoragePath]:
    """Compare the finished trials of sweeps; return the comparison and the folder with its tables and plots.

    Args:
        names: names of sweeps, or paths or URIs of their folders.
        storage: folder of all sweeps.
        out: output folder, needed for sweeps that are read-only; None for the folder of a single sweep, or a folder in
            `storage` for several.
        by: column in which the sweeps may differ although networks are only compared where it is equal, such as
            space; `aca_ray.comparison.compare_by` then compares its values.
    """
    from aca_ray.comparison import require_column
    from aca_ray.sweep.comparing import compare_sweeps

    if by is not None:
        require_column(by)
    if not names:
        raise ConfigError("compare: needs at least one sweep")
    sweeps = [find(name, storage) for name in names]
    if out is not None:
        folder = storage_path(out)
    elif len(sweeps) == 1:
        folder = sweeps[0].folder.comparison
    else:
        folder = storage_path(storage) / "comparisons" / "-".join(sweep.spec.name for sweep in sweeps)
    return compare_sweeps(sweeps, folder, by=by), folder


def export(
    network: str,
    *,
    format: str = "python",
    out: Storage | None = None,
    storage: Storage = DEFAULT_STORAGE,
    protocol: str | Mapping[str, Any] | None = None,
    data: str | Mapping[str, Any] | None = None,
) -> Export:
    """Export a network to files that run without this package, checked to give the same logits; see `export_all`.

    A model card (Markdown) and a picture of the cells are written beside them.

    The network of a retraining has its trained weights. Untrained are the result of a search (with the plan of the main
    allocation rule where skips are allocated), a genotype, and an architecture that was looked up in a table.

    Args:
        network: first digits of a trial's fingerprint, alone or as SWEEP/DIGITS; path or URI of a trial's folder; name
            of a published genotype; a genotype as printed by other codes; an architecture string; or the path of a file
            with one of these, or of a network.json.
        format: onnx, torch-export, python (a file that imports torch alone, the weights beside it) or json.
        out: output file; None for a file in the working directory, named after the network.
        storage: folder of all sweeps.
        protocol: retraining protocol, by name or value, that sets the size of an untrained network; None for that of
            its sweep, or cifar.
        data: data set of an untrained network, by name or mapping; None for that of its search, or CIFAR-10.

    Raises:
        ConfigError: a name is unknown or ambiguous, or a trial has not finished.
        CheckpointError: the weights are damaged.
        DataError: the image size must be read from the data, and the data can't be read.
        ExportError: a package is missing (pip install 'aca-ray[export]'), or the logits differ; nothing is written.
        StorageError: a file can't be read or written.
    """
    from aca_ray.exports import FORMATS, write_export
    from aca_ray.sweep.exporting import read_named
    from aca_ray.sweep.model_card import check_card_file, write_card

    if format not in FORMATS:
        raise ConfigError(unknown_name("format", "format", format, FORMATS))
    named = read_named(network, storage_path(storage), protocol, _mapping(data))
    path = storage_path(out or f"{named.file_name}{FORMATS[format].suffix}")
    check_card_file(path)
    return write_card(named, write_export(named.exported, format, path), [format])


def export_all(
    name: str, *, format: str = "python", out: Storage | None = None, storage: Storage = DEFAULT_STORAGE
) -> Iterator[NetworkExport]:
    """Export every finished network of a sweep into a folder with an index, and yield what became of each.

    Exports that are there already and equal stay as they are; a network that fails does not stop the others.

    Args:
        name: name of a sweep, or path or URI of its folder.
        format: as in `export`.
        out: the folder; None for exports/<sweep> in the working directory.
        storage: folder of all sweeps.

    Raises:
        ConfigError: a name is unknown.
        StorageError: the index in the folder can't be read or written.
    """
    from aca_ray.exports import FORMATS
    from aca_ray.sweep.exporting_all import export_sweep

    if format not in FORMATS:
        raise ConfigError(unknown_name("format", "format", format, FORMATS))
    sweep = find(name, storage)
    return export_sweep(sweep, format, storage_path(out or Path("exports", sweep.spec.name)))


def log_model(network: str, *, storage: Storage = DEFAULT_STORAGE, register: str | None = None) -> str:
    """Log the trained network of a retraining as an MLflow model of its run; return the model's URI.

    The model takes (N, C, H, W) normalized float32 images and returns (N, K) logits. It loads and is served without
    this package.

    Args:
        network: a retraining of a sweep, named as in `export`.
        storage: folder of all sweeps.
        register: name of the registered model that gets this model as a new version, or None.

    Raises:
        ConfigError: the name is unknown, ambiguous, or not that of a finished retraining of a sweep.
        CheckpointError: the weights are damaged.
        StorageError: MLflow can't be reached, or has no run of the retraining.
    """
    from aca_ray.exports import stand_alone
    from aca_ray.sweep.exporting import read_named
    from aca_ray.tracking import open_store
    from aca_ray.tracking.model import log_model as log_to_store

    named = read_named(network, storage_path(storage))
    sweep, trial = named.sweep, named.exported.trial
    if sweep is None or trial is None or named.exported.weights is None:
        raise ConfigError(f"{network}: is untrained or not of a sweep; to log a model, name a retraining of a sweep")
    alone = stand_alone(named.exported)
    return log_to_store(
        open_store(sweep.spec.runtime.tracking, sweep.storage),
        sweep.spec.name,
        trial["fingerprint"],
        alone.module,
        alone.images.numpy(),
        alone.logits.numpy(),
        alone.metadata,
        register,
    )


def show(
    network: str,
    *,
    out: Storage | None = None,
    storage: Storage = DEFAULT_STORAGE,
    protocol: str | Mapping[str, Any] | None = None,
    data: str | Mapping[str, Any] | None = None,
) -> str:
    """Return a network's cells, channel plan and cost as text.

    Args:
        network: as in `export`, like storage, protocol and data.
        out: .svg file that the cells are drawn to; None for no drawing.
        storage: folder of all sweeps.
        protocol: retraining protocol, by name or value, that sets the size of the network.
        data: data set of the network, by name or mapping.

    Raises:
        AcaRayError: see `export`.
    """
    from aca_ray.report.cell_text import cell_text
    from aca_ray.sweep.exporting import read_named

    exported = read_named(network, storage_path(storage), protocol, _mapping(data), with_weights=False).exported
    if out is not None:
        from aca_ray.report.cells import draw_genotype

        drawing = storage_path(out)
        if drawing.suffix != ".svg":
            raise ConfigError(f"out: must end in .svg, found {out}")
        draw_genotype(exported.genotype, drawing, exported.plan)
    return f"{exported.summary()}\n\n{cell_text(exported.genotype, exported.plan, exported.widths())}"


def build(
    genotype: Genotype | Path | str,
    num_classes: int = 10,
    *,
    protocol: str | Mapping[str, Any] = "cifar",
    plan: ChannelPlan | None = None,
    in_channels: int = 3,
    auxiliary: bool = False,
) -> DerivedNetwork:
    """Return the network of a genotype as a torch module, untrained and in training mode.

    Called with (N, C, H, W) images, it returns (N, num_classes) logits. The weights are drawn from torch's global
    generator. With `set_drop_path`, operations are dropped at random during training.

    Args:
        genotype: name of a published genotype, such as "DARTS_V2"; a genotype as printed by other codes; an
            architecture string; path of a file with one of these, or of a network.json with its channel plan; or a
            `Genotype`.
        num_classes: number of logits.
        protocol: retraining protocol, which sets channels, cells and stem: a name, or a mapping such as
            {"base": "cifar", "channels": 16, "cells": 8}.
        plan: channels that skip connections refill; None for none, or for the plan of the file.
        in_channels: channels of the images.
        auxiliary: whether to build the auxiliary tower, whose logits `forward_with_auxiliary` returns during training;
            images must then be 32x32, or 224x224 for protocols of ImageNet.

    Raises:
        ConfigError: a name, a file or a number is wrong, or the plan does not fit the genotype; lists all problems.
    """
    from aca_ray.building import build_network

    return build_network(genotype, num_classes, protocol, plan, in_channels, auxiliary)
