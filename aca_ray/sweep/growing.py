"""Growing sweeps: a new version of the spec may add trials, and must keep every finished one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

from aca_ray.channels import SKIP_FREE
from aca_ray.config import LookUpTrial, NetworkTrial, SearchTrial, StandaloneTrial, SweepSpec
from aca_ray.errors import ConfigError, SweepError
from aca_ray.records import TrialRecord
from aca_ray.records.layout import SweepFolder
from aca_ray.space.trials import Kind
from aca_ray.storage import StoragePath
from aca_ray.storage.lock import exclusive
from aca_ray.sweep.finding import trial_title
from aca_ray.sweep.manifest import Sweep, create_sweep, folder_of, newest_fingerprint
from aca_ray.sweep.orders import all_orders, rankings_of, rules_of
from aca_ray.trials.retraining import table_json

_MOST_NAMED = 10


def start_sweep(spec: SweepSpec, base: Path, text: str, spec_file: str = "spec.yaml") -> Sweep:
    """Return the sweep of a spec: a new sweep, or the existing sweep of that name with the spec's new trials.

    Args:
        spec: the spec.
        base: folder that relative data paths are relative to.
        text: text of the spec as its author wrote it.
        spec_file: name of the spec's file in `base`.

    Raises:
        ConfigError: the spec lacks trials that are finished; lists these trials and the entries to put back.
        SweepError: another process drives the sweep.
        StorageError: the folder can't be read or written.
    """
    folder = folder_of(spec)
    if not folder.manifest.exists():
        return create_sweep(spec, base, text, spec_file)
    with exclusive(folder.lock, wait=False) as free:
        if not free:
            raise driven_elsewhere(folder)
        newest_fingerprint(folder)  # raises if the manifest can't be read
        _check_nothing_is_lost(Sweep(spec, base.resolve(), folder, text, spec_file))
        return create_sweep(spec, base, text, spec_file)


def require_newest(sweep: Sweep) -> None:
    """Raise SweepError if another process has changed the sweep's spec since this process read it."""
    found = newest_fingerprint(sweep.folder)
    if found not in (sweep.fingerprint, sweep.versions[-1].fingerprint if sweep.versions else None):
        raise SweepError(
            f"{sweep.folder.path}: another process has changed the spec of this sweep (experiment {found[:12]}, here "
            f"{sweep.fingerprint[:12]}); run your spec again, or `aca-ray resume {sweep.spec.name}`"
        )


def driven_elsewhere(folder: SweepFolder) -> SweepError:
    """Return the error for a sweep that another process drives."""
    return SweepError(
        f"{folder.path}: another process drives this sweep; watch it with `aca-ray status {folder.path.name}`, or stop "
        "it first"
    )


def abandoned(sweep: Sweep) -> frozenset[StoragePath]:
    """Return the folders of unfinished trials that an older version of the spec contains and the newest does not.

    They stay on the disk, are not counted, and resume if a later spec contains them again.
    """
    return frozenset(folder for folder, record in _left_out(sweep) if record is None or record.state != "finished")


def _left_out(sweep: Sweep) -> list[tuple[StoragePath, TrialRecord | None]]:
    """Return folder and record of every trial on the disk that is not in the sweep's spec."""
    wanted = {order.folder for order in all_orders(sweep)}
    found: list[StoragePath] = []
    for kind in get_args(Kind):
        parent = sweep.folder.trials(kind)
        if parent.is_dir():
            found += sorted(path for path in parent.iterdir() if path not in wanted and path.is_dir())
    return [(folder, TrialRecord.read(folder)) for folder in found]


def _check_nothing_is_lost(sweep: Sweep) -> None:
    """Raise ConfigError if finished trials in the sweep's folder are not in its spec."""
    lost = [record for _, record in _left_out(sweep) if record is not None and record.state == "finished"]
    if not lost:
        return
    named = [f"\n  {record.fingerprint[:12]}: {trial_title(record)}" for record in lost[:_MOST_NAMED]]
    if len(lost) > _MOST_NAMED:
        named.append(f"\n  and {len(lost) - _MOST_NAMED} more")
    missing = sorted({place for record in lost for place in _missing_in(sweep, record)})
    shown = [f"\n  {place}" for place in missing[:_MOST_NAMED]]
    if len(missing) > _MOST_NAMED:
        shown.append(f"\n  and {len(missing) - _MOST_NAMED} more")
    if not missing:
        shown.append("\n  nothing: another version of this program ran them")
    raise ConfigError(
        f"name: {len(lost)} trials of the sweep {sweep.spec.name!r} in {sweep.folder.path} are finished, but missing "
        f"from this spec:{''.join(named)}\na sweep may grow, but must keep its finished trials. Put back into the "
        f"spec:{''.join(shown)}\nor give the spec another name"
    )


def _missing_in(sweep: Sweep, record: TrialRecord) -> list[str]:
    """Return the values of a trial that are missing from the spec of a sweep, as `place: value`."""
    experiment, trial = sweep.spec.experiment, record.trial
    if isinstance(trial, StandaloneTrial):  # of no sweep
        return []
    listed: dict[str, tuple[Any, Sequence[Any]]] = {
        "methods": (trial.method, experiment.methods),
        "skip": (trial.skip, experiment.skip),
        "spaces": (trial.space, experiment.spaces),
        "data": (trial.data, [dict(data) for data in experiment.data]),
        "seeds": (trial.seed, experiment.seeds),
        "epochs": (trial.epochs, experiment.epochs),
        "network": (trial.network, [experiment.network.model_dump()]),
    }
    listed |= _plugins(sweep, trial)
    if isinstance(trial, SearchTrial):
        listed |= {
            name: (getattr(trial, name), [getattr(experiment, name)])
            for name in ("batch_size", "data_pruning", "precision")
        }
    else:
        listed |= _network_settings(sweep, trial)
    return [f"experiment.{place}: {value}" for place, (value, known) in listed.items() if value not in known]


def _plugins(sweep: Sweep, trial: SearchTrial | NetworkTrial) -> dict[str, tuple[Any, Sequence[Any]]]:
    """Return the plug-ins of a trial against those of the spec, as name and first digits of the source's SHA-256."""
    known = [_version(plugin.name, plugin.sha256) for plugin in sweep.spec.experiment.plugins]
    used = [_version(name, sha256) for name, sha256 in trial.plugins.items()]
    missing = [version for version in used if version not in known]
    return {"plugins": (", ".join(missing), [""])}


def _version(name: str, sha256: str) -> str:
    return f"{name} with SHA-256 {sha256[:12]}"


def _network_settings(sweep: Sweep, trial: NetworkTrial) -> dict[str, tuple[Any, Sequence[Any]]]:
    experiment = sweep.spec.experiment
    found: dict[str, tuple[Any, Sequence[Any]]]
    if isinstance(trial, LookUpTrial):
        known = [] if experiment.table is None else [table_json(experiment.table)]
        found = {"table": (trial.table, known)}
    else:
        protocols = [] if experiment.retraining is None else [experiment.retraining.protocol]
        found = {
            "retraining.protocol": (trial.protocol, protocols),
            "retraining.seeds": (trial.retrain_seed, experiment.retrain_seeds),
        }
    if trial.allocation == SKIP_FREE and trial.control is None:
        return found | {"skip_free": (True, [experiment.skip_free or SKIP_FREE in rules_of(sweep)])}
    if trial.allocation is not None:
        found |= {
            "ranking": (trial.ranking, rankings_of(sweep)),
            "allocation": (trial.allocation, rules_of(sweep)),
            "controls": (trial.control, (None, *experiment.controls)),
        }
    return found
