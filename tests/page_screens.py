"""Look at the pages: pictures of report, leaderboard and comparison, and axe-core's findings.

    python tests/page_screens.py FOLDER [--page report --width 390 --theme dark] [--run RUN]

Makes two runs with all that pages can show, opens their pages in headless Chromium at 1400, 768 and
390 pixels, light and dark, and writes pictures (PAGE-WIDTH-THEME-NUMBER.png) into FOLDER. --page,
--width and --theme, which may be repeated, do a part of it. Pages are shown as they open; --unfold
opens what is folded. The runs stay in FOLDER/made and are used again; their pages are written anew.
With --run the report of another run is opened too. Exit status 1 if axe-core finds a serious fault,
if a page is wider than the screen, a table cut, or if a script complains.
"""

from __future__ import annotations

import argparse
import base64
import itertools
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from facebench.results.compare import compare_runs
from facebench.results.leaderboard import leaderboard
from facebench.results.report.run_page import write_report
from support.axe import axe_source, violations
from support.browser import browser
from support.shown_run import save_shown_run

PAGES = ("report", "leaderboard", "compare")
WIDTHS, THEMES = (1400, 768, 390), ("light", "dark")
# A picture that is longer cannot be looked at.
HEIGHT = 2000
PATIENCE = 120
# Tables that have to be scrolled sideways.
CUT = """
    return [...document.querySelectorAll('.scroll')]
      .filter((one) => one.scrollWidth > one.clientWidth + 1)
      .map((one) => `${one.ariaLabel}, ${one.scrollWidth} of ${one.clientWidth} pixels,`);
"""


def make_pages(folder: Path, names: Sequence[str], run: Path | None) -> dict[str, Path]:
    """Make the runs unless they are there, and their pages."""
    faces, runs = folder / "faces", folder / "runs"
    first, second = (
        next((runs / name).glob("2*"), None) or save_shown_run(faces, runs, seed, name)
        for seed, name in ((0, "first"), (100, "second"))
    )
    pages = {name: folder / f"{name}.html" for name in names}
    for name, page in pages.items():
        if name == "report":
            write_report(first, page)
        elif name == "leaderboard":
            leaderboard([first, second], page)
        else:
            compare_runs(first, second, page)
    if run is not None:
        pages["run"] = write_report(run, folder / "run.html")
    return pages


def show(driver: Any, page: Path, width: int, theme: str) -> None:
    """Open a page as wide as a screen."""
    screen = {"width": width, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": width < 500}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    preferred = {"features": [{"name": "prefers-color-scheme", "value": theme}]}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", preferred)
    driver.get(page.as_uri())


def unfold(driver: Any) -> None:
    """Open all that is folded, and have the charts in it drawn."""
    driver.execute_script("dispatchEvent(new Event('beforeprint'))")


def wait_for_charts(driver: Any) -> None:
    """Wait until the charts on the screen are drawn."""
    deadline = time.monotonic() + PATIENCE
    undrawn = (
        "[...document.querySelectorAll('.plot:not(.drawn)')].some((plot) => {"
        " const box = plot.getBoundingClientRect();"
        " return box.height && box.top < innerHeight && box.bottom > 0; })"
    )
    while driver.execute_script(f"return {undrawn}") and time.monotonic() < deadline:
        time.sleep(0.1)


def take_pictures(driver: Any, folder: Path, stem: str) -> None:
    """Write a page as pictures from top to bottom."""
    for old in folder.glob(f"{stem}-??.png"):
        old.unlink()
    top, number = 0, 0
    while number == 0 or top < driver.execute_script("return document.body.scrollHeight"):
        driver.execute_script(f"scrollTo({{top: {top}, behavior: 'instant'}})")
        wait_for_charts(driver)
        shot = driver.execute_cdp_cmd("Page.captureScreenshot", {})
        (folder / f"{stem}-{number:02d}.png").write_bytes(base64.b64decode(shot["data"]))
        top, number = top + HEIGHT, number + 1


def look(
    driver: Any, pages: dict[str, Path], given: argparse.Namespace, axe: str | None
) -> list[str]:
    """Take all pictures; returns what is wrong."""
    wrong = []
    for name, page in pages.items():
        for width, theme in itertools.product(given.width, given.theme):
            started = time.monotonic()
            show(driver, page, width, theme)
            if given.unfold:
                unfold(driver)
            stem = f"{name}-{width}-{theme}"
            take_pictures(driver, given.folder, stem)
            wide = driver.execute_script("return document.documentElement.scrollWidth")
            if wide > width:
                wrong.append(f"{stem}: the page is {wide} pixels wide")
            wrong += [f"{stem}: {name} is cut" for name in driver.execute_script(CUT)]
            wrong += [f"{stem}: {entry['message']}" for entry in driver.get_log("browser")]
            # Colours depend on the theme, what there is does not; axe-core takes its time.
            if axe and (width == given.width[0] or theme == given.theme[-1]):
                unfold(driver)
                wrong += [f"{stem}: {found}" for found in violations(driver, axe)]
            sys.stdout.write(f"{stem}: {time.monotonic() - started:.0f} s\n")
            sys.stdout.flush()
    return wrong


def main() -> int:
    """Run the script."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("folder", type=Path, help="where pictures go")
    parser.add_argument("--page", action="append", choices=PAGES, help="only this page")
    parser.add_argument("--width", action="append", type=int, help="only this width, in pixels")
    parser.add_argument("--theme", action="append", choices=THEMES, help="only this theme")
    parser.add_argument("--unfold", action="store_true", help="open all that is folded")
    parser.add_argument("--no-axe", action="store_true", help="take pictures only")
    parser.add_argument("--run", type=Path, help="another run whose report is opened")
    given = parser.parse_args()
    given.width, given.theme = given.width or WIDTHS, given.theme or THEMES
    made = given.folder / "made"
    made.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        temporary = Path(place)
        try:
            with browser(temporary / "profile") as driver:
                pages = make_pages(made, given.page or PAGES, given.run)
                axe = None if given.no_axe else axe_source(temporary)
                wrong = look(driver, pages, given, axe)
        except pytest.skip.Exception as reason:
            sys.stdout.write(f"Nothing was looked at: {reason}\n")
            return 1
    fine = "Nothing is wider than its screen, and no table is cut."
    fine += " axe-core finds no serious fault." * (not given.no_axe)
    sys.stdout.write("\n".join([*(wrong or [fine]), f"Pictures are in {given.folder}.", ""]))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
