"""The report of a real sweep in a real browser, opened from its file."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

if TYPE_CHECKING:
    from conftest import SweepProcess

CHROMIUM = shutil.which("chromium")
SORTED_TABLE = "#table-collapse + div table"

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium"),
]


@dataclass
class Opened:
    """A page with its console messages, errors and requests."""

    page: Page
    folder: Path
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def opened(browser: Browser, undisturbed: SweepProcess) -> Opened:
    folder = undisturbed.sweep / "comparison"
    opened = Opened(browser.new_page(viewport={"width": 1280, "height": 900}), folder)
    opened.page.on("console", lambda message: opened.complaints.append(f"{message.type}: {message.text}"))
    opened.page.on("pageerror", lambda error: opened.complaints.append(str(error)))
    opened.page.on("request", lambda request: opened.requests.append(request.url))
    opened.page.goto((folder / "report.html").as_uri())
    return opened


def test_it_opens_without_errors_or_network_requests(opened: Opened) -> None:
    assert opened.page.title() == "Comparison of small"
    assert opened.complaints == []
    assert {urlsplit(url).scheme for url in opened.requests} <= {"file", "data"}
    assert [url for url in opened.requests if url.startswith("file:")] == [opened.page.url]


def test_plots_and_drawings_are_visible(opened: Opened) -> None:
    sizes = opened.page.eval_on_selector_all(
        "img", "images => images.map(i => [i.alt, i.complete, i.naturalWidth, i.clientWidth, i.clientHeight])"
    )
    titles = " ".join(alt for alt, *_ in sizes)
    for subject in ("Test accuracy over", "Skip connections", "Refilled", "parameters", "cost", "Kept share", "Mixing"):
        assert subject in titles
    assert all(complete and min(numbers) > 100 for _, complete, *numbers in sizes)
    drawings = opened.page.eval_on_selector_all(
        "main > section > figure svg", "all => all.map(s => [s.querySelector('title').textContent, s.clientWidth])"
    )
    assert sorted(title.split(", ")[1:4:2] for title, _ in drawings) == [
        ["allocated", "2 epochs"],
        ["allocated", "4 epochs"],
        ["searched", "2 epochs"],
        ["searched", "4 epochs"],
    ]
    assert all(width > 300 for _, width in drawings)


def _column(opened: Opened, index: int) -> list[str]:
    return opened.page.eval_on_selector_all(
        f"{SORTED_TABLE} tbody tr", f"rows => rows.map(row => row.cells[{index}].textContent)"
    )


def test_tables_are_sorted_by_click_and_by_key(opened: Opened) -> None:
    heads = opened.page.locator(f"{SORTED_TABLE} thead th")
    names = [name.strip() for name in heads.all_inner_texts()]
    assert names[0].startswith("method")
    index = next(i for i, name in enumerate(names) if name.startswith("parametric"))
    before = [float(text) for text in _column(opened, index)]
    head = heads.nth(index)
    assert head.get_attribute("aria-sort") == "none"
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    assert [float(text) for text in _column(opened, index)] == sorted(before)
    head.get_by_role("button").focus()
    opened.page.keyboard.press("Enter")
    assert head.get_attribute("aria-sort") == "descending"
    assert [float(text) for text in _column(opened, index)] == sorted(before, reverse=True)
    assert opened.page.get_by_role("status").inner_text().endswith("descending.")
    heads.nth(2).get_by_role("button").press("Space")
    assert _column(opened, 2) == sorted(_column(opened, 2))
    assert head.get_attribute("aria-sort") == "none"


def test_numbers_are_sorted_by_value_with_missing_ones_last(opened: Opened) -> None:
    """By value, 9.5 is before 10 k; the test replaces the numbers in a table of the page."""
    opened.page.evaluate(
        """selector => {
            const cells = [...document.querySelectorAll(`${selector} tbody tr`)].map(row => row.cells[3]);
            const values = [["10.00 k", "1e4"], ["-", null], ["9.5", "9.5"], ["-2", "-2"]];
            cells.forEach((cell, i) => {
                const [text, value] = values[i];
                cell.textContent = text;
                if (value === null) delete cell.dataset.value; else cell.dataset.value = value;
            });
        }""",
        SORTED_TABLE,
    )
    button = opened.page.locator(f"{SORTED_TABLE} thead th").nth(3).get_by_role("button")
    button.click()
    assert _column(opened, 3) == ["-2", "9.5", "10.00 k", "-"]
    button.click()
    assert _column(opened, 3) == ["10.00 k", "9.5", "-2", "-"]


def test_links_are_alive(opened: Opened) -> None:
    links = opened.page.eval_on_selector_all(
        "a", "links => links.map(a => [a.getAttribute('href'), a.href, a.download])"
    )
    assert len(links) > 30
    for text, address, download in links:
        if text.startswith("#"):
            assert opened.page.locator(text).count() == 1, text
        elif text.startswith("data:"):
            assert download
        else:
            assert Path(unquote(urlsplit(address).path)).is_file(), address
    with opened.page.expect_download() as waiting:
        opened.page.get_by_role("link", name="comparison.csv").click()
    assert Path(waiting.value.path()).read_bytes() == (opened.folder / "comparison.csv").read_bytes()


@pytest.mark.parametrize("width", [360, 768, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_does_not_scroll_sideways(opened: Opened, width: int, scheme: str) -> None:
    page = opened.page
    page.set_viewport_size({"width": width, "height": 800})
    page.emulate_media(color_scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach(details => details.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    ground, text = page.evaluate("(s => [s.backgroundColor, s.color])(getComputedStyle(document.body))")
    assert _contrast(ground, text) > 7
    for selector in ("a", "caption", "figcaption", "thead th", "tbody td"):
        color = page.evaluate(f"getComputedStyle(document.querySelector('main {selector}')).color")
        assert _contrast(ground, color) > 4.5, selector


def _contrast(*colors: str) -> float:
    """Return the contrast of two colors as WCAG 2 defines it."""

    def luminance(color: str) -> float:
        channels = [int(value) / 255 for value in color[color.index("(") + 1 : -1].split(",")[:3]]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    dark, light = sorted(map(luminance, colors))
    return (light + 0.05) / (dark + 0.05)


def test_it_is_accessible(opened: Opened) -> None:
    page = opened.page
    levels = page.eval_on_selector_all("h1, h2, h3, h4", "all => all.map(heading => Number(heading.tagName[1]))")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    for role in ("banner", "navigation", "main"):
        assert page.get_by_role(role).count() == 1
    assert page.locator("html").get_attribute("lang") == "en"
    assert page.locator("table").count() == page.locator("table > caption").count() > 5
    assert page.locator("th:not([scope])").count() == 0
    unnamed = "all => all.filter(e => !(e.alt || e.getAttribute('aria-label') || e.querySelector('title'))).length"
    assert page.eval_on_selector_all("img, main > section > figure svg", unnamed) == 0
    page.reload()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('href')") == "#main"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


def test_it_prints(opened: Opened, tmp_path: Path) -> None:
    opened.page.emulate_media(media="print")
    assert opened.page.locator("nav").is_hidden()
    pdf = opened.page.pdf(path=tmp_path / "report.pdf", prefer_css_page_size=True)
    assert pdf.startswith(b"%PDF")
    assert pdf.count(b"/Type /Page\n") > 3
    opened.page.emulate_media(media="screen")
    assert opened.complaints == []
