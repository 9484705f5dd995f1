"""The public functions: what the command line does, for Python."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from aca_ray.config import SweepSpec, load_spec, read_spec
from aca_ray.errors import ConfigError, unknown_name
from aca_ray.storage import StoragePath, storage_path

if TYPE_CHECKING:
    from aca_ray.comparison import Comparison
    from aca_ray.display import Progress
    from aca_ray.exports import Export
    from aca_ray.pipeline.manifest import Sweep
    from aca_ray.pipeline.planning import SweepPlan
    from aca_ray.records import TrialRecord
    from aca_ray.sweep.doctor import Check
    from aca_ray.sweep.run import SweepOutcome

DEFAULT_STORAGE = Path("results")


def check(spec: Path | str) -> tuple[SweepSpec, SweepPlan]:
    """Return a spec and its plan, everything validated and built but nothing run.

    Args:
        spec: path of a YAML file.

    Raises:
        ConfigError: the file is missing or anything in it is wrong; holds all problems.
    """
    from aca_ray.pipeline.planning import plan_sweep
    from aca_ray.pipeline.vocabulary import vocabulary

    path = Path(spec)
    loaded = load_spec(path, vocabulary(path.parent))
    return loaded, plan_sweep(loaded, path.parent)


def run(spec: Path | str, *, address: str | None = None, stream: TextIO | None = None) -> SweepOutcome:
    """Run a sweep, or what is left of it, and return how it ended.

    A sweep of the same name grows: finished trials stay, and what the spec asks for beside them is added.

    Args:
        spec: path of a YAML file.
        address: of a running Ray cluster, instead of runtime.address.
        stream: where progress is shown; standard output if None.

    Raises:
        ConfigError: the spec is wrong, or no longer asks for a trial that is finished; nothing was started.
        SweepError: another process drives the sweep, no cluster answers, no node could hold a trial, or the nodes do
            not share the storage folder.
    """
    return drive(create(spec), address, stream)


def resume(
    name: str, *, storage: StoragePath = DEFAULT_STORAGE, address: str | None = None, stream: TextIO | None = None
) -> SweepOutcome:
    """Check and finish what is left of a sweep, by its newest spec, and return how it ended; see `run`."""
    return drive(reopen(name, storage), address, stream)


def create(spec: Path | str) -> Sweep:
    """Return the sweep of a spec, checked and given its folder, or the one of that name, grown to it; nothing is run.

    Raises:
        ConfigError: the spec is wrong, or no longer asks for a trial that is finished.
        SweepError: the sweep is there, and another process drives it.
    """
    from aca_ray.pipeline.growing import start_sweep

    loaded, _ = check(spec)
    path = Path(spec)
    return start_sweep(loaded, path.parent, read_spec(path), path.name)


def find(name: str, storage: StoragePath = DEFAULT_STORAGE) -> Sweep:
    """Return a sweep by name, or by the path or URI of its folder."""
    from aca_ray.pipeline.manifest import find_sweep

    return find_sweep(name, storage)


def reopen(name: str, storage: StoragePath = DEFAULT_STORAGE) -> Sweep:
    """Return a sweep by name; while trials of it are left, its data and networks are checked as in `create`.

    Raises:
        ConfigError: there is no such sweep, or what is left of it can't run.
    """
    from aca_ray.display import read_progress
    from aca_ray.pipeline.orders import all_orders
    from aca_ray.pipeline.planning import plan_sweep

    sweep = find(name, storage)
    if any(line.state != "finished" for line in read_progress(all_orders(sweep)).lines):
        plan_sweep(sweep.spec, sweep.base)
    return sweep


def drive(sweep: Sweep, address: str | None = None, stream: TextIO | None = None) -> SweepOutcome:
    """Do everything of a sweep that is not done yet; see `run`."""
    from aca_ray.display import LiveView
    from aca_ray.pipeline.manifest import settle_sweep
    from aca_ray.sweep.run import drive_sweep

    settle_sweep(sweep)
    out = stream or sys.stdout
    return drive_sweep(sweep, address or sweep.spec.runtime.address, LiveView(out, in_place=out.isatty()))


def doctor(spec: Path | str | None = None, *, address: str | None = None) -> Iterator[Check]:
    """Yield what a Ray cluster has and, with a spec, whether its sweep could run there; nothing of it is run.

    Args:
        spec: path of a YAML file.
        address: of a running Ray cluster, instead of runtime.address.

    Raises:
        ConfigError: the spec is wrong, whatever the cluster.
    """
    from aca_ray.pipeline.vocabulary import vocabulary
    from aca_ray.sweep.doctor import examine

    if spec is None:
        return examine(address, None, Path.cwd())
    base = Path(spec).resolve().parent
    loaded = load_spec(Path(spec), vocabulary(base))
    return examine(address or loaded.runtime.address, loaded, base)


def submit(spec: Path | str, *, address: str) -> str:
    """Send a sweep to a cluster as a job of Ray's job server and return the job's id; submitted again, it goes on.

    Code and spec travel with the job; the data is looked for where the job runs.

    Args:
        spec: path of a YAML file.
        address: of the job server, such as http://HEAD:8265.

    Raises:
        ConfigError: the spec is wrong; nothing was sent.
        SweepError: the job server does not answer, or refuses.
    """
    from aca_ray.pipeline.vocabulary import vocabulary
    from aca_ray.sweep.jobs import submit as submit_job

    path = Path(spec)
    names = replace(vocabulary(path.parent), data_problems=lambda data, place: [])
    return submit_job(path, load_spec(path, names), address)


def status(name: str, *, storage: StoragePath = DEFAULT_STORAGE) -> tuple[Progress, bool]:
    """Return how far the trials of a sweep are, and whether a process drives it now; Ray need not run."""
    from aca_ray.display import read_progress
    from aca_ray.pipeline.orders import all_orders
    from aca_ray.storage.lock import is_held

    sweep = find(name, storage)
    return read_progress(all_orders(sweep)), is_held(sweep.folder.lock)


def rank(
    names: Sequence[str | StoragePath],
    *,
    rankings: Sequence[str] = (),
    rules: Sequence[str] = (),
    protocol: str | Mapping[str, Any] | None = None,
    base: Path | None = None,
    out: StoragePath | None = None,
    storage: StoragePath = DEFAULT_STORAGE,
    threads: int = 1,
) -> dict[StoragePath, dict[str, Any]]:
    """Rank the channels of saved supernets and allocate them, as Ray tasks; return the summary per folder of an answer.

    What is there already is used. The answers for a sweep go where its own lie, so that they are found when its spec
    asks for the same rankers and rules later; they are counted for the sweep's own protocol.

    Args:
        names: checkpoints (milestones of searches), or sweeps: the name or folder of a sweep stands for all milestones
            of its searches with allocated skips.
        rankings: names of rankers; empty for those of the sweep, for checkpoints the default.
        rules: names of allocation rules, the main one first; empty for the default. For a sweep, rules beside its own.
        protocol: retraining protocol, by name or value, whose network the plans of checkpoints are counted for; None
            for that of the sweep that a checkpoint lies in, or the default.
        base: folder that relative data paths are relative to; None takes it from the sweep that a checkpoint lies in.
        out: folder for the answers, one folder a checkpoint and ranker; None puts them beside each checkpoint.
        storage: folder of all sweeps.
        threads: torch threads of a task.

    Raises:
        ConfigError: a name is unknown or a file does not exist; holds all problems.
        CheckpointError: a file is no checkpoint of a search.
        SweepError: a task failed, or another process drives the sweep.
    """
    from aca_ray.pipeline.ranking_orders import ranking_orders, sweep_orders
    from aca_ray.sweep.rank import rank_checkpoints

    paths = [storage_path(name) if isinstance(name, str) else name for name in names]
    checkpoints = [path for path in paths if path.suffix == ".ckpt" or path.is_file()]
    sweeps = [find(str(name), storage) for name, path in zip(names, paths, strict=True) if path not in checkpoints]
    given = {"protocol": protocol, "base": base, "out": out}
    if sweeps and any(value is not None for value in given.values()):
        keys = [key for key, value in given.items() if value is not None]
        raise ConfigError([f"{key}: is for checkpoints, and a sweep has its own; leave it out" for key in keys])
    orders = [order for sweep in sweeps for order in sweep_orders(sweep, rankings, rules)]
    if checkpoints or not sweeps:
        orders += ranking_orders(checkpoints, rankings, rules, protocol, base, out)
    return rank_checkpoints(orders, threads, [sweep.folder for sweep in sweeps])


def evaluate(
    network: str,
    *,
    data: dict[str, Any],
    protocol: str | Mapping[str, Any] = "cifar",
    seed: int = 0,
    out: Path,
    threads: int = 1,
    gpu: bool = False,
    stream: TextIO | None = None,
) -> TrialRecord:
    """Retrain a derived network from scratch and return its record; killed, it goes on where it was.

    Args:
        network: name of a published genotype; a genotype as the codes of this field print it; architecture string; or
            path of a file with one of these, a network.json or a genotype.json.
        data: data mapping, such as {"name": "digits"}; relative paths are relative to the working directory.
        protocol: retraining protocol: a name, or a mapping such as {"base": "cifar", "epochs": 100}.
        seed: of the retraining.
        out: folder of checkpoints and record.
        threads: torch threads.
        gpu: whether to compute on the GPU.
        stream: where a line per epoch goes; standard output if None.
    """
    from aca_ray.pipeline.standalone import retrain

    return retrain(network, data, protocol, seed, out, threads, gpu, stream or sys.stdout)


def compare(
    names: Sequence[str], *, storage: StoragePath = DEFAULT_STORAGE, out: StoragePath | None = None
) -> tuple[Comparison, StoragePath]:
    """Return the comparison of finished trials of sweeps, and the folder that its tables and plots were written to.

    Args:
        names: of sweeps, or paths or URIs of their folders.
        storage: folder of all sweeps.
        out: where the files go, such as for sweeps that may only be read; None for the folder of the only sweep, or one
            in `storage` for several.
    """
    from aca_ray.pipeline.comparing import compare_sweeps

    if not names:
        raise ConfigError("compare: needs at least one sweep")
    sweeps = [find(name, storage) for name in names]
    if out is not None:
        folder = out
    elif len(sweeps) == 1:
        folder = sweeps[0].folder.comparison
    else:
        folder = storage / "comparisons" / "-".join(sweep.spec.name for sweep in sweeps)
    return compare_sweeps(sweeps, folder), folder


def export(
    network: str,
    *,
    format: str = "python",
    out: StoragePath | None = None,
    storage: StoragePath = DEFAULT_STORAGE,
    protocol: str | Mapping[str, Any] | None = None,
    data: Mapping[str, Any] | None = None,
) -> Export:
    """Write a network as files that run without this package, checked to give the same logits.

    A retraining's network has its trained weights. What a search has found (with the plan of the main allocation rule
    where skips are allocated), a genotype, and what was looked up in a table are untrained.

    Args:
        network: first digits of a trial's fingerprint, alone or as SWEEP/DIGITS; path or URI of a trial's folder; name
            of a published genotype; a genotype as the codes of this field print it; architecture string; or path of a
            file with one of these, or of a network.json.
        format: onnx, torch-export, python (a file that imports torch alone, the weights beside it) or json.
        out: the file; None puts it into the working directory, named after the network.
        storage: folder of all sweeps.
        protocol: retraining protocol, by name or value, that gives the size of an untrained network; None takes that of
            its sweep, without one cifar.
        data: mapping of the data that an untrained network is for; None takes that of its search, without one CIFAR-10.

    Raises:
        ConfigError: a name is unknown or ambiguous, or a trial has not finished.
        CheckpointError: the weights are damaged.
        DataError: the images must be known from the data, and those can't be read.
        ExportError: a package is missing (pip install 'aca-ray[export]'), or the logits differ; nothing is written.
        StorageError: a file can't be read or written.
    """
    from aca_ray.exports import FORMATS, write_export
    from aca_ray.pipeline.exporting import read_named

    if format not in FORMATS:
        raise ConfigError(unknown_name("format", "format", format, FORMATS))
    named = read_named(network, storage, protocol, data)
    return write_export(named.exported, format, out or Path(f"{named.file_name}{FORMATS[format].suffix}"))


def log_model(network: str, *, storage: StoragePath = DEFAULT_STORAGE, register: str | None = None) -> str:
    """Log the trained network of a retraining as an MLflow model of its run; return the model's URI.

    It takes (N, C, H, W) normalized float32 images, returns (N, K) logits, and is loaded and served without this
    package.

    Args:
        network: names a retraining of a sweep, as in `export`.
        storage: folder of all sweeps.
        register: name of the registered model that it becomes a version of, or None.

    Raises:
        ConfigError: the name is unknown or ambiguous, or no finished retraining of a sweep.
        CheckpointError: the weights are damaged.
        StorageError: MLflow can't be reached, or has no run of the retraining.
    """
    from aca_ray.exports import stand_alone
    from aca_ray.pipeline.exporting import read_named
    from aca_ray.tracking import open_store
    from aca_ray.tracking.model import log_model as log_to_store

    named = read_named(network, storage)
    sweep, trial = named.sweep, named.exported.trial
    if sweep is None or trial is None or named.exported.weights is None:
        raise ConfigError(f"{network}: is untrained or of no sweep; an MLflow model is made of a sweep's retraining")
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
    out: StoragePath | None = None,
    storage: StoragePath = DEFAULT_STORAGE,
    protocol: str | Mapping[str, Any] | None = None,
    data: Mapping[str, Any] | None = None,
) -> str:
    """Return a network's cells, channel plan and cost as text.

    Args:
        network: as in `export`, like storage, protocol and data.
        out: where the cells are drawn as well, an .svg file; None for nowhere.
        storage: folder of all sweeps.
        protocol: retraining protocol, by name or value, that gives the network's size.
        data: mapping of the data that the network is for.

    Raises:
        AcaRayError: see `export`.
    """
    from aca_ray.pipeline.exporting import read_named
    from aca_ray.report.cell_text import cell_text

    exported = read_named(network, storage, protocol, data).exported
    if out is not None:
        from aca_ray.report.cells import draw_genotype

        if out.suffix != ".svg":
            raise ConfigError(f"out: must end in .svg, found {out}")
        draw_genotype(exported.genotype, out, exported.plan)
    return f"{exported.summary()}\n\n{cell_text(exported.genotype, exported.plan, exported.widths())}"
