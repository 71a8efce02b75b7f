"""Make the README's pictures from the results of `make demo`.

python docs/make_pictures.py [demo_results/rendered]
"""

import shutil
import sys
from pathlib import Path

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
SIDE = 150


def main() -> None:
    """Write docs/pictures."""
    results = Path(sys.argv[1] if len(sys.argv) > 1 else "demo_results/rendered")
    rows = []
    for number in PEOPLE:
        person = f"person_{number:02d}"
        images = [Image.open(results / "stimuli" / path.format(person)) for path in COLUMNS]
        rows.append(np.hstack([np.asarray(image.resize((SIDE, SIDE))) for image in images]))
    PICTURES.mkdir(exist_ok=True)
    sheet = Image.fromarray(np.vstack(rows))
    sheet.quantize(256).save(PICTURES / "faces.png", optimize=True)
    (chart,) = (results / "ConditionedAverageDistances Plots").glob("*_comparison.png")
    shutil.copy(chart, PICTURES / "conditions.png")


if __name__ == "__main__":
    main()
