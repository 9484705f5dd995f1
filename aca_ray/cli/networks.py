"""rank, retrain, export, show: networks one by one."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from aca_ray.arguments import data_mapping, not_negative, positive, protocol_value
from aca_ray.cli.exporting_all import export_all
from aca_ray.cli.options import Verbs, storage_options
from aca_ray.cli.places import relative
from aca_ray.errors import ConfigError
from aca_ray.storage import storage_path


def add_rank(verbs: Verbs) -> None:
    """Add the verb."""
    rank = verbs.add_parser(
        "rank", parents=[storage_options()], help="rank and allocate the channels of saved supernets"
    )
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


def add_retrain(verbs: Verbs) -> None:
    """Add the verb."""
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
    retrain.add_argument("--out", type=Path, help="folder (default: results/networks/<NETWORK>-<protocol>-s<seed>)")
    retrain.add_argument("--threads", type=positive, default=1, help="torch threads (default: 1)")
    retrain.add_argument("--gpu", action="store_true", help="compute on the GPU")
    retrain.set_defaults(verb=_retrain)


def add_export(verbs: Verbs) -> None:
    """Add the verb."""
    export = verbs.add_parser(
        "export",
        parents=[_network_options("?")],
        help="export a network, or all of a sweep, to files that run without this package, each with a model card",
    )
    export.add_argument(
        "--all",
        metavar="SWEEP",
        help="export every finished network of a sweep into a folder (--out; default: exports/SWEEP) with index.csv",
    )
    export.add_argument(
        "--format", choices=("onnx", "torch-export", "python", "json"), help="file format (default: python)"
    )
    export.add_argument(
        "--mlflow", action="store_true", help="log an MLflow model to its run instead of writing a file"
    )
    export.add_argument("--register", metavar="NAME", help="log a new version of this registered MLflow model")
    export.set_defaults(verb=_export)


def add_show(verbs: Verbs) -> None:
    """Add the verb."""
    show = verbs.add_parser(
        "show", parents=[_network_options()], help="show the cells, channel plan and cost of a network"
    )
    show.set_defaults(verb=_show)


def _network_options(number: str | None = None) -> argparse.ArgumentParser:
    """Return the parent with what names a network; `number` is argparse's number of names."""
    named = argparse.ArgumentParser(add_help=False, parents=[storage_options()])
    named.add_argument(
        "network",
        metavar="TRIAL|GENOTYPE",
        nargs=number,
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
    return named


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
        print(f"{relative(path)}: {summary.ranking}, {certainty}")
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

    if options.all is not None:
        return export_all(options)
    if options.network is None:
        raise ConfigError("export: needs the name of a trial or genotype, or --all SWEEP; give one of them")
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
    print(f"model card: {', '.join(str(relative(path)) for path in done.card)}")
    print(f"files: {', '.join(str(relative(path)) for path in done.files)}")
    return 0


def _show(options: argparse.Namespace) -> int:
    from aca_ray import api

    settings = {"out": options.out, "protocol": options.protocol, "data": options.data}
    print(api.show(options.network, storage=options.storage, **settings))
    return 0
