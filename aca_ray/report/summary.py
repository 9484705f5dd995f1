"""The summary of a report: findings, scope, and gaps."""

from __future__ import annotations

from aca_ray.comparison import Comparison
from aca_ray.comparison.kinds import group_of
from aca_ray.report.findings import findings, not_compared, pair_findings, what_allocated_means
from aca_ray.report.places import place_labels


def summary(comparison: Comparison) -> tuple[str, ...]:
    """Return the sentences, findings first; one pair of seeds or an interval that contains 0 is never a finding."""
    sentences = [*findings(comparison), *pair_findings(comparison), _scope(comparison), *_gaps(comparison)]
    missing = not_compared(comparison)
    if comparison.groups and missing:
        sentences.append(f"Not compared, for lack of seeds with both: {', '.join(missing)}.")
    return tuple(sentences)


def _scope(comparison: Comparison) -> str:
    sweeps, networks = comparison.sweeps, comparison.networks
    names = " and ".join(sorted({sweep.sweep for sweep in sweeps if sweep.sweep}))
    of = f" of {'sweep' if len(sweeps) == 1 else 'sweeps'} {names}" if names else ""
    if not networks:
        return f"No network{of} has finished yet: there is nothing to compare."
    methods = sorted({row.method for row in networks})
    num_searches, num_seeds = len({row.search for row in networks}), len({row.seed for row in networks})
    places = "; ".join(f"space {where}" for where in place_labels(comparison).values())
    meaning = f"; allocated means {what_allocated_means(comparison)}" if comparison.main_pair else ""
    looked_up = sum(group_of(row).place.is_looked_up for row in networks)
    counts = {"retrained network": len(networks) - looked_up, "looked-up network": looked_up}
    counted = " and ".join(_counted(number, noun) for noun, number in counts.items() if number)
    return (
        f"Compared: {counted} from {num_searches} search{'' if num_searches == 1 else 'es'}{of}; "
        f"{_counted(len(methods), 'method')} ({', '.join(methods)}), {_counted(num_seeds, 'search seed')}; "
        f"{places}{meaning}."
    )


def _gaps(comparison: Comparison) -> list[str]:
    unfinished, failed = comparison.rows.unfinished, len(comparison.rows.failed)
    sentences = []
    if unfinished:
        sentences.append(f"Unfinished: {_counted(unfinished, 'trial')}; the numbers will change.")
    if failed:
        sentences.append(f"Failed: {_counted(failed, 'trial')}, not included in any mean.")
    return sentences


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
