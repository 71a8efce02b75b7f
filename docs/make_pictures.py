"""Make the pictures of README.md and docs/demo.md from a run of `make demo`.

    make demo
    python docs/make_pictures.py [demo_results/rendered]

The picture of the report needs Chromium.
"""

import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

PICTURES = Path(__file__).parent / "pictures"
PEOPLE = (1, 3, 4, 7)
COLUMNS = (
    "photographs/{0}/{0}_0001.png",
    "photographs/{0}/{0}_0002.png",
    "inverted/{0}/{0}_0001.png",
    "thatcherised/{0}/{0}_0001.png",
    "thatcherised-inverted/{0}/{0}_0001.png",
    "feature-changes/{0}/{0}_eyes.png",
    "feature-changes/{0}/{0}_nose.png",
    "feature-changes/{0}/{0}_hair.png",
)
SIDE = 100
REPORT_SIZE = (1280, 860)


def make_pictures(results: Path) -> None:
    """Write docs/pictures."""
    rows = []
    for number in PEOPLE:
        person = f"person_{number:02d}"
        images = [Image.open(results / "stimuli" / path.format(person)) for path in COLUMNS]
        rows.append(np.hstack([np.asarray(image.resize((SIDE, SIDE))) for image in images]))
    PICTURES.mkdir(exist_ok=True)
    save(Image.fromarray(np.vstack(rows)), "faces")
    run = results / "runs" / "demo" / "latest"
    (chart,) = (run / "ConditionedAverageDistances Plots").glob("*_comparison.png")
    save(Image.open(chart), "conditions")
    save(photograph(run / "report.html"), "report")


def photograph(page: Path) -> Image.Image:
    """Take a picture of a page as a browser first shows it."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        sys.exit("The picture of the report needs Chromium.")
    with TemporaryDirectory() as folder:
        picture = Path(folder) / "page.png"
        size = ",".join(map(str, REPORT_SIZE))
        options = ["--headless=new", "--no-sandbox", "--hide-scrollbars", f"--window-size={size}"]
        address = page.resolve().as_uri()
        subprocess.run(
            [browser, *options, f"--screenshot={picture}", address],
            check=True,
            capture_output=True,
        )
        image = Image.open(picture)
        image.load()
    return image.convert("RGB")


def save(image: Image.Image, name: str) -> None:
    """Write a picture of 256 colours."""
    image.convert("RGB").quantize(256).save(PICTURES / f"{name}.png", optimize=True)


if __name__ == "__main__":
    make_pictures(Path(sys.argv[1] if len(sys.argv) > 1 else "demo_results/rendered"))
