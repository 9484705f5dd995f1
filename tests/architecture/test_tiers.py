"""The tiers of tests, as CI runs them: the integration tests by their folder, all others by their marks."""

from __future__ import annotations

from pathlib import Path

TESTS = Path(__file__).parents[1]
FOLDER = "integration"


def test_integration_tests_are_those_of_one_folder() -> None:
    marked = {file for file in TESTS.rglob("test_*.py") if f"pytest.mark.{FOLDER}" in file.read_text()}
    assert marked == set((TESTS / FOLDER).glob("test_*.py"))
