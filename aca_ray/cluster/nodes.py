"""The nodes of a cluster, and functions that run on each of them as Ray tasks."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from aca_ray.cluster.session import NodeAffinitySchedulingStrategy, ray
from aca_ray.errors import StorageError, SweepError
from aca_ray.storage import ObjectPath, StoragePath, write_bytes

Answer = TypeVar("Answer")

ANSWER_SECONDS = 60.0  # a process has to start and import first


@dataclass(frozen=True)
class Node:
    """A node that accepts work.

    Attributes:
        id: Ray's id of the node, in hexadecimal digits.
        host: name of the machine.
        resources: total resources.
    """

    id: str
    host: str
    resources: dict[str, float] = field(compare=False)

    def __str__(self) -> str:
        return f"{self.host} (node {self.id})"


def live_nodes() -> list[Node]:
    """Return the live nodes of the connected cluster, without draining ones, which accept no more work."""
    draining = draining_nodes()
    return [
        Node(node["NodeID"], node["NodeManagerHostname"], node["Resources"])
        for node in ray.nodes()
        if node["Alive"] and node["NodeID"] not in draining
    ]


def draining_nodes() -> set[str]:
    """Return the ids of draining nodes, which will leave the cluster and accept no more work."""
    return set(ray._private.state.state.get_draining_nodes())  # Ray has no public call for this


def sign_of_life(actor_id: str) -> Any | None:
    """Return a reference that is ready as soon as the node of a dead actor answers, or raises if the node is dead.

    An actor dies with its node some time before Ray knows that the node is dead. Until then the reference is not ready;
    afterwards getting it raises an error.

    Args:
        actor_id: id of an actor that has died, in hexadecimal digits.

    Returns:
        The reference, or None if Ray does not know the node of the actor.
    """
    actor = ray._private.state.state.actor_table(actor_id)  # the public one needs the dashboard
    node = actor.get("Address", {}).get("NodeID", "")
    if not node.strip("f"):  # Ray's "none" is all f
        return None
    there = NodeAffinitySchedulingStrategy(node, soft=False)
    return ray.remote(num_cpus=0, max_retries=0)(_answer).options(scheduling_strategy=there).remote()


def _answer() -> None:
    pass


def ask_nodes(
    nodes: Sequence[Node], question: Callable[..., Answer], *arguments: object, seconds: float = ANSWER_SECONDS
) -> tuple[dict[Node, Answer], dict[Node, str]]:
    """Run a function on all nodes at once; return its answers, and the reason for each node without an answer.

    Args:
        nodes: nodes to ask.
        question: a module-level function, which every node has to be able to import.
        arguments: arguments of the function.
        seconds: time limit for all answers together.
    """
    # The process has to see the GPUs of its node without reserving one.
    sees_gpus = {"env_vars": {"RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}}
    task = ray.remote(num_cpus=0, max_retries=0, runtime_env=sees_gpus)(question)
    refs = {}
    for node in nodes:
        there = NodeAffinitySchedulingStrategy(node.id, soft=False)
        refs[node] = task.options(scheduling_strategy=there).remote(*arguments)
    ready, _ = ray.wait(list(refs.values()), num_returns=len(refs), timeout=seconds)
    answers, failures = {}, {}
    for node, ref in refs.items():
        if ref not in ready:
            failures[node] = f"gave no answer within {seconds:g} s"
            ray.cancel(ref, force=True)
            continue
        try:
            answers[node] = ray.get(ref)
        except Exception as error:
            failures[node] = (str(error).strip() or repr(error)).splitlines()[-1]
    return answers, failures


def require_shared(folder: StoragePath, nodes: Sequence[Node]) -> None:
    """Raise an error unless a folder is writable, and the same folder on this machine and all nodes.

    Raises:
        StorageError: this process cannot write to the folder.
        SweepError: nodes do not see the folder or cannot write to it; names each node with its reason.
    """
    mark = write_bytes(folder / f".shared-{uuid.uuid4().hex}")
    try:
        answers, problems = ask_nodes(nodes, _problem_beside, mark)
    finally:
        mark.unlink(missing_ok=True)
    problems.update((node, problem) for node, problem in answers.items() if problem)
    if problems:
        advice = (
            "Give every node network access and credentials to write there"
            if isinstance(folder, ObjectPath)
            else "Set it to a folder that every node mounts at the same path and can write to (NFS, Lustre, ...)"
        )
        raise SweepError(
            f"runtime.storage: {folder} must be the same folder on all {len(nodes)} nodes; it is not on "
            + "; ".join(f"{node}: {problem}" for node, problem in problems.items())
            + f". {advice}"
        )


def _problem_beside(mark: StoragePath) -> str:
    """Return why this process cannot read a file or write another one beside it, or "" if it can."""
    beside = mark.with_name(f"{mark.name}-{ray.get_runtime_context().get_node_id()}")
    try:
        mark.read_bytes()
        write_bytes(beside).unlink()
    except OSError as error:
        return f"{error.strerror}: {error.filename}"
    except StorageError as error:
        return str(error)
    return ""
