"""One table, as text, Markdown and LaTeX."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest

from aca_ray.comparison.settings import setting_labels
from aca_ray.report import formats
from aca_ray.report.formats import number, prose, text
from aca_ray.report.table import Cell, Table, escape_latex, key_of, to_latex, to_markdown, to_text, value_of

TABLE = Table(
    "accuracy",
    "Accuracy & more",
    "How 50 % read it.",
    (
        text("method", lambda row: row[0]),
        number("mean", lambda cell: cell, lambda row: row[1]),
        prose("evidence", lambda row: row[2]),
    ),
    (
        ("pc_darts", Cell("97.22 ± 0.31", 0.9722), "a|b"),
        ("darts", Cell("< 0.001", 0.0001), "[x] 5 #1 {y} ~ ^ \\ $"),
    ),
    "The first 2 of 3.",
)


def test_text_pads_names_right_and_numbers_left() -> None:
    lines = to_text(TABLE).splitlines()
    assert lines[1].startswith("method            mean  evidence")
    assert lines[3] == "pc_darts  97.22 ± 0.31  a|b"
    assert lines[4].startswith("darts          < 0.001  [x]")


def test_markdown_has_as_many_bars_in_every_line() -> None:
    markdown = to_markdown(TABLE)
    assert markdown.startswith(
        "### Accuracy & more\n\nHow 50 % read it.\n\n| method | mean | evidence |\n| --- | ---: | --- |"
    )
    assert {line.count("|") for line in markdown.splitlines() if line.startswith("|")} == {4}
    assert markdown.endswith("The first 2 of 3.")


def test_latex_is_one_tabular_with_terminated_rows() -> None:
    latex = to_latex(TABLE)
    assert latex.splitlines()[0] == "% Accuracy & more"
    body = [line for line in latex.splitlines() if not line.startswith("%")]
    assert body[0] == r"\begin{tabular}{lrp{0.3\linewidth}}"
    assert body[1:3] == [r"\toprule", r"method & mean & evidence \\"]
    assert r"pc\_darts & 97.22 $\pm$ 0.31 & a$|$b \\" in body
    assert body[-1] == r"\end{tabular}"
    for line in body[2:3] + body[4:6]:
        assert len(re.findall(r"(?<!\\)&", line)) == 2
        assert line.endswith(r" \\")


@pytest.mark.parametrize("text", ["a_b", "50 %", "$x$", "#1", "{y}", "a & b"])
def test_latex_escapes_special_characters(text: str) -> None:
    assert not re.search(r"(?<!\\)[_%$#{}&]", escape_latex(text))


def test_a_leading_bracket_is_braced() -> None:
    assert escape_latex("[1, 2]") == "{[}1, 2]"
    assert escape_latex("*") == "{*}"


def test_formats() -> None:
    assert formats.percent(0.97222) == Cell("97.22", 0.97222)
    assert formats.signed_percent(-0.005) == Cell("-0.50", -0.005)
    assert formats.interval((0.1, None)).text == "-"
    assert formats.signed_interval((-0.1, 0.2)) == Cell("[-10.00, +20.00]", -0.1)
    assert [formats.words(value).text for value in ("x", "", None, True, False)] == ["x", "-", "-", "yes", "no"]
    assert formats.count(1234.0).text == "1.23 k"
    assert formats.memory(2**30).text == "1.00 GiB"
    assert formats.memory(2**29).text == "512 MiB"
    assert formats.pvalue(0.0001).text == "< 0.001"
    for missing in (formats.percent, formats.count, formats.memory, formats.seconds, formats.pvalue, formats.decimal):
        assert missing(None) == Cell("-", None)


def test_values_are_found_by_dotted_names_and_a_missing_part_has_none() -> None:
    row = SimpleNamespace(arm=SimpleNamespace(accuracy=0.5), other=None)
    assert value_of(row, "arm.accuracy") == 0.5
    assert value_of(row, "other.accuracy") is None
    assert value_of(row, lambda row: row.arm.accuracy + 1) == 1.5
    with pytest.raises(AttributeError):
        value_of(row, "arm.loss")


def test_keys_are_valid_file_names() -> None:
    assert key_of("PC-DARTS, searched (S1)") == "pc-darts-searched-s1"


def test_settings_are_labeled_by_their_differences() -> None:
    one, two = '{"batch_size":32,"network":{"cells":5}}', '{"batch_size":64,"network":{"cells":5}}'
    assert setting_labels([one]) == {one: ""}
    assert setting_labels([one, two]) == {one: "batch_size 32", two: "batch_size 64"}
