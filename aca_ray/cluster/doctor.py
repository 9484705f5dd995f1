"""Checks of what a sweep needs, made in the cluster's own processes before anything is started."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from aca_ray.cluster.nodes import Node, ask_nodes, live_nodes, require_shared
from aca_ray.cluster.resources import accelerator_types, check_resources, missing_resources
from aca_ray.cluster.session import cluster_address, ray_session
from aca_ray.config import SweepSpec
from aca_ray.driver.interrupt import Interrupt
from aca_ray.errors import AcaRayError, DataError, SweepError
from aca_ray.sweep.manifest import storage_folder
from aca_ray.sweep.planning import plan_sweep
from aca_ray.trials.provenance import environment

_DATA_SECONDS = 600.0


@dataclass(frozen=True)
class Check:
    """The result of one check.

    Attributes:
        subject: name of the check.
        sentence: what was found and, for a problem, the fix.
        fine: whether there is no problem.
    """

    subject: str
    sentence: str
    fine: bool = True


def examine(address: str | None, spec: SweepSpec | None, base: Path) -> Iterator[Check]:
    """Yield every check of a cluster and, with a spec, of what its sweep needs there.

    Missing storage folders and tracking stores are created, as in a run.

    Args:
        address: address of the cluster; see `ray_session`.
        spec: spec of the sweep.
        base: base folder of the spec's relative data paths.
    """
    try:
        with Interrupt().handling_signals(), ray_session(address) as resources:
            nodes = live_nodes()
            yield Check("cluster", _described(nodes, resources))
            yield from _processes(nodes)
            if spec is not None:
                yield _attempt("resources", lambda: _fit(spec, resources, address))
                yield _attempt("storage", lambda: _share(spec, nodes))
                yield _attempt("tracking", lambda: _track(spec))
                yield _attempt("data", lambda: _find_data(spec, base, nodes))
    except SweepError as error:
        yield Check("cluster", str(error), fine=False)


def _attempt(subject: str, look: Callable[[], str]) -> Check:
    """Return the result of a check: what it found, or the error that it raised."""
    try:
        return Check(subject, look())
    except AcaRayError as error:
        return Check(subject, str(error), fine=False)


def _described(nodes: Sequence[Node], resources: dict[str, float]) -> str:
    kinds = ", ".join(accelerator_types(resources))
    hosts = ", ".join(sorted({node.host for node in nodes}))
    counts = f"{resources.get('CPU', 0):g} CPUs, {resources.get('GPU', 0):g} GPUs"
    return f"{counts}{f' ({kinds})' if kinds else ''} on {_count(nodes)} ({hosts})"


def _count(nodes: Sequence[Node]) -> str:
    return "1 node" if len(nodes) == 1 else f"{len(nodes)} nodes"


def _processes(nodes: Sequence[Node]) -> Iterator[Check]:
    """Yield whether all nodes can run this package in the same versions, and whether torch sees their GPUs."""
    answers, failures = ask_nodes(nodes, _look)
    versions = dict(failures)
    here = environment()
    for node, (there, _) in answers.items():
        names = [name for name in here.keys() | there.keys() if here.get(name) != there.get(name) and name != "machine"]
        if names:
            versions[node] = ", ".join(f"{n} {there.get(n, 'missing')}, here {here.get(n, 'missing')}" for n in names)
    if versions:
        yield _wrong("versions", versions, "Install the versions of this machine on every node, best from one image")
    else:
        equal = ", ".join(f"{name} {version}" for name, version in here.items() if name != "machine")
        yield Check("versions", f"{equal} on {_count(nodes)}")
    unseen = {
        node: f"torch can use {gpus} GPUs, Ray offers {node.resources.get('GPU', 0):g}"
        for node, (_, gpus) in answers.items()
        if gpus != node.resources.get("GPU", 0)
    }
    if unseen:
        yield _wrong(
            "GPUs", unseen, "Install a torch for that driver, or start Ray there with torch's count as --num-gpus"
        )
    else:
        yield Check("GPUs", f"torch can use the {sum(gpus for _, gpus in answers.values())} that Ray offers")


def _look() -> tuple[dict[str, str], int]:
    """Return the versions in this process, and how many GPUs its torch can use."""
    import torch

    return environment(), torch.cuda.device_count() if torch.cuda.is_available() else 0


def _wrong(subject: str, problems: dict[Node, str], advice: str) -> Check:
    listed = "; ".join(f"{node}: {problem}" for node, problem in problems.items())
    return Check(subject, f"{listed}. {advice}", fine=False)


def _fit(spec: SweepSpec, resources: dict[str, float], address: str | None) -> str:
    if cluster_address(address) is None:
        check_resources(spec.runtime, resources)
    missing = missing_resources(spec.runtime, resources)
    return f"trials wait for a node that is not there yet: {'; '.join(missing)}" if missing else "a trial fits"


def _share(spec: SweepSpec, nodes: Sequence[Node]) -> str:
    folder = storage_folder(spec)
    require_shared(folder, nodes)
    return f"{folder} is the same folder on {_count(nodes)}, and writable"


def _track(spec: SweepSpec) -> str:
    from aca_ray.tracking import open_store, require_answer

    store = open_store(spec.runtime.tracking, storage_folder(spec))
    require_answer(store)
    return f"{store.uri} answers"


def _find_data(spec: SweepSpec, base: Path, nodes: Sequence[Node]) -> str:
    answers, failures = ask_nodes(nodes, look_at_data, spec, base, seconds=_DATA_SECONDS)
    found = agreed_data({**answers, **{node: (False, failure) for node, failure in failures.items()}})
    return f"{found}, the same on {_count(nodes)}"


def agreed_data(answers: Mapping[Node, tuple[bool, str]]) -> str:
    """Return the description of the data on which all nodes agree.

    Args:
        answers: per node, whether its data are valid, and their description or the problem.

    Raises:
        DataError: the data are invalid on a node, or differ between nodes.
    """
    if len(set(answers.values())) == 1:
        fine, sentence = next(iter(answers.values()))
        if fine:
            return sentence
        raise DataError(sentence)
    raise DataError(
        "; ".join(f"{node}: {sentence}" for node, (_, sentence) in answers.items())
        + ". Copy the same data to the same path on every node, or to a shared folder"
    )


def look_at_data(spec: SweepSpec, base: Path) -> tuple[bool, str]:
    """Return whether a spec's data pass the check that `run` makes, and their digests or the problems."""
    try:
        return True, ", ".join(
            f"{data.info.source} (sha256 {data.info.digest[:12]}, test {data.test_digest[:12]})"
            for data in plan_sweep(spec, base).data
        )
    except AcaRayError as error:
        return False, str(error)
