"""Tasks that run in turn and whose requests are answered in batches."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pytest

from aca_ray.packing.scheduler import Scheduler


class Sums:
    """Answers with the sum of all requests, and logs the tasks' turns."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.batches: list[list[int]] = []
        self.scheduler = Scheduler(
            self.answer,
            lambda request: request < 1000,
            lambda number: self.log.append(f"+{number}"),
            lambda number: self.log.append(f"-{number}"),
        )

    def answer(self, requests: Sequence[int]) -> list[int]:
        self.batches.append(list(requests))
        return [sum(requests)] * len(requests)


def idle(number: int) -> None:
    """Do nothing when a task pauses or resumes."""


def test_requests_are_answered_in_batches_in_the_order_of_the_tasks() -> None:
    sums, answers = Sums(), {}

    def task(number: int, value: int, times: int) -> Callable[[], None]:
        def run() -> None:
            answers[value] = [sums.scheduler.request(number, value) for _ in range(times)]

        return run

    sums.scheduler.run([task(0, 1, 2), task(1, 10, 0), task(2, 100, 3)])
    assert sums.batches == [[1, 100], [1, 100], [100]]
    assert answers == {1: [101, 101], 10: [], 100: [101, 101, 100]}
    assert sums.log == ["+0", "-0", "+1", "-1", "+2", "-2", "+0", "-0", "+2", "-2", "+0", "-0", "+2", "-2", "+2", "-2"]


def test_a_request_that_does_not_wait_is_answered_at_once() -> None:
    sums, answers = Sums(), {}

    def task(number: int, value: int) -> Callable[[], None]:
        def run() -> None:
            answers[value] = [sums.scheduler.request(number, value) for _ in range(2)]

        return run

    sums.scheduler.run([task(0, 1), task(1, 1000), task(2, 10)])
    assert sums.batches == [[1000], [1000], [1, 10], [1, 10]]
    assert answers == {1: [11, 11], 1000: [1000, 1000], 10: [11, 11]}


def test_an_exception_of_a_task_does_not_affect_the_others() -> None:
    sums, done = Sums(), []

    def fails() -> None:
        sums.scheduler.request(0, 1)
        raise ValueError("mine")

    def works() -> None:
        done.extend(sums.scheduler.request(1, 2) for _ in range(3))

    with pytest.raises(ValueError, match="mine"):
        sums.scheduler.run([fails, works])
    assert done == [3, 2, 2]


def test_an_exception_while_answering_is_raised_in_every_task() -> None:
    caught: list[str] = []

    def answer(requests: list[Any]) -> list[Any]:
        raise MemoryError("no room")

    scheduler = Scheduler(answer, lambda request: True, idle, idle)

    def task(number: int) -> None:
        try:
            scheduler.request(number, 1)
        except MemoryError as error:
            caught.append(str(error))

    scheduler.run([partial(task, number) for number in range(2)])
    assert caught == ["no room"] * 2


def interrupted(requests: list[Any]) -> list[Any]:
    raise KeyboardInterrupt


def test_an_interrupt_ends_the_tasks_and_their_threads() -> None:
    ended: list[str] = []
    scheduler = Scheduler(interrupted, lambda request: True, idle, idle)

    def task(number: int) -> None:
        try:
            scheduler.request(number, 1)
        finally:
            ended.append("ended")

    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        scheduler.run([partial(task, number) for number in range(2)])
    assert ended == ["ended"] * 2
    assert threading.active_count() == before


def test_an_interrupt_while_others_have_ended_or_not_begun() -> None:
    done: list[str] = []
    scheduler = Scheduler(interrupted, lambda request: False, idle, idle)
    tasks = [lambda: done.append("first"), lambda: scheduler.request(1, 1), lambda: done.append("last")]
    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        scheduler.run(tasks)
    assert done == ["first"]
    assert threading.active_count() == before


def test_only_running_tasks_make_requests() -> None:
    scheduler = Sums().scheduler
    with pytest.raises(RuntimeError, match=r"^task 0 "):
        scheduler.request(0, 1)
    scheduler.run([lambda: None])
    with pytest.raises(RuntimeError, match=r"^task 0 "):
        scheduler.request(0, 1)
