"""The id of a dead actor is read from the text of Tune's error files."""

from __future__ import annotations

import pytest
from ray.core.generated.common_pb2 import ActorDiedErrorContext

from aca_ray.cluster.preemption import actor_that_died
from aca_ray.cluster.session import ray

ACTOR, OTHER = bytes(range(16)), bytes(range(1, 17))
DIED = ray.exceptions.ActorDiedError(
    ActorDiedErrorContext(actor_id=ACTOR, class_name="TrialActor", pid=3, error_message="The actor's node has died.")
)
UNAVAILABLE = ray.exceptions.ActorUnavailableError("keepalive timed out", ACTOR)
RAISED = ray.exceptions.RayTaskError("train", f"File x.py\n{OTHER.hex()}", ValueError("actor_id: none"))


def error_file(*errors: Exception) -> str:
    """Return the content of Tune's error file after errors of a trial."""
    return "".join(f"Failure # {n} (occurred at 2026-11-29_16-00-00)\n{e}\n" for n, e in enumerate(errors, start=1))


@pytest.mark.parametrize("error", [DIED, UNAVAILABLE])
def test_the_actor_of_the_last_error_is_found(error: Exception) -> None:
    before = ray.exceptions.ActorUnavailableError("keepalive timed out", OTHER)
    assert actor_that_died(error_file(error)) == ACTOR.hex()
    assert actor_that_died(error_file(before, error)) == ACTOR.hex()


def test_an_error_without_a_death_names_no_actor() -> None:
    assert actor_that_died(error_file(RAISED)) is None
    assert actor_that_died(error_file(DIED, RAISED)) is None
    assert actor_that_died("") is None
