"""Checks that sweeps can be compared with each other."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence

from aca_ray.comparison.kinds import Place, group_of, without
from aca_ray.comparison.rows import SweepRows
from aca_ray.comparison.settings import setting_parts
from aca_ray.errors import ConfigError
from aca_ray.space.plugged import PLUGIN

_SHORT = 12  # digits of a digest that are shown


def check_comparable(sweeps: Sequence[SweepRows], by: str | None = None) -> None:
    """Check that sweeps can be compared.

    Args:
        sweeps: the rows of each sweep.
        by: column in which they may differ, or None.

    Raises:
        ConfigError: a sweep with finished networks shares space, data, setting and protocol with no other sweep, or
            trials with the same data name and options used different images, or plug-ins of one name differ.
    """
    problems = [*_different_images(sweeps), *_different_plugins(sweeps), *_nothing_shared(sweeps, by)]
    if problems:
        raise ConfigError(problems)


def _different_images(sweeps: Sequence[SweepRows]) -> Iterator[str]:
    found: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    for sweep in sweeps:
        for trial in sweep.trials:
            if trial.data_digest is not None:
                found[trial.data, trial.options].setdefault(trial.data_digest, f"{trial.kind} in sweep {trial.sweep}")
    for (data, _), digests in sorted(found.items()):
        if len(digests) > 1:
            places = " and ".join(f"{digest[:_SHORT]} ({place})" for digest, place in digests.items())
            yield (
                f"data {data}: must be the same images in all trials, found digests {places}; compare sweeps with the "
                "same data, or restore the data and run the other trials again"
            )


def _different_plugins(sweeps: Sequence[SweepRows]) -> Iterator[str]:
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for sweep in sweeps:
        for trial in sweep.trials:
            for name, version in json.loads(trial.versions).items():
                if name.startswith(PLUGIN):
                    digest = version.rpartition(" ")[2]
                    found[name].setdefault(digest, f"{trial.kind} in sweep {trial.sweep}")
    for name, digests in sorted(found.items()):
        if len(digests) > 1:
            places = " and ".join(f"{digest} ({place})" for digest, place in digests.items())
            yield (
                f"{name}: must have the same source in all trials, found SHA-256 {places}; compare the sweeps one by "
                "one, or give the names of one of them a version"
            )


def _nothing_shared(sweeps: Sequence[SweepRows], by: str | None) -> Iterator[str]:
    places = [{without(group_of(row).place, by) for row in sweep.networks} for sweep in sweeps if sweep.networks]
    names = [sweep.networks[0].sweep for sweep in sweeps if sweep.networks]
    for index, own in enumerate(places):
        others = [other for other in range(len(places)) if other != index]
        if others and all(own.isdisjoint(places[other]) for other in others):
            yield (
                f"sweep {names[index]}: must share space, data, setting and protocol with sweep "
                f"{' or '.join(names[other] for other in others)}, found "
                f"{_difference(min(own), min(places[others[0]]))}; compare it alone (differing rows are not pooled)"
            )


def _difference(a: Place, b: Place) -> str:
    """Return the differences between two places, setting by setting."""
    parts = []
    for aspect, one, other in zip(Place._fields, a, b, strict=True):
        if one == other:
            continue
        if aspect != "setting":
            parts.append(f"{aspect} {one} against {other}")
            continue
        flat = [setting_parts(setting) for setting in (one, other)]
        parts += [
            f"{key} {flat[0].get(key, 'unset')} against {flat[1].get(key, 'unset')}"
            for key in sorted(flat[0].keys() | flat[1].keys())
            if flat[0].get(key) != flat[1].get(key)
        ]
    return ", ".join(parts)
