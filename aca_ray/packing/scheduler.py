"""Several tasks in one process that run one at a time, and whose questions are answered together."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Any

_member: ContextVar[_Member] = ContextVar("member of the lockstep")


class Lockstep:
    """Runs tasks, each in its own thread, from one question to the next.

    A task runs until it asks or ends; then the next task runs. Once all running tasks have asked, their questions are
    answered together. The order of the tasks does not depend on time. A question that would gain nothing from waiting
    for the others is answered at once.

    Args:
        answer: returns the answers to questions, in their order; its exceptions are raised in every task that asked.
        waits: returns whether a question waits for those of the other tasks.
        resume: called with a task's number, in its thread, before it runs.
        pause: called with a task's number, in its thread, when it asks or ends.
    """

    def __init__(
        self,
        answer: Callable[[list[Any]], Sequence[Any]],
        waits: Callable[[Any], bool],
        resume: Callable[[int], None],
        pause: Callable[[int], None],
    ) -> None:
        self._answer, self._waits, self._resume, self._pause = answer, waits, resume, pause

    def run(self, tasks: Sequence[Callable[[], None]]) -> None:
        """Run all tasks to their ends.

        Raises:
            Exception: the first exception of a task, once all tasks have ended.
        """
        members = [_Member(number, task, self._resume, self._pause) for number, task in enumerate(tasks)]
        waiting = members
        try:
            while waiting := [member for member in waiting if self._works(member)]:
                self._tell(waiting)
        except BaseException as error:
            for member in members:
                if not member.ended:
                    member.error = error
                    member.goes_on()
            raise
        for member in members:
            if member.error is not None:
                raise member.error

    def _works(self, member: _Member) -> bool:
        """Run a task until its question waits or it ends; return whether it asks."""
        while member.goes_on():
            if self._waits(member.question):
                return True
            self._tell([member])
        return False

    def _tell(self, members: Sequence[_Member]) -> None:
        """Answer the current questions of tasks."""
        try:
            answers = self._answer([member.question for member in members])
        except Exception as error:
            for member in members:
                member.error = error
            return
        for member, answer in zip(members, answers, strict=True):
            member.answer = answer


def ask(question: Any) -> Any:
    """Return the answer to a question, from within a task; other tasks run meanwhile."""
    return _member.get().ask(question)


class _Member:
    """A task and its thread, which never runs at the same time as the thread of the lockstep.

    Attributes:
        question: current question of the task.
        answer: answer to the question.
        error: exception that the task gets instead of an answer; once it has ended, the exception that it raised.
        ended: whether the task has ended.
    """

    question: Any = None
    answer: Any = None
    error: BaseException | None = None
    ended = False

    def __init__(
        self, number: int, task: Callable[[], None], resume: Callable[[int], None], pause: Callable[[int], None]
    ) -> None:
        self._number, self._task, self._resume, self._pause = number, task, resume, pause
        self._turns: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._asks: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=f"lockstep {number}", daemon=True)
        self._thread.start()

    def goes_on(self) -> bool:
        """Run the task until it asks or ends; return whether it asks."""
        self._turns.put(None)
        asks = self._asks.get()
        if not asks:
            self._thread.join()
        return asks

    def ask(self, question: Any) -> Any:
        self.question = question
        self._pause(self._number)
        self._asks.put(True)
        self._await_turn()
        return self.answer

    def _await_turn(self) -> None:
        self._turns.get()
        self._resume(self._number)
        if self.error is not None:
            error, self.error = self.error, None
            raise error

    def _work(self) -> None:
        _member.set(self)
        try:
            self._await_turn()
            self._task()
        except BaseException as error:
            self.error = error
        self._pause(self._number)
        self.ended = True
        self._asks.put(False)
