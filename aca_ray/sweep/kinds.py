"""Kinds of trials: trials of a kind take equally long, per epoch."""

from __future__ import annotations

from dataclasses import replace

from aca_ray.config import LookUpTrial, canonical_json
from aca_ray.sweep.orders import Order, SearchOrder


def trial_kind(order: Order) -> str | None:
    """Return the identity of a trial's kind; None for a look-up, which takes no time.

    Searches of a kind differ only in seed and epochs. Retrainings of a kind have the same protocol, data, space and
    skips; how many channels a plan keeps is not known before.
    """
    if isinstance(order, SearchOrder):
        return f"search {replace(order.trial, seed=0, epochs=1).fingerprint}"
    trial = order.trial
    if isinstance(trial, LookUpTrial):
        return None
    return f"retraining {canonical_json([trial.space, trial.skip, trial.data, trial.protocol])}"
