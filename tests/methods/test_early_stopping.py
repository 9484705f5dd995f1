"""Searches that end early or go back: the epoch, the resulting architecture, and resuming in between."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor

from aca_ray.methods import darts, darts_ada, darts_es, darts_plus
from aca_ray.methods.core import Monitor, SearchMethod
from aca_ray.methods.moment import Moment
from aca_ray.methods.parts.arch_gradient import unrolled
from aca_ray.methods.parts.curvature_monitors import GoBackBeforeRise, StopBeforeRise
from aca_ray.methods.parts.skip_monitor import StopAtSkips
from aca_ray.methods.recipe import Recipe
from aca_ray.methods.views import ArchStep, EpochView, GoBack, Stop
from aca_ray.search.search import Search
from aca_ray.space import Space, Topology
from aca_ray.space.genotype import CellGenotype, Genotype, KeptEdge
from aca_ray.training import EpochLoop

BuildSearch = Callable[..., Search]
RoundTrip = Callable[[Any], Any]
NAMES = ("skip_connect", "sep_conv_3x3")
SPACE = Space("tiny", Topology(num_inputs=2, num_nodes=1), normal=(NAMES,) * 2, reduce=(NAMES[1:],) * 2)


def cell(num_skips: int) -> CellGenotype:
    names = ["skip_connect"] * num_skips + ["sep_conv_3x3"] * (8 - num_skips)
    edges = tuple(KeptEdge(name, place % 2, 2 + place // 2) for place, name in enumerate(names))
    return CellGenotype(edges, (2, 3, 4, 5))


def view(epoch: int, num_epochs: int, curvature: float = 1.0, skips: tuple[int, int] = (0, 0)) -> EpochView:
    """The end of an epoch whose number is in the parameters and the snapshot, with a loss of the given curvature."""
    parameter = torch.nn.Parameter(torch.full((2,), float(epoch)))
    return EpochView(
        moment=Moment(epoch, num_epochs),
        parameters={"alpha_normal": parameter},
        genotype=Genotype(cell(skips[0]), cell(skips[1])),
        valid_loss=lambda: curvature / 2 * parameter.square().sum(),
        recipe=Recipe(arch_weight_decay=0.0),
        snapshot=lambda: {"epoch": epoch},
    )


def stops(monitor: Monitor, curvatures: Sequence[float]) -> tuple[int, int] | None:
    """Return the epoch after which a search ends, and the epoch of its result."""
    for epoch, curvature in enumerate(curvatures):
        verdict = monitor.after_epoch(view(epoch, len(curvatures), curvature))
        if verdict is not None:
            assert isinstance(verdict, Stop)
            return epoch, int(verdict.parameters["alpha_normal"][0])
    return None


def the_papers_rule(curvatures: Sequence[float]) -> tuple[int, int] | None:
    """The rule at 50 epochs, from its description."""
    ev: list[float] = []
    averages: list[float] = []
    for epoch in range(0, 49, 2):
        ev.append(curvatures[epoch])
        if len(ev) >= 3:
            last = ev[-5:]
            averages.append(sum(last) / len(last))
        center = epoch - 4
        if center - 8 >= 10 and averages[-1] / averages[-5] > 1.3:
            return epoch, center - 8
    return None


def test_constant_curvature_never_stops() -> None:
    assert stops(StopBeforeRise(), [1.0] * 50) is None


def test_a_doubling_after_epoch_10_stops_at_22_with_the_architecture_of_epoch_10() -> None:
    curvatures = [1.0 if epoch <= 10 else 2.0 for epoch in range(50)]
    assert stops(StopBeforeRise(), curvatures) == (22, 10)  # (2+2+2+2+2)/5 over (1+1+1+2+2)/5 is 1.43
    assert stops(StopBeforeRise(1.42), curvatures) == (22, 10)
    assert stops(StopBeforeRise(1.43), curvatures) is None


def test_random_curvatures_stop_as_the_papers_rule_says() -> None:
    found = []
    for _ in range(60):
        steps = torch.randn(50) * 0.12 + 0.01
        curvatures = steps.cumsum(0).exp().tolist()
        found.append(stops(StopBeforeRise(), curvatures))
        assert found[-1] == the_papers_rule(curvatures)
    assert None in found
    assert len(set(found)) > 5


@pytest.mark.parametrize(
    ("num_epochs", "interval", "expected"),
    [(50, 2, (22, 10)), (100, 4, (44, 20)), (75, 3, (33, 15)), (25, 1, (11, 5)), (13, 1, (11, 5)), (12, 1, None)],
)
def test_the_rule_scales_with_the_budget(num_epochs: int, interval: int, expected: tuple[int, int] | None) -> None:
    curvatures = [10.0**epoch for epoch in range(0, num_epochs)][:30] + [1e30] * (num_epochs - 30)
    assert stops(StopBeforeRise(), curvatures[:num_epochs]) == expected
    monitor = StopBeforeRise()
    for epoch in range(num_epochs):
        monitor.after_epoch(view(epoch, num_epochs))
    assert len(monitor.curvatures) == len(range(0, num_epochs - 1, interval))


@pytest.mark.parametrize(
    ("make", "reach"),
    [
        (StopBeforeRise, 0),
        (lambda: GoBackBeforeRise((0.1,)), 0),
        # After a return to epoch 24, for example, the search may return once more to any epoch from 14 on.
        (lambda: GoBackBeforeRise((0.1, 0.2)), 10),
    ],
)
def test_only_epochs_that_may_be_needed_are_kept(
    make: Callable[[], StopBeforeRise | GoBackBeforeRise], reach: int
) -> None:
    monitor = make()
    for epoch in range(50):
        monitor.after_epoch(view(epoch, 50))
        needed = {began for began in range(10, 37, 2) if began <= epoch < began + 12 + reach}
        assert {2 * number for number in monitor.kept} == needed


def returns(curvature: Callable[[int, int], float]) -> list[tuple[int, int, float]]:
    """Return every return of DARTS-ADA: the epoch after it, the epoch whose end it goes to, and the weight decay.

    The argument maps an epoch and the number of returns so far to the curvature.
    """
    monitor, epoch, found = GoBackBeforeRise((3e-3, 3e-2)), 0, []
    while epoch < 50:
        verdict = monitor.after_epoch(view(epoch, 50, curvature(epoch, len(found))))
        if isinstance(verdict, GoBack):
            found.append((epoch, verdict.snapshot["epoch"], verdict.weight_decay))
            epoch = verdict.snapshot["epoch"]
        epoch += 1
    return found


def the_official_returns(curvature: Callable[[int, int], float]) -> list[tuple[int, int, float]]:
    """The control flow of the official code: one list of measurements, which returns do not shorten."""
    measured, averages, found = [], [], []
    epoch, weight_decay = 0, 3e-4
    while epoch < 50:
        if epoch % 2 == 0 or epoch == 49:
            measured.append(curvature(epoch, len(found)))
            if len(measured) >= 5:
                averages.append(sum(measured[-5:]) / 5)
            began = epoch - 12
            if began >= 10 and epoch != 49 and len(found) < 2 and averages[-1] / averages[-5] > 1.3:
                weight_decay *= 10
                found.append((epoch, began, pytest.approx(weight_decay)))
                epoch = began
        epoch += 1
    return found


@pytest.mark.parametrize(("growth", "second"), [(1.04, 28), (1.06, 26), (1.2, 24)])
def test_with_growing_curvature_the_second_return_waits_for_the_measurements_before_the_first(
    growth: float, second: int
) -> None:
    expected = [(22, 10, 3e-3), (second, second - 12, 3e-2)]
    assert returns(lambda epoch, num_returns: growth**epoch) == expected
    assert the_official_returns(lambda epoch, num_returns: growth**epoch) == expected


def test_random_curvatures_return_as_the_official_code_does() -> None:
    counts = []
    for seed in range(200):
        steps = torch.randn(3, 50, generator=torch.Generator().manual_seed(seed)) * 0.12 + 0.02
        table = steps.cumsum(1).exp().tolist()
        found = returns(lambda epoch, num_returns, table=table: table[num_returns][epoch])
        assert found == the_official_returns(lambda epoch, num_returns, table=table: table[num_returns][epoch])
        counts.append(len(found))
    assert set(counts) == {0, 1, 2}


def test_nothing_is_kept_once_no_return_is_left() -> None:
    monitor, epoch = GoBackBeforeRise((3e-3, 3e-2)), 0
    while monitor.num_rises < 2:
        verdict = monitor.after_epoch(view(epoch, 50, 1.2**epoch))
        epoch = verdict.snapshot["epoch"] + 1 if isinstance(verdict, GoBack) else epoch + 1
    assert not monitor.kept


def test_the_settings_of_darts_ada_are_the_papers() -> None:
    assert darts_ada.METHOD.monitor is not None
    monitor = darts_ada.METHOD.monitor()
    assert isinstance(monitor, GoBackBeforeRise)
    assert (monitor.weight_decays, monitor.factor) == ((3e-3, 3e-2), 1.3)


@pytest.mark.parametrize("module", [darts_es, darts_ada])
def test_the_factor_determines_a_rise(module: Any) -> None:
    curvatures = [1.0 if epoch <= 10 else 2.0 for epoch in range(23)]

    def acts(method: SearchMethod) -> bool:
        assert method.monitor is not None
        monitor = method.monitor()
        verdicts = [monitor.after_epoch(view(epoch, 50, curvature)) for epoch, curvature in enumerate(curvatures)]
        return verdicts[-1] is not None

    assert acts(module.METHOD)
    assert not acts(module.build(factor=1.5))


@pytest.mark.parametrize("make", [StopBeforeRise, lambda: GoBackBeforeRise((0.1, 0.2)), lambda: StopAtSkips(2, 0.2)])
def test_a_monitor_resumes_from_its_state(make: Callable[[], Monitor], through_a_file: RoundTrip) -> None:
    def course(cut: int | None) -> list[tuple[str, str]]:
        monitor, found, epoch = make(), [], 0
        while epoch < 50 and len(found) < 40:
            if len(found) == cut:
                state = through_a_file(monitor.state_dict())
                monitor = make()
                monitor.load_state_dict(state)
            verdict = monitor.after_epoch(view(epoch, 50, 1.2**epoch, (0 if epoch < 30 else 3, 0)))
            found.append((type(verdict).__name__, str(verdict)))
            if isinstance(verdict, Stop):
                break
            epoch = verdict.snapshot["epoch"] + 1 if isinstance(verdict, GoBack) else epoch + 1
        return found

    straight = course(None)
    assert any(name != "NoneType" for name, _ in straight)
    for cut in (7, 15, 22, 23, 29):
        assert course(cut) == straight


@pytest.mark.parametrize(
    ("skips", "expected"),
    [
        ([0] * 50, None),
        ([1] * 50, None),
        ([0] * 20 + [1] * 5 + [2] * 25, (25, 24)),
        ([0] * 30 + [7] + [0] * 19, (30, 29)),
        ([0] * 5 + [3] * 45, (10, 4)),  # the limit does not apply before epoch 10 of 50
        ([0] * 5 + [3] * 4 + [1] * 41, None),
        ([2] * 50, (10, 10)),  # no epoch below the limit to return to
    ],
)
def test_darts_plus_stops_at_two_skips_of_the_normal_cell(skips: list[int], expected: tuple[int, int] | None) -> None:
    assert darts_plus.METHOD.monitor is not None
    monitor = darts_plus.METHOD.monitor()
    found = None
    for epoch, number in enumerate(skips):
        verdict = monitor.after_epoch(view(epoch, 50, skips=(number, 8)))
        if isinstance(verdict, Stop):
            found = epoch, int(verdict.parameters["alpha_normal"][0])
            break
    assert found == expected


def test_the_skip_limit_determines_the_stop() -> None:
    def stop(limit: int) -> int:
        method = darts_plus.build(skip_limit=limit)
        assert method.monitor is not None
        monitor = method.monitor()
        return [monitor.after_epoch(view(20 + n, 50, skips=(n, 0))) is not None for n in range(9)].index(True)

    assert [stop(limit) for limit in range(1, 9)] == list(range(1, 9))


def state_of(loop: EpochLoop) -> dict[str, Any]:
    state = loop.state_dict()
    del state["seconds"]
    return state


def measured(metrics: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in metrics.items() if not name.startswith(("time/", "memory/"))}


def finish(loop: EpochLoop, slice_seconds: float = float("inf")) -> list[dict[str, float]]:
    rows = []
    while not loop.finished:
        report = loop.advance(slice_seconds)
        if report is not None:
            rows.append(measured(report.metrics))
    return rows


def copies(search: Search) -> dict[str, Tensor]:
    return {name: parameter.detach().clone() for name, parameter in search.parameters.items()}


# First order for speed, and a factor that every measurement exceeds.
EARLY_STOP = replace(darts.METHOD, monitor=lambda: StopBeforeRise(0.0))
ADAPTIVE = replace(darts.METHOD, monitor=lambda: GoBackBeforeRise((3e-3, 3e-2), 0.0))


def test_a_stopped_search_is_over_and_its_result_is_that_of_the_beginning_of_the_rise(
    differences: Callable[[Any, Any], list[str]], build_search: BuildSearch, through_a_file: RoundTrip
) -> None:
    def build() -> EpochLoop:
        return EpochLoop(build_search(EARLY_STOP, SPACE, num_epochs=14, num_cells=3), 14)

    loop = build()
    search = loop.work
    assert isinstance(search, Search)
    after: list[dict[str, Tensor]] = []
    rows = []
    for _ in range(12):
        report = loop.advance()
        assert report is not None
        rows.append(measured(report.metrics))
        after.append(copies(search))
    assert search.clock == 14
    assert not differences(after[11], after[5])  # after epochs 0 to 5, six of them
    assert differences(after[10], after[5])
    assert rows[11]["lr/weights"] == pytest.approx(0.001 + 0.012 * (1 + math.cos(math.pi * 11 / 14)))
    stopped = through_a_file(loop.state_dict())
    weights = [weight.detach().clone() for weight in search.network.parameters()]
    rest = finish(loop)
    assert rest == [rows[11]] * 2
    assert all(torch.equal(*pair) for pair in zip(weights, search.network.parameters(), strict=True))
    assert not differences(copies(search), after[5])

    resumed = build()
    resumed.load_state_dict(stopped)
    assert finish(resumed) == rest
    assert not differences(state_of(resumed), state_of(loop))


@pytest.mark.slow
def test_after_a_return_an_epoch_lasts_until_the_clock_has_caught_up(
    differences: Callable[[Any, Any], list[str]], build_search: BuildSearch, through_a_file: RoundTrip
) -> None:
    def build() -> EpochLoop:
        return EpochLoop(build_search(ADAPTIVE, SPACE, num_epochs=14, num_cells=3), 14)

    loop = build()
    search = loop.work
    assert isinstance(search, Search)
    clocks, decays, states, rows = [], [], [], []
    while not loop.finished:
        report = loop.advance(slice_seconds=0.0)  # one step
        if report is not None:
            rows.append(measured(report.metrics))
            if report.epoch == 6:
                before = through_a_file(search.state_dict())
        if clocks and search.clock < clocks[-1]:
            now = through_a_file(search.state_dict())
            assert now["clock"].pop("returns") == len([1 for a, b in pairwise([*clocks, search.clock]) if b < a])
            before["clock"].pop("returns", None)
            for name in ("clock", "network", "architecture", "arch_optimizer"):
                assert not differences(now[name], before[name])
            momenta = [state["weight_optimizer"]["state"] for state in (now, before)]
            assert not differences(*momenta)
        clocks.append(search.clock)
        decays.append(search.weight_optimizer.param_groups[0]["weight_decay"])
        if report is None and loop.epoch == 11 and loop.step in (5, 14):
            states.append((loop.epoch, through_a_file(loop.state_dict())))
    epochs = [*range(12), *range(6, 12), *range(6, 14)]  # back after epoch 11 to the end of epoch 5, twice
    assert clocks == [
        clock
        for number, epoch in enumerate(epochs)
        for clock in (epoch, epochs[number + 1] if number + 1 < len(epochs) else 14)
    ]
    assert decays == [3e-4] * 23 + [3e-3] * 12 + [3e-2] * 17
    assert len(rows) == 14
    assert rows[11]["lr/weights"] < rows[10]["lr/weights"]

    assert len(states) == 2
    for epoch, state in states:
        resumed = build()
        resumed.load_state_dict(state)
        assert finish(resumed) == rows[epoch:]
        assert not differences(state_of(resumed), state_of(loop))


class GoBackOnce:
    """Returns after epoch 1 to the end of epoch 0, with the weight decay 0.5."""

    def __init__(self) -> None:
        self.snapshot: dict[str, Any] | None = None

    def after_epoch(self, view: EpochView) -> GoBack | None:
        if view.moment.epoch == 0:
            self.snapshot = view.snapshot()
        if view.moment.epoch != 1 or self.snapshot is None:
            return None
        snapshot, self.snapshot = self.snapshot, None
        return GoBack(snapshot, 0.5)

    def state_dict(self) -> dict[str, Any]:
        return {"snapshot": self.snapshot}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.snapshot = state["snapshot"]


def test_after_a_return_batches_are_new_and_the_look_ahead_keeps_its_weight_decay(
    differences: Callable[[Any, Any], list[str]], build_search: BuildSearch, through_a_file: RoundTrip
) -> None:
    """As in the official code, which does not restore its random states, and sets up the look-ahead before it raises
    the weight decay."""
    seen: list[tuple[Any, ...]] = []

    def gradient(step: ArchStep) -> tuple[Tensor, ...]:
        (group,) = step.optimizer.param_groups
        seen.append((step.train[0], step.valid[0], group["weight_decay"], group.get("look_ahead_weight_decay")))
        return unrolled(step)

    method = replace(darts_ada.METHOD, monitor=GoBackOnce, arch_gradient=gradient)
    search = build_search(method, SPACE, num_epochs=3, num_cells=3)
    clocks = []
    for _ in range(5):
        for _ in range(2):
            search.step(0, 0)
        clocks.append(search.clock)
        if len(clocks) == 3:
            resumed = build_search(method, SPACE, num_epochs=3, num_cells=3)
            resumed.load_state_dict(through_a_file(search.state_dict()))
        if search.clock == 3:
            break
    assert clocks == [1, 1, 2, 3]
    before, after = seen[2], seen[4]  # the first step of epoch 1, before and after the return
    assert not torch.equal(before[0], after[0])
    assert not torch.equal(before[1], after[1])
    assert before[2:] == (3e-4, None)
    assert after[2:] == (0.5, 3e-4)
    for _ in range(2):
        resumed.step(0, 0)
    assert not differences(resumed.state_dict(), search.state_dict())


def test_the_look_ahead_uses_its_own_weight_decay(build_search: BuildSearch) -> None:
    def gradients(weight_decay: float, ahead: float | None) -> list[Tensor]:
        search = build_search(darts_ada.METHOD, SPACE, num_epochs=3, num_cells=3)
        (group,) = search.weight_optimizer.param_groups
        group["weight_decay"] = weight_decay
        if ahead is not None:
            group["look_ahead_weight_decay"] = ahead
        search.step(0, 0)
        return [parameter.grad for parameter in search.parameters.values()]

    assert all(map(torch.equal, gradients(9.0, 3e-4), gradients(3e-4, None)))
    assert not all(map(torch.equal, gradients(9.0, None), gradients(3e-4, None)))


def toward_skips(step: ArchStep) -> tuple[Tensor, ...]:
    """A gradient towards every edge's first candidate, which is the skip connection in the normal cell."""
    push = {name: torch.zeros_like(parameter) for name, parameter in step.parameters.items()}
    for gradient in push.values():
        gradient[:, 0] = -1.0
    return tuple(push.values())


def test_a_collapsing_search_is_stopped_within_the_skip_limit(build_search: BuildSearch) -> None:
    method = replace(darts_plus.METHOD, arch_gradient=toward_skips, recipe=Recipe(arch_lr=0.1), initial_std=1.0)

    def search(method: SearchMethod) -> Search:
        built = build_search(method, SPACE, num_epochs=20, num_cells=3)
        with torch.no_grad():
            built.parameters["alpha_normal"][:, 1] += 2.0
        finish(EpochLoop(built, 20))
        return built

    def num_skips(search: Search) -> int:
        return sum(edge.operation == "skip_connect" for edge in search.genotype().normal.edges)

    assert num_skips(search(replace(method, monitor=None))) == 2
    stopped = search(method)
    assert num_skips(stopped) < 2
    assert stopped.moment.epoch < 19
