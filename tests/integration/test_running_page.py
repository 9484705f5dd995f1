"""The report of a sweep that runs, in a real browser that opened it from its file."""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, sync_playwright

if TYPE_CHECKING:
    from conftest import SweepProcess

CHROMIUM = shutil.which("chromium")
# The results so far are compared after 20 s in place of two minutes.
SOON = """
import sys
from aca_ray.cli import main
from aca_ray.driver import comparing
comparing._SHORTEST_SECONDS = 20.0
sys.exit(main())
"""

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium"),
]


def wait_for(condition: Callable[[], bool], seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.2)


def counts(page: Page) -> dict[str, list[int]]:
    """Return the number of trials by state, of every kind of trial."""
    rows = page.eval_on_selector_all(
        "#table-progress + div tbody tr", "rows => rows.map(row => [...row.cells].map(cell => cell.textContent))"
    )
    return {kind: list(map(int, numbers)) for kind, *numbers in rows}


def test_it_shows_the_progress_until_the_sweep_ends(process: SweepProcess) -> None:
    process.replace(("epochs: [2, 4]", "epochs: [2, 4000]"))  # longest first: it does not end by itself
    process.program = ("-c", SOON)
    report = process.sweep / "comparison" / "report.html"
    running = process.start("run", "spec.yaml", "--local")
    process.wait_for(report.is_file)
    complaints: list[str] = []
    requests: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(report.as_uri())
        assert page.title() == "Comparison of small"
        assert page.get_by_role("heading", name="Progress").is_visible()
        first = counts(page)
        assert set(first) == {"searches", "retrainings"}
        assert sum(first["searches"]) == 4
        assert page.get_by_role("progressbar", name="finished trials").get_attribute("max") == "12"
        assert page.locator("table > caption").count() == page.locator("table").count()
        for width in (360, 1280):
            page.set_viewport_size({"width": width, "height": 800})
            assert page.evaluate("document.documentElement.scrollWidth") <= width

        # The page loads itself again and shows what is new; the reader does nothing.
        page.evaluate("window.isTheFirst = true")
        wait_for(lambda: page.evaluate("window.isTheFirst === undefined"), seconds=30)
        row = page.locator("#table-running + div tbody tr").first
        wait_for(lambda: "/4000" in row.inner_text())
        before = row.inner_text()
        wait_for(lambda: row.inner_text() != before)
        assert counts(page)["searches"] == [0, 1, 3, 0]

        # The comparison of the results so far brings the curves; the progress stays.
        plots = page.get_by_role("img", name="Plot: Skip connections")
        wait_for(lambda: plots.count() > 0, seconds=400)
        wait_for(lambda: page.get_by_role("heading", name="Progress").count() > 0)
        assert page.evaluate("document.documentElement.scrollWidth") <= 1280

        running.send_signal(signal.SIGINT)
        assert running.wait(timeout=180) == 130, process.output()
        wait_for(lambda: page.get_by_role("heading", name="Progress").count() == 0, seconds=30)
        page.evaluate("window.isTheLast = true")
        page.wait_for_timeout(12_000)
        assert page.evaluate("window.isTheLast")
        browser.close()
    assert complaints == []
    assert {urlsplit(url).scheme for url in requests} <= {"file", "data"}
    assert "reload" not in report.read_text()


def test_a_page_inside_another_one_does_not_load_itself_again(process: SweepProcess) -> None:
    from datetime import datetime

    from aca_ray.report.running import SweepProgress, write_progress

    report = process.folder / "report.html"
    progress = SweepProgress(datetime(2026, 1, 1), 1, 2, "1:00", None, (("searches", 1, 1, 0, 0, 0),), ())
    write_progress(report, "<small>", progress)
    (process.folder / "outer.html").write_text('<iframe src="report.html"></iframe>')
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        loads: list[str] = []
        page.on("request", lambda request: loads.append(request.url))
        page.goto((process.folder / "outer.html").as_uri())
        page.wait_for_timeout(12_000)
        assert len([url for url in loads if url.endswith("report.html")]) == 1
        assert page.frames[1].title() == "Comparison of <small>"
        browser.close()
