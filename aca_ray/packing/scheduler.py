"""Tasks that run one at a time, each in its own thread, and whose requests are answered in batches."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from typing import Any


class Scheduler:
    """Runs tasks, each in its own thread, from one request to the next.

    A task runs until it requests something or ends; then the next task runs. Once all running tasks have made a
    request, their requests are answered in one batch. The order of the tasks does not depend on time. A request that
    would gain nothing from waiting for the others is answered at once.

    Args:
        answer: returns the results of requests, in their order; its exceptions are raised in every task of the batch.
        waits: returns whether a request waits for those of the other tasks.
        on_resume: called with a task's number, in its thread, before it runs.
        on_pause: called with a task's number, in its thread, when it requests something or ends.
    """

    def __init__(
        self,
        answer: Callable[[list[Any]], Sequence[Any]],
        waits: Callable[[Any], bool],
        on_resume: Callable[[int], None],
        on_pause: Callable[[int], None],
    ) -> None:
        self._answer, self._waits, self._on_resume, self._on_pause = answer, waits, on_resume, on_pause
        self._tasks: list[_Task] = []

    def run(self, functions: Sequence[Callable[[], None]]) -> None:
        """Run all tasks to their ends.

        Raises:
            Exception: the first exception of a task, once all tasks have ended.
        """
        tasks = self._tasks = [
            _Task(number, function, self._on_resume, self._on_pause) for number, function in enumerate(functions)
        ]
        waiting = tasks
        try:
            while waiting := [task for task in waiting if self._runs_to_wait(task)]:
                self._answer_batch(waiting)
        except BaseException as error:
            for task in tasks:
                if not task.ended:
                    task.error = error
                    task.resume()
            raise
        finally:
            self._tasks = []
        for task in tasks:
            if task.error is not None:
                raise task.error

    def request(self, number: int, request: Any) -> Any:
        """Return the result of a request of a task, from its own thread; other tasks run meanwhile.

        Raises:
            RuntimeError: the task is not running.
        """
        if number >= len(self._tasks):
            raise RuntimeError(f"task {number} can make a request only while it runs")
        return self._tasks[number].request(request)

    def _runs_to_wait(self, task: _Task) -> bool:
        """Run a task until its request waits or it ends; return whether it waits."""
        while task.resume():
            if self._waits(task.requested):
                return True
            self._answer_batch([task])
        return False

    def _answer_batch(self, tasks: Sequence[_Task]) -> None:
        """Answer the current requests of tasks."""
        try:
            results = self._answer([task.requested for task in tasks])
        except Exception as error:
            for task in tasks:
                task.error = error
            return
        for task, result in zip(tasks, results, strict=True):
            task.result = result


class _Task:
    """A task and its thread, which never runs at the same time as the thread of the scheduler.

    Attributes:
        requested: current request of the task.
        result: result of the request.
        error: exception that the task gets instead of a result; once it has ended, the exception that it raised.
        ended: whether the task has ended.
    """

    requested: Any = None
    result: Any = None
    error: BaseException | None = None
    ended = False

    def __init__(
        self,
        number: int,
        function: Callable[[], None],
        on_resume: Callable[[int], None],
        on_pause: Callable[[int], None],
    ) -> None:
        self._number, self._function, self._on_resume, self._on_pause = number, function, on_resume, on_pause
        self._turns: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._pauses: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=f"packed task {number}", daemon=True)
        self._thread.start()

    def resume(self) -> bool:
        """Run the task until it requests something or ends; return whether it requests something."""
        self._turns.put(None)
        has_request = self._pauses.get()
        if not has_request:
            self._thread.join()
        return has_request

    def request(self, request: Any) -> Any:
        self.requested = request
        self._on_pause(self._number)
        self._pauses.put(True)
        self._await_turn()
        return self.result

    def _await_turn(self) -> None:
        self._turns.get()
        self._on_resume(self._number)
        if self.error is not None:
            error, self.error = self.error, None
            raise error

    def _work(self) -> None:
        try:
            self._await_turn()
            self._function()
        except BaseException as error:
            self.error = error
        self._on_pause(self._number)
        self.ended = True
        self._pauses.put(False)
