"""The MLflow UI of a real sweep in a real browser: report and charts are one click away."""

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
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
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


def opened_by(page: Page, link: str) -> Page:
    """Return the page that a link opens."""
    with page.context.expect_page() as waiting:
        page.get_by_role("link", name=link).first.click()
    return waiting.value


def test_report_and_charts_are_a_click_away(ui: str, undisturbed: SweepProcess) -> None:
    complaints: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        context = browser.new_context(viewport={"width": 1400, "height": 900})
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
        page = context.new_page()
        page.goto(f"{ui}/#/experiments/1/runs")
        report = opened_by(page, "report")
        heading = report.frame_locator("iframe").get_by_role("heading", name="Comparison of small")
        expect(heading).to_be_visible(timeout=PATIENCE_MS)
        charts = opened_by(page, "curves of the searches")
        # Includes the parent run.
        expect(charts.get_by_text("5 matching runs")).to_be_visible(timeout=PATIENCE_MS)
        charts.get_by_role("button", name="Group by").click()
        charts.get_by_text("aca.group").click()
        expect(charts.get_by_text("darts/allocated/s3/digits/e4").first).to_be_visible(timeout=PATIENCE_MS)
        browser.close()
    assert complaints == []
