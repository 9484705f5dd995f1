"""Lookup of trials by name: from a name on the command line to the trial's folder."""

from __future__ import annotations

from collections.abc import Sequence

from aca_ray.config import LookUpTrial, SearchTrial, StandaloneTrial
from aca_ray.errors import AcaRayError, ConfigError, unknown_name
from aca_ray.records import SweepFolder, TrialFolder, TrialRecord
from aca_ray.records.layout import sweep_folder_of, sweep_folders
from aca_ray.space import PUBLISHED
from aca_ray.space.fingerprint import SHORT_DIGITS
from aca_ray.space.printed import is_printed
from aca_ray.storage import StoragePath, storage_path
from aca_ray.sweep.manifest import find_sweep

_MOST_LISTED = 12


def find_trial(name: str, storage: StoragePath) -> StoragePath | None:
    """Return the folder of a trial, or None if the name is a genotype or a file with a network.

    Args:
        name: first digits of a trial's fingerprint, optionally preceded by the name of its sweep and a slash; or path
            or URI of its folder, or of a file in it.
        storage: folder of all sweeps.

    Raises:
        ConfigError: no trial, or more than one, has the name; lists the trials that exist.
    """
    if name in PUBLISHED or name.startswith("|") or is_printed(name):
        return None
    path = storage_path(name)
    try:
        is_file = path.is_file()
    except (OSError, ValueError) as error:  # too long, a null character, or a folder that this user may not read
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(
            f"network: {name[:200]!r} cannot be accessed ({reason}); give a path, a trial or a genotype"
        ) from error
    folder = path.parent if is_file else path
    if TrialFolder(folder).record.is_file():
        return folder.resolve()
    if is_file:
        return None
    sweep, _, prefix = name.rpartition("/")
    known = _trials([find_sweep(sweep, storage).folder] if sweep else sweep_folders(storage))
    found = [folder for folder in known if _is_called(folder, prefix)]
    if len(found) == 1:
        return found[0].resolve()
    if found:
        raise ConfigError(
            f"trial: must match one trial, found {len(found)} for {name!r}; give more digits. Matches:{_listed(found)}"
        )
    raise ConfigError(
        f"{unknown_name('network', 'genotype', name, PUBLISHED)}; no file or trial has this name either. Trials in "
        f"{storage}:{_listed(known) or ' none'}"
    )


def _trials(sweeps: Sequence[SweepFolder]) -> list[StoragePath]:
    """Return the folders of the sweeps' trials."""
    return [trial.path for sweep in sweeps for trial in sweep.recorded_trials()]


def _is_called(folder: StoragePath, prefix: str) -> bool:
    if len(prefix) <= SHORT_DIGITS:
        return folder.name.startswith(prefix)
    record = TrialRecord.read(folder) if prefix.startswith(folder.name) else None
    return record is not None and record.fingerprint.startswith(prefix)


def _listed(folders: Sequence[StoragePath]) -> str:
    """Return a line with name and title for each of the first trials."""
    lines = []
    for folder in folders[:_MOST_LISTED]:
        lines.append(f"  {sweep_folder_of(folder).path.name}/{folder.name}: {_title_in(folder)}")
    if len(folders) > _MOST_LISTED:
        lines.append(f"  and {len(folders) - _MOST_LISTED} more")
    return "".join(f"\n{line}" for line in lines)


def _title_in(folder: StoragePath) -> str:
    """Return the title of the trial in a folder; a damaged record hides only its own title."""
    try:
        record = TrialRecord.read(folder)
        return trial_title(record) if record else "unknown"
    except AcaRayError:
        return "unreadable record"


def trial_title(record: TrialRecord) -> str:
    """Return a readable title of a trial, such as `search darts, skips allocated, seed 0, 4 epochs`."""
    trial = record.trial
    if isinstance(trial, StandaloneTrial):
        return f"retraining of {trial.name}, seed {trial.retrain_seed}"
    search = f"{trial.method}, skips {trial.skip}, seed {trial.seed}, {trial.epochs} epochs"
    if isinstance(trial, SearchTrial):
        return f"search {search}"
    pair = [f"ranking {trial.ranking}"] if trial.ranking else []
    pair += [f"allocation {trial.allocation}"] if trial.allocation else []
    pair += [f"control {trial.control}"] if trial.control else []
    if isinstance(trial, LookUpTrial):
        return ", ".join([f"look-up of {search}", *pair])
    return ", ".join([f"retraining of {search}", *pair, f"retraining seed {trial.retrain_seed}"])
