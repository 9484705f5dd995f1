"""check: validate a spec and estimate the time of its sweep."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from aca_ray.cli.idle_gpus import idle_gpus
from aca_ray.cli.options import Verbs, process_options
from aca_ray.columns import in_columns
from aca_ray.errors import ConfigError
from aca_ray.terminal import told_when_slow

if TYPE_CHECKING:
    from aca_ray.config import RuntimeSpec
    from aca_ray.driver.estimating import SweepEstimate

CHECKING = (
    "still checking the spec: reading the data, and building a supernet for every method, space and data set; this "
    "takes minutes with many cells (experiment.network.cells) or images"
)


def add_check(verbs: Verbs) -> None:
    """Add the verb."""
    check = verbs.add_parser(
        "check",
        parents=[process_options()],
        help="validate a spec and build its supernets, or estimate the time of its sweep",
    )
    check.add_argument("spec", metavar="SPEC", help="sweep spec (YAML)")
    check.add_argument(
        "--estimate", action="store_true", help="take a few steps of every kind of trial, where the sweep would run"
    )
    check.set_defaults(verb=_check)


def _check(options: argparse.Namespace) -> int:
    from aca_ray import api
    from aca_ray.sweep.manifest import experiment_fingerprint

    if not options.estimate and (options.address or options.local):
        raise ConfigError("--address, --local: apply to --estimate only; add it, or leave them out")
    use_one_thread()
    with told_when_slow(CHECKING):
        spec, plan = api.check(options.spec)
    print(f"{spec.name}: experiment {experiment_fingerprint(spec)[:12]}")
    for data, mapping in zip(plan.data, spec.experiment.data, strict=True):
        info = data.info
        own = f", normalization mean {list(info.mean)} std {list(info.std)}" if "normalization" in mapping else ""
        print(
            f"data {info.name}: {info.num_classes} classes of {info.channels}x{info.height}x{info.width}, "
            f"{data.num_train} training and {data.num_test} test images, augmentation {info.augmentation}"
            f"{own}, {info.source}, sha256 {info.digest[:12]}"
        )
    for label, space in {planned.trial.space_label: planned.trial.space for planned in plan.searches}.items():
        if label != space:
            print(f"space {label}: {space}")
    header = ("search", "method", "skip", "space", "seed", "epochs", "supernet parameters", "supernet MACs")
    rows = [
        (
            planned.trial.short,
            planned.trial.method,
            planned.trial.skip,
            planned.trial.space_label,
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
    if idle := idle_gpus(spec.runtime, options.address, local=options.local):
        print(idle)
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
        f"time: {clock(whole.mean)} ({clock(whole.low)} to {clock(whole.high)}) with {estimate.slots} trials at once, "
        f"{clock(estimate.ends)} of it before the first and after the last epoch; less where searches find equal "
        "networks, which are trained once"
    )


def use_one_thread() -> None:
    """Limit torch to one thread: this process trains nothing and leaves the cores to the trials."""
    import torch

    torch.set_num_threads(1)
