"""Look at the pages: pictures of report, leaderboard and comparison, and axe-core's findings.

    python tests/page_screens.py FOLDER [--run RUN]

Makes two runs with all that pages can show, opens their pages in headless Chromium at 1400, 768 and
390 pixels, light and dark, and writes pictures (PAGE-WIDTH-THEME-NUMBER.png) into FOLDER. With
--run the report of another run is opened too. Exit status 1 if axe-core finds a serious fault, if
a page is wider than the screen, or if a script complains.
"""

from __future__ import annotations

import argparse
import base64
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from facebench.results.compare import compare_runs
from facebench.results.leaderboard import write_leaderboard
from facebench.results.report.run_page import write_report
from support.axe import axe_source, violations
from support.browser import browser
from support.shown_run import save_shown_run

WIDTHS, THEMES = (1400, 768, 390), ("light", "dark")
# A picture that is longer cannot be looked at.
MOST_PIXELS = 2000
PATIENCE = 120


def make_pages(folder: Path, run: Path | None) -> dict[str, Path]:
    """Make runs and their pages."""
    faces, runs = folder / "faces", folder / "runs"
    first, second = (
        save_shown_run(faces, runs, seed, name) for seed, name in ((0, "first"), (100, "second"))
    )
    compare_runs(first, second, folder / "compare.html")
    pages = {
        "report": write_report(first),
        "leaderboard": write_leaderboard([first, second], folder / "leaderboard.html"),
        "compare": folder / "compare.html",
    }
    if run is not None:
        pages["run"] = write_report(run, folder / "run.html")
    return pages


def open_page(driver: Any, page: Path, width: int, theme: str) -> None:
    """Open a page as wide as a screen, and have all charts drawn."""
    screen = {"width": width, "height": 1000, "deviceScaleFactor": 1, "mobile": width < 500}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    preferred = {"features": [{"name": "prefers-color-scheme", "value": theme}]}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", preferred)
    driver.get(page.as_uri())
    driver.execute_script("dispatchEvent(new Event('beforeprint'))")
    deadline = time.monotonic() + PATIENCE
    undrawn = "document.querySelectorAll('.plot:not(.drawn)').length"
    while driver.execute_script(f"return {undrawn}") and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(0.5)


def take_pictures(driver: Any, folder: Path, stem: str, width: int) -> None:
    """Write a page as pictures from top to bottom."""
    height = driver.execute_script("return document.documentElement.scrollHeight")
    for number, top in enumerate(range(0, height, MOST_PIXELS)):
        clip = {"x": 0, "y": top, "width": width, "height": min(MOST_PIXELS, height - top)}
        shot = driver.execute_cdp_cmd(
            "Page.captureScreenshot",
            {"captureBeyondViewport": True, "clip": {**clip, "scale": 1}},
        )
        (folder / f"{stem}-{number:02d}.png").write_bytes(base64.b64decode(shot["data"]))


def look(driver: Any, pages: dict[str, Path], folder: Path, axe: str) -> list[str]:
    """Take all pictures; returns what is wrong."""
    wrong = []
    for name, page in pages.items():
        for width in WIDTHS:
            for theme in THEMES:
                open_page(driver, page, width, theme)
                stem = f"{name}-{width}-{theme}"
                wide = driver.execute_script("return document.documentElement.scrollWidth")
                if wide > width:
                    wrong.append(f"{stem}: the page is {wide} pixels wide")
                wrong += [f"{stem}: {entry['message']}" for entry in driver.get_log("browser")]
                # Colours depend on the theme, what there is does not; axe-core takes its time.
                if width == WIDTHS[0] or theme == THEMES[-1]:
                    wrong += [f"{stem}: {found}" for found in violations(driver, axe)]
                take_pictures(driver, folder, stem, width)
    return wrong


def main() -> int:
    """Run the script."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("folder", type=Path, help="where pictures go")
    parser.add_argument("--run", type=Path, help="another run whose report is opened")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        temporary = Path(place)
        try:
            with browser(temporary / "profile") as driver:
                pages = make_pages(temporary, given.run)
                wrong = look(driver, pages, given.folder, axe_source(temporary))
        except pytest.skip.Exception as reason:
            sys.stdout.write(f"Nothing was looked at: {reason}\n")
            return 1
    fine = "axe-core finds no serious fault; nothing is wider than its screen."
    sys.stdout.write("\n".join([*(wrong or [fine]), f"Pictures are in {given.folder}.", ""]))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
