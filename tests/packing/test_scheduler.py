"""Tasks that run in turn and whose questions are answered together."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from aca_ray.packing.scheduler import Lockstep, ask


class Told:
    """Answers with the sum of all questions, and logs the tasks' turns."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.rounds: list[list[int]] = []

    def answer(self, questions: Sequence[int]) -> list[int]:
        self.rounds.append(list(questions))
        return [sum(questions)] * len(questions)

    def run(self, tasks: Sequence[Callable[[], None]]) -> None:
        Lockstep(
            self.answer,
            lambda question: question < 1000,
            lambda number: self.log.append(f"+{number}"),
            lambda number: self.log.append(f"-{number}"),
        ).run(tasks)


def test_questions_are_answered_together_in_the_order_of_the_tasks() -> None:
    told, answers = Told(), {}

    def task(number: int, times: int) -> Callable[[], None]:
        def run() -> None:
            answers[number] = [ask(number) for _ in range(times)]

        return run

    told.run([task(1, 2), task(10, 0), task(100, 3)])
    assert told.rounds == [[1, 100], [1, 100], [100]]
    assert answers == {1: [101, 101], 10: [], 100: [101, 101, 100]}
    assert told.log == ["+0", "-0", "+1", "-1", "+2", "-2", "+0", "-0", "+2", "-2", "+0", "-0", "+2", "-2", "+2", "-2"]


def test_a_question_that_does_not_wait_is_answered_at_once() -> None:
    told, answers = Told(), {}

    def task(number: int) -> Callable[[], None]:
        def run() -> None:
            answers[number] = [ask(number) for _ in range(2)]

        return run

    told.run([task(1), task(1000), task(10)])
    assert told.rounds == [[1000], [1000], [1, 10], [1, 10]]
    assert answers == {1: [11, 11], 1000: [1000, 1000], 10: [11, 11]}


def test_an_exception_of_a_task_does_not_affect_the_others() -> None:
    told, done = Told(), []

    def fails() -> None:
        ask(1)
        raise ValueError("mine")

    def works() -> None:
        done.extend(ask(2) for _ in range(3))

    with pytest.raises(ValueError, match="mine"):
        told.run([fails, works])
    assert done == [3, 2, 2]


def test_an_exception_while_answering_is_raised_in_every_task() -> None:
    caught: list[str] = []

    def answer(questions: list[Any]) -> list[Any]:
        raise MemoryError("no room")

    def task() -> None:
        try:
            ask(1)
        except MemoryError as error:
            caught.append(str(error))

    Lockstep(answer, lambda question: True, lambda number: None, lambda number: None).run([task, task])
    assert caught == ["no room"] * 2


def test_an_interrupt_ends_the_tasks_and_their_threads() -> None:
    ended: list[str] = []

    def answer(questions: list[Any]) -> list[Any]:
        raise KeyboardInterrupt

    def task() -> None:
        try:
            ask(1)
        finally:
            ended.append("ended")

    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        Lockstep(answer, lambda question: True, lambda number: None, lambda number: None).run([task, task])
    assert ended == ["ended"] * 2
    assert threading.active_count() == before


def test_an_interrupt_while_others_have_ended_or_not_begun() -> None:
    done: list[str] = []

    def answer(questions: list[Any]) -> list[Any]:
        raise KeyboardInterrupt

    tasks = [lambda: done.append("first"), lambda: ask(1), lambda: done.append("last")]
    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        Lockstep(answer, lambda question: False, lambda number: None, lambda number: None).run(tasks)
    assert done == ["first"]
    assert threading.active_count() == before


def test_only_tasks_can_ask() -> None:
    with pytest.raises(LookupError):
        ask(1)
