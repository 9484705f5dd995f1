"""The beginnings of stages, at the paper's budget and at others."""

from __future__ import annotations

import pytest

from aca_ray.methods.moment import Moment, moment_at


def test_one_stage_spans_the_search() -> None:
    moments = [moment_at(epoch, 5, [1]) for epoch in range(5)]
    assert [(m.stage, m.stage_epoch, m.stage_epochs) for m in moments] == [(0, epoch, 5) for epoch in range(5)]
    assert [m.progress for m in moments] == [0.0, 0.2, 0.4, 0.6, 0.8]
    assert [m.ramp for m in moments] == [0.0, 0.25, 0.5, 0.75, 1.0]


def test_at_the_paper_s_budget_stages_have_their_lengths() -> None:
    lengths = [2, 2, 38, 8]
    moments = [moment_at(epoch, 50, lengths) for epoch in range(50)]
    assert [m.stage for m in moments] == [stage for stage, length in enumerate(lengths) for _ in range(length)]
    assert all(m.stage_epochs == lengths[m.stage] for m in moments)
    assert [m.stage_epoch for m in moments if m.stage == 2] == list(range(38))


@pytest.mark.parametrize("num_epochs", [1, 2, 3, 10, 100, 131])
def test_other_budgets_are_filled_without_gaps_and_end_in_the_last_stage_that_has_an_epoch(num_epochs: int) -> None:
    lengths = [50, *[5] * 16, 1]
    moments = [moment_at(epoch, num_epochs, lengths) for epoch in range(num_epochs)]
    stages = [m.stage for m in moments]
    assert stages == sorted(stages)
    assert all(0.0 <= m.stage_progress < 1.0 and m.stage_epochs > 0 for m in moments)
    starts = {m.stage: m.stage_start for m in moments}
    assert all(stages.index(stage) == start for stage, start in starts.items())
    assert sum(m.stage_epochs for stage, m in {m.stage: m for m in moments}.items()) == num_epochs


def test_a_search_of_one_epoch_does_not_ramp() -> None:
    assert Moment(0, 1).ramp == 0.0
