"""Records of trials that have not run yet."""

from __future__ import annotations

from aca_ray.config import LookUpTrial, NetworkTrial, RetrainingTrial, SearchTrial, StandaloneTrial
from aca_ray.records import LookUpRecord, RetrainingRecord, SearchRecord, StandaloneRecord, TrialRecord
from aca_ray.retraining import find_protocol


def new_record(trial: SearchTrial | NetworkTrial) -> TrialRecord:
    """Return the first record of a trial of a sweep."""
    if isinstance(trial, SearchTrial):
        return new_search(trial)
    return new_look_up(trial) if isinstance(trial, LookUpTrial) else new_retraining(trial)


def new_search(trial: SearchTrial) -> SearchRecord:
    """Return the first record of a search."""
    return SearchRecord(fingerprint=trial.fingerprint, trial=trial, num_epochs=trial.epochs)


def new_look_up(trial: LookUpTrial) -> LookUpRecord:
    """Return the first record of a look-up, which has a row per epoch of its search."""
    return LookUpRecord(fingerprint=trial.fingerprint, trial=trial, num_epochs=trial.epochs)


def new_retraining(trial: RetrainingTrial) -> RetrainingRecord:
    """Return the first record of the retraining of what a search found."""
    epochs = find_protocol(trial.protocol).epochs
    return RetrainingRecord(fingerprint=trial.fingerprint, trial=trial, num_epochs=epochs)


def new_standalone(trial: StandaloneTrial) -> StandaloneRecord:
    """Return the first record of the retraining of a named network."""
    epochs = find_protocol(trial.protocol).epochs
    return StandaloneRecord(fingerprint=trial.fingerprint, trial=trial, num_epochs=epochs)
