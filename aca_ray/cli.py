"""The command line: parsing and printing. Verbs call aca_ray.api and import heavy packages when they run."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aca_ray import __version__
from aca_ray.arguments import cluster_address, data_mapping, not_negative, positive, protocol_value
from aca_ray.columns import in_columns
from aca_ray.errors import AcaRayError, ConfigError
from aca_ray.storage import StoragePath, storage_path
from aca_ray.terminal import is_of_closed_output, say, show_every_character, silence_closed, told_when_slow, use_utf8

if TYPE_CHECKING:
    from aca_ray.config import RuntimeSpec
    from aca_ray.driver.estimating import SweepEstimate
    from aca_ray.sweep.manifest import Sweep

LISTED = ("methods", "spaces", "data", "rankers", "rules", "controls", "protocols", "sweeps", "trials")
BAD_INPUT, FAILED, INTERRUPTED, PIPE_CLOSED = 2, 1, 130, 141
CHECKING = (
    "still checking the spec: reading the data, and building a supernet for every method, space and data set; this "
    "takes minutes with many cells (experiment.network.cells) or images"
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code.

    The code is 0 for success, 1 for a failure, 2 for bad input, 130 for an interrupt, and 141 for a closed output pipe,
    as in `aca-ray show DARTS_V2 | head -1`.
    """
    if arguments is None:
        use_utf8()
    show_every_character()
    try:
        try:
            return _carry_out(arguments)
        finally:
            sys.stdout.flush()
    except OSError as error:
        if not (is_of_closed_output(error) and silence_closed()):
            raise
        return PIPE_CLOSED


def _carry_out(arguments: Sequence[str] | None) -> int:
    try:
        options = build_parser().parse_args(arguments)
        code: int = options.verb(options)
        return code
    except ConfigError as error:
        for problem in error.problems:
            print(problem, file=sys.stderr)
        return BAD_INPUT
    except AcaRayError as error:
        print(error, file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("interrupted; finished work is kept. To continue, run the same command again", file=sys.stderr)
        return INTERRUPTED


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all verbs; each sets `verb`, the function that runs it."""
    parser = argparse.ArgumentParser(
        prog="aca-ray", description="Sweeps of differentiable architecture search with Adaptive Channel Allocation."
    )
    parser.add_argument("--version", action="version", version=f"aca-ray {__version__}")
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    storage = argparse.ArgumentParser(add_help=False)
    storage.add_argument(
        "--storage",
        type=storage_path,
        default=Path("results"),
        help="folder or URI of all sweeps (s3://bucket/prefix, gs://bucket/prefix; default: results)",
    )

    address: dict[str, Any] = {
        "type": cluster_address,
        "help": "running Ray cluster (host:port or auto); overrides runtime.address",
    }
    cluster = argparse.ArgumentParser(add_help=False)
    cluster.add_argument("--address", **address)
    processes = argparse.ArgumentParser(add_help=False)
    where = processes.add_mutually_exclusive_group()
    where.add_argument("--address", **address)
    where.add_argument(
        "--local", action="store_true", help="run all trials in this process, one after the other, without Ray"
    )

    check = verbs.add_parser(
        "check",
        parents=[processes],
        help="validate a spec and build its supernets, or estimate the time of its sweep",
    )
    check.add_argument("spec", metavar="SPEC", help="sweep spec (YAML)")
    check.add_argument(
        "--estimate", action="store_true", help="take a few steps of every kind of trial, where the sweep would run"
    )
    check.set_defaults(verb=_check)

    run = verbs.add_parser("run", parents=[processes], help="run everything in a sweep spec that is not done yet")
    run.add_argument("spec", metavar="SPEC", help="sweep spec (YAML)")
    run.set_defaults(verb=_run)

    resume = verbs.add_parser("resume", parents=[storage, processes], help="resume an unfinished sweep")
    resume.add_argument("name", metavar="NAME", help="name of a sweep, or path or URI of its folder")
    resume.set_defaults(verb=_resume)

    status = verbs.add_parser("status", parents=[storage], help="show the progress of a sweep, or list all sweeps")
    status.add_argument("name", metavar="NAME", nargs="?", help="name of a sweep, or path or URI of its folder")
    status.set_defaults(verb=_status)

    rank = verbs.add_parser("rank", parents=[storage], help="rank and allocate the channels of saved supernets")
    rank.add_argument(
        "names",
        metavar="SWEEP|CHECKPOINT",
        nargs="+",
        help="sweep (name, path or URI; ranks all milestones of its searches), or milestone of a search (.ckpt)",
    )
    rank.add_argument(
        "--ranking", nargs="+", default=[], help="channel rankers (default: the sweep's; default ranker for a .ckpt)"
    )
    rank.add_argument(
        "--allocation", nargs="+", default=[], help="allocation rules, the main one first; in addition to a sweep's own"
    )
    rank.add_argument(
        "--protocol",
        type=protocol_value,
        help="protocol that sets the network size for parameters and MACs (default: that of the sweep, or cifar)",
    )
    rank.add_argument("--out", type=storage_path, help="output folder (default: beside each checkpoint)")
    rank.add_argument("--base", type=Path, help="base folder of relative data paths")
    rank.add_argument("--threads", type=positive, default=1, help="torch threads per task (default: 1)")
    rank.set_defaults(verb=_rank)

    retrain = verbs.add_parser("retrain", help="retrain a derived network from scratch")
    retrain.add_argument(
        "network",
        metavar="NETWORK",
        help='genotype: a name (DARTS_V2, ...), text as printed by other codes ("Genotype(normal=[..."), an '
        "architecture string, or a file with one of these, or network.json",
    )
    retrain.add_argument(
        "--protocol",
        type=protocol_value,
        default="cifar",
        help="retraining protocol: a name, or a mapping such as '{base: cifar, epochs: 100}' (default: cifar)",
    )
    retrain.add_argument(
        "--data", type=data_mapping, default="cifar10", help="data set: a name, or a JSON mapping (default: cifar10)"
    )
    retrain.add_argument("--seed", type=not_negative, default=0, help="seed of the retraining (default: 0)")
    retrain.add_argument("--out", type=Path, help="folder (default: results/retraining/<NETWORK>-<protocol>-s<seed>)")
    retrain.add_argument("--threads", type=positive, default=1, help="torch threads (default: 1)")
    retrain.add_argument("--gpu", action="store_true", help="compute on the GPU")
    retrain.set_defaults(verb=_retrain)

    named = argparse.ArgumentParser(add_help=False, parents=[storage])
    named.add_argument(
        "network",
        metavar="TRIAL|GENOTYPE",
        help="trial: first digits of its fingerprint, alone or as SWEEP/DIGITS, or its folder; genotype: a name "
        '(DARTS_V2, ...), text as printed by other codes ("Genotype(normal=[..."), an architecture string, or a file '
        "with one of these, or network.json",
    )
    named.add_argument(
        "--protocol",
        type=protocol_value,
        help="protocol of an untrained network: a name, or a mapping as in retrain (default: its sweep's, or cifar)",
    )
    named.add_argument(
        "--data",
        type=data_mapping,
        help="data set of an untrained network: a name, or a JSON mapping (default: that of its search, or cifar10)",
    )
    named.add_argument(
        "--out", type=storage_path, help="output file (export: default from the network's name; show: .svg)"
    )

    export = verbs.add_parser(
        "export", parents=[named], help="export a network to a file that runs without this package"
    )
    export.add_argument(
        "--format", choices=("onnx", "torch-export", "python", "json"), help="file format (default: python)"
    )
    export.add_argument(
        "--mlflow", action="store_true", help="log an MLflow model to its run instead of writing a file"
    )
    export.add_argument("--register", metavar="NAME", help="log a new version of this registered MLflow model")
    export.set_defaults(verb=_export)

    show = verbs.add_parser("show", parents=[named], help="show the cells, channel plan and cost of a network")
    show.set_defaults(verb=_show)

    compare = verbs.add_parser("compare", parents=[storage], help="compare the results of sweeps so far")
    compare.add_argument("names", metavar="NAME", nargs="+", help="name of a sweep, or path or URI of its folder")
    compare.add_argument("--out", type=storage_path, help="folder of report, tables, plots (default: in the results)")
    compare.set_defaults(verb=_compare)

    doctor = verbs.add_parser("doctor", parents=[cluster], help="check a cluster, and whether a sweep can run on it")
    doctor.add_argument("spec", metavar="SPEC", nargs="?", help="sweep spec (YAML)")
    doctor.set_defaults(verb=_doctor)

    listing = verbs.add_parser(
        "list", parents=[storage], help="list the names that a spec can use, the sweeps, or the trials of a sweep"
    )
    listing.add_argument("kind", metavar="KIND", choices=LISTED, help=f"one of {', '.join(LISTED)}")
    listing.add_argument("name", metavar="SWEEP", nargs="?", help="for trials: name of a sweep, or its folder")
    listing.set_defaults(verb=_list)

    server = argparse.ArgumentParser(add_help=False)
    server.add_argument("--address", required=True, help="job server of a Ray cluster, such as http://HEAD:8265")

    submit = verbs.add_parser(
        "submit", parents=[server], help="run a sweep as a job of a Ray cluster; print the job id"
    )
    submit.add_argument("spec", metavar="SPEC", help="sweep spec (YAML); its folder is uploaded with it")
    submit.set_defaults(verb=_submit)

    jobs = verbs.add_parser("jobs", help="list, follow and stop submitted sweeps")
    actions = jobs.add_subparsers(required=True, metavar="ACTION")
    job_list = actions.add_parser("list", parents=[server], help="list submitted sweeps, newest first")
    job_list.set_defaults(verb=_list_jobs)

    logs = actions.add_parser("logs", parents=[server], help="print the output of a job")
    logs.add_argument("job", metavar="ID", help="id that submit printed")
    logs.add_argument("--follow", action="store_true", help="continue until the job ends")
    logs.set_defaults(verb=_logs)

    stop = actions.add_parser("stop", parents=[server], help="save the trials of a job and stop it; submit resumes it")
    stop.add_argument("job", metavar="ID", help="id that submit printed")
    stop.set_defaults(verb=_stop)

    ui = verbs.add_parser("ui", parents=[storage], help="serve the MLflow UI on 127.0.0.1")
    ui.add_argument("--port", type=int, default=5000, help="port (default: 5000)")
    ui.set_defaults(verb=_ui)
    return parser


def _check(options: argparse.Namespace) -> int:
    from aca_ray import api
    from aca_ray.sweep.manifest import experiment_fingerprint

    if not options.estimate and (options.address or options.local):
        raise ConfigError("--address, --local: apply to --estimate only; add it, or leave them out")
    _use_one_thread()
    with told_when_slow(CHECKING):
        spec, plan = api.check(options.spec)
    print(f"{spec.name}: experiment {experiment_fingerprint(spec)[:12]}")
    for data in plan.data:
        info = data.info
        print(
            f"data {info.name}: {info.num_classes} classes of {info.channels}x{info.height}x{info.width}, "
            f"{data.num_train} training and {data.num_test} test images, augmentation {info.augmentation}, "
            f"{info.source}, sha256 {info.digest[:12]}"
        )
    header = ("search", "method", "skip", "space", "seed", "epochs", "supernet parameters", "supernet MACs")
    rows = [
        (
            planned.trial.short,
            planned.trial.method,
            planned.trial.skip,
            planned.trial.space,
            str(planned.trial.seed),
            str(planned.trial.epochs),
            f"{planned.supernet.parameters:,}",
            f"{planned.supernet.macs:,}",
        )
        for planned in plan.searches
    ]
    print("\n".join(in_columns([header, *rows])))
    looked_up = f", {plan.num_look_ups} look-ups" if plan.num_look_ups else ""
    print(f"{len(rows)} searches, {plan.num_retrainings} retrainings{looked_up}; no problems found")
    if options.estimate:
        base = Path(options.spec).parent
        _print_estimate(api.measure(spec, base, options.address, local=options.local), spec.runtime)
    return 0


def _print_estimate(estimate: SweepEstimate, runtime: RuntimeSpec) -> None:
    from aca_ray.display.progress import clock

    header = ("kind of trial", "trials", "each", "all")
    rows = [
        (kind.label, str(kind.num_trials), clock(kind.each.mean), clock(kind.each.mean * kind.num_trials))
        for kind in estimate.kinds
    ]
    print("\n".join(in_columns([header, *rows], right=(1, 2, 3))))
    work, whole = estimate.work, estimate.whole
    unit, share = ("GPU", runtime.gpus_per_trial) if runtime.gpus_per_trial else ("core", runtime.cpus_per_trial)
    hours = [f"{share * seconds / 3600:.3g}" for seconds in (work.mean, work.low, work.high)]
    print(f"work: {hours[0]} {unit}-hours ({hours[1]} to {hours[2]})")
    print(
        f"time: {clock(whole.mean)} ({clock(whole.low)} to {clock(whole.high)}) with {estimate.slots} trials at once; "
        "less where searches find equal networks, which are trained once"
    )


def _run(options: argparse.Namespace) -> int:
    from aca_ray import api

    _use_one_thread()
    with told_when_slow(CHECKING):
        sweep = api.create(options.spec)
    return _report(sweep, options.address, options.local)


def _resume(options: argparse.Namespace) -> int:
    from aca_ray import api

    return _report(api.reopen(options.name, options.storage), options.address, options.local)


def _report(sweep: Sweep, address: str | None, local: bool) -> int:
    """Drive a sweep, print how it ended, and return the exit code.

    Args:
        sweep: the sweep.
        address: address of a running Ray cluster, or None.
        local: whether to run all trials in this process.
    """
    from aca_ray import api
    from aca_ray.report.terminal import to_text

    outcome = api.drive(sweep, address, local=local)
    folder, tracking = sweep.folder.path, sweep.spec.runtime.tracking
    name, storage = folder.name, _relative(folder.parent)
    option = "" if str(storage) == "results" else f" --storage {shlex.quote(str(storage))}"
    place = " --local" if local else f" --address {address}" if address else ""
    again = f"aca-ray resume {name}{option}{place}"
    if outcome.comparison is not None:
        say(to_text(outcome.comparison))
    for failure in outcome.failures:
        say(failure, error=True)
    say(f"files: {_relative(folder)} (report, tables and plots in comparison/)")
    if not outcome.tracked:
        say(f"some results are not in MLflow yet; to log the rest: {again}", error=True)
    if outcome.interrupted:
        say(f"interrupted; finished work is kept. To continue: {again}")
        return INTERRUPTED
    say(f"MLflow: {tracking or f'aca-ray ui{option}'}")
    if outcome.failures:
        say(f"to retry what failed: {again}")
        return FAILED
    return 0


def _status(options: argparse.Namespace) -> int:
    from aca_ray import api
    from aca_ray.display import progress_lines

    if options.name is not None:
        progress, driven = api.status(options.name, storage=options.storage)
        print("\n".join(progress_lines(progress.lines)))
        if (checkpoints := progress.checkpoints()) is not None:
            print(checkpoints)
        print(f"{progress.summary()}; {_driven(driven)}")
        if len(versions := api.find(options.name, options.storage).versions) > 1:
            dates = (f"{datetime.fromtimestamp(version.written_ms / 1000):%Y-%m-%d %H:%M}" for version in versions)
            print(f"{len(versions)} versions of the spec: {', '.join(dates)}")
        return _told(progress.problems)
    return _list_sweeps(options.storage)


def _list_sweeps(storage: StoragePath) -> int:
    from aca_ray import api
    from aca_ray.sweep.manifest import sweep_names

    names = sweep_names(storage)
    problems: list[str] = []
    for name in names:
        try:
            progress, driven = api.status(name, storage=storage)
        except AcaRayError as error:  # the other sweeps can be shown
            problems.append(str(error))
        else:
            print(f"{name}: {progress.summary()}; {_driven(driven)}")
            problems += progress.problems
    if not names:
        print(f"no sweeps in {storage}")
    return _told(problems)


def _told(problems: Sequence[str]) -> int:
    """Print the problems of a sweep's files and return the exit code."""
    for problem in problems:
        print(problem, file=sys.stderr)
    return BAD_INPUT if problems else 0


def _driven(driven: bool) -> str:
    return "running" if driven else "not running"


def _rank(options: argparse.Namespace) -> int:
    from aca_ray import api

    summaries = api.rank(
        options.names,
        rankings=options.ranking,
        rules=options.allocation,
        protocol=options.protocol,
        base=options.base,
        out=options.out,
        storage=options.storage,
        threads=options.threads,
    )
    for path, summary in summaries.items():
        decided = summary.decided_share
        certainty = "without standard errors" if decided is None else f"{100 * decided:.0f} % of channels decided"
        print(f"{_relative(path)}: {summary.ranking}, {certainty}")
        for name, plan in summary.plans.items():
            share = 100 * plan.refilled_share
            print(f"  {name}: {share:.1f} % refilled, {plan.parameters:,} parameters, {plan.macs:,} MACs")
    return 0


def _retrain(options: argparse.Namespace) -> int:
    from aca_ray import api
    from aca_ray.trials.standalone import default_folder

    out = options.out or default_folder(options.network, options.protocol, options.seed)
    record = api.retrain(
        options.network,
        data=options.data,
        protocol=options.protocol,
        seed=options.seed,
        out=out,
        threads=options.threads,
        gpu=options.gpu,
    )
    print(json.dumps(record.to_json()["result"], indent=1))
    print(f"files: {out}")
    return 0


def _export(options: argparse.Namespace) -> int:
    from aca_ray import api

    settings = {"out": options.out, "protocol": options.protocol, "data": options.data}
    if options.mlflow or options.register:
        given = [f"--{name}" for name, value in {"format": options.format, **settings}.items() if value is not None]
        if given:
            raise ConfigError(
                f"{', '.join(given)}: does not apply to MLflow models; leave it out, or export a file without MLflow"
            )
        print(f"MLflow: {api.log_model(options.network, storage=options.storage, register=options.register)}")
        return 0
    done = api.export(options.network, format=options.format or "python", storage=options.storage, **settings)
    print(f"{done.network.summary()}\nlargest difference of logits: {done.difference:.2g}")
    print(f"files: {', '.join(str(_relative(path)) for path in done.files)}")
    return 0


def _show(options: argparse.Namespace) -> int:
    from aca_ray import api

    settings = {"out": options.out, "protocol": options.protocol, "data": options.data}
    print(api.show(options.network, storage=options.storage, **settings))
    return 0


def _compare(options: argparse.Namespace) -> int:
    from aca_ray import api
    from aca_ray.report.terminal import to_text

    comparison, folder = api.compare(options.names, storage=options.storage, out=options.out)
    print(to_text(comparison))
    print(f"files: {_relative(folder)}")
    return 0


def _doctor(options: argparse.Namespace) -> int:
    from aca_ray import api

    _use_one_thread()
    fine = True
    for check in api.doctor(options.spec, address=options.address):
        print(f"{'ok' if check.fine else 'problem':9}{check.subject}: {' '.join(check.sentence.split())}", flush=True)
        fine = fine and check.fine
    return 0 if fine else FAILED


def _submit(options: argparse.Namespace) -> int:
    from aca_ray import api

    print(api.submit(options.spec, address=options.address))
    return 0


def _list(options: argparse.Namespace) -> int:
    if options.kind == "trials":
        return _list_trials(options)
    if options.name is not None:
        raise ConfigError(f"SWEEP: applies to trials only, found {options.name} after {options.kind}; leave it out")
    if options.kind == "sweeps":
        return _list_sweeps(options.storage)
    from aca_ray.catalog import CATALOGS

    print("\n".join(in_columns(CATALOGS[options.kind]().brief)))
    return 0


def _list_trials(options: argparse.Namespace) -> int:
    from aca_ray import api
    from aca_ray.display import progress_lines

    if options.name is None:
        raise ConfigError("SWEEP: is required to list trials; `aca-ray list sweeps` shows the names")
    progress, _ = api.status(options.name, storage=options.storage)
    print("\n".join(progress_lines(progress.lines)))
    return _told(progress.problems)


def _list_jobs(options: argparse.Namespace) -> int:
    from aca_ray.cluster.jobs import job_lines

    print("\n".join(job_lines(options.address)) or f"no sweeps at {options.address}")
    return 0


def _logs(options: argparse.Namespace) -> int:
    from aca_ray.cluster.jobs import write_logs

    write_logs(options.job, options.address, options.follow, sys.stdout)
    return 0


def _stop(options: argparse.Namespace) -> int:
    from aca_ray.cluster.jobs import stop

    print(f"{options.job}: {stop(options.job, options.address)}")
    return 0


def _ui(options: argparse.Namespace) -> int:
    from aca_ray.tracking import open_store, serve_ui

    if isinstance(options.storage, Path) and not options.storage.is_dir():
        raise ConfigError(
            f"--storage: no folder {options.storage}; run a sweep first, or name the folder of its results"
        )
    print(f"MLflow on http://127.0.0.1:{options.port} (stop with Ctrl-C)", flush=True)
    serve_ui(open_store(None, options.storage), options.port)
    return 0


def _use_one_thread() -> None:
    """Limit torch to one thread: this process trains nothing and leaves the cores to the trials."""
    import torch

    torch.set_num_threads(1)


def _relative(path: StoragePath) -> StoragePath:
    """Return a path below the working directory as relative, any other one resolved."""
    path = path.resolve()
    if not isinstance(path, Path):
        return path
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


if __name__ == "__main__":
    sys.exit(main())
