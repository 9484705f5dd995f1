"""Packed searches: several in one process, whose passes through the supernets are computed together."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from aca_ray.nn.mixing import Mixing
from aca_ray.nn.supernet import Supernet, pass_computer
from aca_ray.packing.passes import PackedPass, Pass, Rows, packs
from aca_ray.packing.scheduler import Lockstep, ask
from aca_ray.training.randomness import random_states, restore_random_states


class Together:
    """Runs several searches, each in its own thread, one at a time.

    The searches are unaware of each other. A forward or backward pass of a search waits until all searches have asked
    for one, and is then computed together with passes of the same kind. A pass that must be computed alone is computed
    at once. Every search has its own global random states.

    Args:
        device: device of the searches.
        num_searches: number of searches.
    """

    def __init__(self, device: torch.device, num_searches: int) -> None:
        self.num_searches = num_searches
        self._device = device
        self._num_threads = torch.get_num_threads()
        self._num_passes = self._num_computed = 0
        self._states: dict[int, dict[str, Any]] = {}
        self._rows = Rows()
        self._seconds: dict[int, float] = defaultdict(float)
        self._last = time.perf_counter()

    def seconds(self) -> float:
        """Return the calling search's share of the time, in seconds, up to its last question.

        The value is constant between two questions, so that searches that are computed together read the same one.
        """
        return self._seconds[_search.get()]

    def counts(self) -> dict[str, int]:
        """Return the numbers of searches, of forward passes asked for, and of forward passes computed for these."""
        return {"searches": self.num_searches, "passes": self._num_passes, "computed": self._num_computed}

    def run(self, tasks: Sequence[Callable[[], None]]) -> None:
        """Run one task of every search to its end, always in the same order.

        Raises:
            Exception: the first exception of a task, once all tasks have ended.
        """
        self._last = time.perf_counter()
        steps = Lockstep(self._answer, lambda question: question.waits, self._resume, self._pause)
        try:
            steps.run([_asking(task, number) for number, task in enumerate(tasks)])
        finally:
            torch.set_num_threads(self._num_threads)

    def _resume(self, number: int) -> None:
        if number in self._states:
            restore_random_states(self._states[number], self._device)

    def _pause(self, number: int) -> None:
        self._states[number] = random_states(self._device)

    def _answer(self, questions: Sequence[_Question]) -> list[Any]:
        torch.set_num_threads(self._num_threads)  # the searches' threads lower it for every new thread
        answers: list[Any] = [None] * len(questions)
        for group in _grouped(question.kind for question in questions):
            first = questions[group[0]]
            if len(group) == 1:  # a pass computed alone may draw
                self._resume(first.search)
            found = first.answers([questions[number] for number in group], self._rows)
            if len(group) == 1:
                self._pause(first.search)
            for number, answer in zip(group, found, strict=True):
                answers[number] = answer
        self._count(questions)
        return answers

    def _count(self, questions: Sequence[_Question]) -> None:
        forward = [question.kind for question in questions if isinstance(question, _Forward)]
        self._num_passes += len(forward)
        self._num_computed += len(set(forward))
        now = time.perf_counter()
        for question in questions:
            self._seconds[question.search] += (now - self._last) / len(questions)
        self._last = now


def _grouped(kinds: Iterable[Hashable]) -> list[list[int]]:
    """Return the indices of equal kinds, one list per kind."""
    groups: dict[Hashable, list[int]] = {}
    for number, kind in enumerate(kinds):
        groups.setdefault(kind, []).append(number)
    return list(groups.values())


class _Question(Protocol):
    """A question of a search; questions of the same kind are answered together."""

    @property
    def kind(self) -> Hashable: ...

    @property
    def search(self) -> int: ...

    @property
    def waits(self) -> bool: ...

    def answers(self, group: Sequence[Any], rows: Rows) -> Sequence[Any]:
        """Return the answers to a group whose first question is this one."""
        ...


class _Place(NamedTuple):
    """A computed pass: its place in a packed pass, and whether it waited for others."""

    packed: PackedPass
    number: int
    waited: bool

    @property
    def logits(self) -> Tensor:
        return self.packed.logits[self.number]


@dataclass(frozen=True)
class _Forward:
    """Asks for a forward pass of a search."""

    own: Pass
    search: int
    waits: bool

    @property
    def kind(self) -> Hashable:
        return self.own.kind

    def answers(self, group: Sequence[_Forward], rows: Rows) -> Sequence[_Place]:
        if len(group) > 1:
            rows.hold([question.own.network for question in group])
        packed = PackedPass([question.own for question in group], rows)
        return [_Place(packed, number, self.waits) for number in range(len(group))]


@dataclass(frozen=True)
class _Backward:
    """Asks for the gradients of a pass's inputs, given those of its logits."""

    place: _Place
    of_logits: Tensor
    search: int

    @property
    def kind(self) -> Hashable:
        return id(self.place.packed)

    @property
    def waits(self) -> bool:
        return self.place.waited

    def answers(self, group: Sequence[_Backward], rows: Rows) -> Sequence[dict[str, Tensor | None]]:
        found = self.place.packed.gradients({question.place.number: question.of_logits for question in group})
        return [found[question.place.number] for question in group]


_search: ContextVar[int] = ContextVar("number of the search")


def _asking(task: Callable[[], None], number: int) -> Callable[[], None]:
    """Return a task whose supernets ask for their passes instead of computing them."""

    def run() -> None:
        _search.set(number)
        pass_computer.set(_asked)
        # Every thread that computes in parallel has its own helper threads. With more helpers than cores, none of them
        # stays awake between computations: passes took 1.6 times as long.
        torch.set_num_threads(1)
        # Otherwise torch computes gradients on a GPU in a thread that all tasks share, in which no task may wait.
        with torch.autograd.set_multithreading_enabled(False):
            task()

    return run


def _asked(network: Supernet, images: Tensor, mixing: Mixing) -> Tensor:
    """Return the (B, K) logits of a pass, computed together with others if possible.

    Passes that are computed alone run in the thread of the lockstep too, since memory that other threads have freed
    would stay with them.
    """
    own = Pass.through(network, images, mixing)
    place: _Place = ask(_Forward(own, _search.get(), packs(network, images)))
    if not own.wanted:
        return place.logits
    logits: Tensor = _PlacedPass.apply(own, place, *own.inputs.values())
    return logits


class _PlacedPass(torch.autograd.Function):
    """A pass that was computed together with others, in the graph of the search that asked for it."""

    @staticmethod
    def forward(ctx: Any, own: Pass, place: _Place, *inputs: Tensor) -> Tensor:
        ctx.own, ctx.place = own, place
        ctx.save_for_backward(*inputs)
        return place.logits.detach()  # a separate tensor, since this node becomes its grad_fn

    @staticmethod
    def backward(ctx: Any, of_logits: Tensor) -> tuple[Tensor | None, ...]:
        own: Pass = ctx.own
        place: _Place = ctx.place
        again = torch.is_grad_enabled()  # whether the gradients will be differentiated
        if again or not place.packed.has_graph(place.number):
            inputs = dict(zip(own.inputs, ctx.saved_tensors, strict=True))
            with torch.enable_grad():
                logits = own.compute_alone(inputs)
            wanted = [inputs[name] for name in own.wanted]
            found = torch.autograd.grad(logits, wanted, of_logits, create_graph=again, allow_unused=True)
            gradients = dict(zip(own.wanted, found, strict=True))
        else:
            gradients = ask(_Backward(place, of_logits, _search.get()))
        return (None, None, *(gradients.get(name) for name in own.inputs))
