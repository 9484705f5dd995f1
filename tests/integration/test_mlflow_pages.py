"""The MLflow UI of a real sweep in a real browser: report and saved views are a click away, no section is empty."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import pytest
from mlflow import MlflowClient
from playwright.sync_api import Page, expect, sync_playwright

if TYPE_CHECKING:
    from conftest import SweepProcess

CHROMIUM = shutil.which("chromium")
PATIENCE_MS = 60_000
# MLflow asks for the current user and gets a 404 if no login is required.
ANONYMOUS = "/mlflow/users/current"

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium"),
]


@pytest.fixture(scope="module")
def ui(undisturbed: SweepProcess) -> Iterator[str]:
    """The address of `aca-ray ui`."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "aca_ray.cli", "ui", "--port", str(port)]
    server = subprocess.Popen(
        command,
        cwd=undisturbed.folder,
        env=undisturbed.environment(),
        start_new_session=True,
        stderr=subprocess.DEVNULL,
    )
    try:
        end = time.monotonic() + 60
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/health"):
                    break
            except OSError:
                assert server.poll() is None
                assert time.monotonic() < end
                time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


# Sections of charts that the link to each saved view shows.
SECTIONS = {
    "Does it collapse?": ("arch", "search_valid"),
    "Does every seed train?": ("search_train", "search_valid"),
    "What is refilled?": ("refill/taylor_identity", "decided_share"),
    "Which network wins?": ("result", "test"),
    "Is the machine busy?": ("System metrics", "time", "memory"),
}


@contextmanager
def browsing() -> Iterator[Page]:
    """Yield a page of a browser, which must see no error of a script and no failed request until the end."""
    complaints: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        context = browser.new_context(viewport={"width": 1400, "height": 3000})
        context.set_default_timeout(PATIENCE_MS)
        context.on("weberror", lambda error: complaints.append(str(error.error)))
        context.on(
            "response",
            lambda answer: (
                complaints.append(f"{answer.status} {answer.url}")
                if answer.status >= 400 and ANONYMOUS not in answer.url
                else None
            ),
        )
        yield context.new_page()
        browser.close()
    assert complaints == []


def opened_by(page: Page, link: str) -> Page:
    """Return the page that a link opens."""
    with page.context.expect_page() as waiting:
        page.get_by_role("link", name=link).first.click()
    return waiting.value


def check_charts(page: Page, *sections: str) -> None:
    """Assert that a page has sections of charts, and none without charts."""
    for section in sections:
        expect(page.get_by_text(section, exact=True).first).to_be_visible(timeout=PATIENCE_MS)
    expect(page.locator(".js-plotly-plot").first).to_be_visible(timeout=PATIENCE_MS)
    expect(page.get_by_text("No charts in this section")).to_have_count(0)


def test_the_report_is_a_click_away(ui: str) -> None:
    with browsing() as page:
        page.goto(f"{ui}/#/experiments/1/runs")
        report = opened_by(page, "report")
        heading = report.frame_locator("iframe").get_by_role("heading", name="Comparison of small")
        expect(heading).to_be_visible(timeout=PATIENCE_MS)


def test_every_saved_view_shows_its_charts(ui: str) -> None:
    with browsing() as page:
        page.goto(f"{ui}/#/experiments/1/runs")
        for question, sections in SECTIONS.items():
            view = opened_by(page, question)
            check_charts(view, *sections)
            expect(view.get_by_role("button", name=question)).to_be_visible()  # its name in the menu of views
            view.close()
        collapse = opened_by(page, "Does it collapse?")
        expect(collapse.get_by_text("darts/allocated/s3/digits/e4").first).to_be_visible(timeout=PATIENCE_MS)


def test_no_section_of_the_default_charts_is_empty(ui: str, undisturbed: SweepProcess) -> None:
    client = MlflowClient(f"sqlite:///{undisturbed.folder / 'results' / 'mlflow.db'}")
    runs = {run.data.tags["aca.kind"]: run.info.run_id for run in client.search_runs(["1"])}
    assert set(runs) == {"sweep", "search", "retraining"}
    with browsing() as page:
        page.goto(f"{ui}/#/experiments/1/runs?compareRunsMode=CHART")
        check_charts(page, "Model metrics", "System metrics")
        for run_id in runs.values():
            for tab, section in (("model", "Model metrics"), ("system", "System metrics")):
                page.goto(f"{ui}/#/experiments/1/runs/{run_id}/{tab}-metrics")
                check_charts(page, section)
