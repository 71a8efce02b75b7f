"""What `facebench validate` and `facebench run` spend on imports, against torch and torchvision.

Run with ``python benchmarks/imports.py``. The experiment is small: a network of one's own with the
usual preprocessing, two tasks, 12 images; the run writes tables and report. Each program runs under
``-X importtime`` in turn, several times. The limit: 1.3 times ``import torch, torchvision``; plots
need matplotlib besides.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image

LIMIT = 1.3
NETWORK = '''"""A network."""
from torch import nn
from facebench import BaseModel


class Net(BaseModel):
    """Pixels, averaged."""

    def _build_model(self):
        self.model = nn.AdaptiveAvgPool2d(4)

    def _forward(self, input_tensor):
        return self.model(input_tensor)
'''
EXPERIMENT = """\
images: faces
output: results
models:
  net: {model: net.py}
tasks:
  same: {task: accuracy, pairs: pairs.csv, true_label: same}
  protocol: {task: verification, pairs: pairs.csv}
"""


def write_experiment(folder: Path) -> None:
    """Write three photographs each of four people, their pairs, a network and an experiment."""
    rng = np.random.default_rng(0)
    names = [f"{person}/{number}.png" for person in "abcd" for number in range(3)]
    for name in names:
        path = folder / "faces" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(path)
    rows = [f"{a},{b},{int(a[0] == b[0])}" for i, a in enumerate(names) for b in names[i + 1 :]]
    (folder / "pairs.csv").write_text("\n".join(["img1,img2,same", *rows]))
    (folder / "net.py").write_text(NETWORK)
    (folder / "x.yaml").write_text(EXPERIMENT)


def import_times(folder: Path, *arguments: str) -> Counter[str]:
    """Run Python; give the seconds that the modules of each package took, without each other's."""
    command = [sys.executable, "-X", "importtime", *arguments]
    environment = os.environ | {"FACEBENCH_CACHE": str(folder / "store")}
    # As of torch, which pip has compiled, bytecode is there after the first time.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=True
    )
    seconds: Counter[str] = Counter()
    for line in done.stderr.splitlines():
        own, *_, module = line.removeprefix("import time:").split("|")
        if line.startswith("import time:") and own.strip().isdigit():
            seconds[module.strip().partition(".")[0]] += int(own) / 1e6
    return seconds


def main() -> None:
    """Run the three programs in turn and print the ratios and the heaviest packages."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=5)
    repetitions = parser.parse_args().repetitions
    run = ["-m", "facebench", "run", "x.yaml", "--force", "--quiet"]
    programs = {
        "import torch, torchvision": ["-c", "import torch, torchvision"],
        "facebench validate": ["-m", "facebench", "validate", "x.yaml", "--quiet"],
        "facebench run": [*run, "--set", "plots=false"],
        "facebench run, with plots": run,
    }
    found: dict[str, list[Counter[str]]] = {name: [] for name in programs}
    with tempfile.TemporaryDirectory() as folder:
        write_experiment(Path(folder))
        for arguments in programs.values():
            import_times(Path(folder), *arguments)  # files are read into memory
        for _ in range(repetitions):
            for name, arguments in programs.items():
                found[name].append(import_times(Path(folder), *arguments))
    totals = {name: [times.total() for times in runs] for name, runs in found.items()}
    reference, *others = totals
    print(f"{reference}: {statistics.median(totals[reference]):.2f} s")
    for name in others:
        ratios = [a / b for a, b in zip(totals[name], totals[reference], strict=True)]
        print(
            f"{name}: {statistics.median(totals[name]):.2f} s, ratio "
            f"{statistics.median(ratios):.2f} (limit: at most {LIMIT:g})"
        )
        middle = sorted(found[name], key=Counter.total)[repetitions // 2]
        for package, seconds in middle.most_common(10):
            print(f"    {package:<16}{seconds:.2f} s")


if __name__ == "__main__":
    main()
