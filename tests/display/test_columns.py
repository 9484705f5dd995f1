"""Text in columns."""

from __future__ import annotations

from aca_ray.columns import in_columns


def test_columns_align_left_or_right() -> None:
    rows = [("name", "value", ""), ("a", "1", "x"), ("longer", "1,000", "")]
    assert in_columns(rows, right=[1]) == ["name    value", "a           1  x", "longer  1,000"]


def test_no_column_is_narrower_than_its_cells() -> None:
    assert in_columns([("a", "b"), ("ccc", "d")]) == ["a    b", "ccc  d"]
