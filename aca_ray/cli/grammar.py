"""The verbs and their arguments, read from the parser: for shell completion and the reference."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from aca_ray.storage import storage_path

# What an argument without a dash names, by its name in the help.
_NAMED = {"SPEC": "specs", "NAME": "sweeps", "SWEEP": "sweeps", "SWEEP|CHECKPOINT": "sweeps"}
_FILES = {"PATH", "NETWORK", "TRIAL|GENOTYPE"}


def verbs_of(parser: argparse.ArgumentParser, before: str = "") -> Iterator[tuple[str, argparse.ArgumentParser, str]]:
    """Yield name, parser and help of every verb, those of verbs of verbs included."""
    for action in parser._actions:  # argparse has no public way to read a parser
        if not isinstance(action, argparse._SubParsersAction):
            continue
        about = {choice.dest: choice.help or "" for choice in action._choices_actions}
        for name, verb in action.choices.items():
            inner = list(verbs_of(verb, f"{before}{name} "))
            yield from inner or [(f"{before}{name}", verb, about[name])]


def arguments_of(verb: argparse.ArgumentParser) -> list[argparse.Action]:
    """Return what a verb takes besides --help, arguments without a dash first."""
    own = [action for action in verb._actions if action.dest != "help"]
    return sorted(own, key=lambda action: bool(action.option_strings))


def words_of(argument: argparse.Action) -> tuple[str, ...]:
    """Return the words that an argument can be; () if it can be others too."""
    return tuple(map(str, argument.choices or ()))


def named_by(argument: argparse.Action) -> str:
    """Return what an argument names: `specs`, `sweeps`, `files`, `words`, or `nothing` that a shell could know."""
    if argument.choices is not None:
        return "words"
    if not argument.option_strings:
        metavar = str(argument.metavar)
        return "files" if metavar in _FILES else _NAMED.get(metavar, "nothing")
    return "files" if argument.type in (Path, storage_path) else "nothing"


def takes_value(argument: argparse.Action) -> bool:
    """Return whether an option has a value."""
    return argument.nargs != 0


def repeats(argument: argparse.Action) -> bool:
    """Return whether an argument can be given several times in a row."""
    return argument.nargs in ("+", "*")
