"""Records of trials that have not run yet."""

from __future__ import annotations

from aca_ray.config import EvaluationTrial, RetrainingTrial, SearchTrial
from aca_ray.evaluation import find_protocol
from aca_ray.records import LookUpRecord, RetrainingRecord, SearchRecord, StandaloneRecord, TrialRecord


def new_record(trial: SearchTrial | EvaluationTrial) -> TrialRecord:
    """Return the first record of a trial of a sweep."""
    if isinstance(trial, SearchTrial):
        return new_search(trial)
    return new_retraining(trial) if trial.table is None else new_look_up(trial)


def new_search(trial: SearchTrial) -> SearchRecord:
    """Return the first record of a search."""
    return SearchRecord(fingerprint=trial.fingerprint, trial=trial, num_epochs=trial.epochs)


def new_look_up(trial: EvaluationTrial) -> LookUpRecord:
    """Return the first record of a look-up, which has a row per epoch of its search."""
    return LookUpRecord(fingerprint=trial.fingerprint, trial=trial, num_epochs=trial.epochs)


def new_retraining(trial: EvaluationTrial) -> RetrainingRecord:
    """Return the first record of the retraining of what a search found."""
    assert trial.protocol is not None  # else it is looked up
    epochs = find_protocol(trial.protocol).epochs
    return RetrainingRecord(fingerprint=trial.fingerprint, trial=trial, num_epochs=epochs)


def new_standalone(trial: RetrainingTrial) -> StandaloneRecord:
    """Return the first record of the retraining of a named network."""
    epochs = find_protocol(trial.protocol).epochs
    return StandaloneRecord(fingerprint=trial.fingerprint, trial=trial, num_epochs=epochs)
