"""Runs a search trial in its folder and kills its own process in the middle of a change of stage.

Arguments: folder, trial as JSON, activity during which it dies (`building` a network or `reading` images), and the
number of the call of that activity, counted from 1.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from aca_ray.config import SearchTrial
from aca_ray.search.search import Search
from aca_ray.trials.datasets import DataRef
from aca_ray.trials.searching import open_search

folder, trial, doing, fatal = Path(sys.argv[1]), json.loads(sys.argv[2]), sys.argv[3], int(sys.argv[4])
calls_left, changing = fatal, False


def during_changes(function: Callable[..., Any]) -> Callable[..., Any]:
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        global calls_left
        if changing and args[0].clock > 0:  # not at the start, where there is no checkpoint to resume from
            calls_left -= 1
            if calls_left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return function(*args, **kwargs)

    return wrapped


def marked(function: Callable[..., Any]) -> Callable[..., Any]:
    def wrapped(*args: Any) -> Any:
        global changing
        changing = True
        try:
            return function(*args)
        finally:
            changing = False

    return wrapped


Search._begin_stage = marked(Search._begin_stage)  # type: ignore[method-assign]
if doing == "building":
    Search._build = during_changes(Search._build)  # type: ignore[method-assign]
else:
    Search._all_images = during_changes(Search._all_images)  # type: ignore[method-assign]
    Search._augmented_pass = during_changes(Search._augmented_pass)  # type: ignore[method-assign]

torch.set_num_threads(1)
search_trial = SearchTrial.from_json(trial)
search = open_search(search_trial, folder, DataRef(search_trial.data, folder), torch.device("cpu"))
while not search.finished:
    search.advance()
