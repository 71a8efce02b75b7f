"""A small world for whole runs: images, pairs, a network and tasks, made in a second."""

import csv
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from support.small_net import SmallNet, small_transform

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items):
    """Mark what takes whole runs or commands: ``-m "not integration"`` leaves it out."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.integration)


@pytest.fixture(scope="session")
def small_net():
    def make(name="small", extract_layers=None, cls=SmallNet, **options):
        return cls(name, None, extract_layers, small_transform, **options)

    return make


@pytest.fixture(scope="session")
def world(tmp_path_factory):
    """Images of 6 people and four pair tables over them."""
    folder = tmp_path_factory.mktemp("world")
    rng = np.random.default_rng(5)
    names = []
    for person in range(6):
        base = rng.integers(0, 200, (30, 30, 3))
        for photograph in range(3):
            name = f"person {person}/{photograph}.png"
            path = folder / "images" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            noisy = np.clip(base + rng.integers(0, 56, base.shape), 0, 255).astype(np.uint8)
            Image.fromarray(noisy).save(path)
            names.append(name)
    pairs = [tuple(rng.choice(len(names), 2, replace=False)) for _ in range(40)]
    pairs += pairs[:4]  # duplicates must stay duplicates
    rows = [
        {
            "img1": names[a],
            "img2": names[b],
            "same": int(a // 3 == b // 3) if i > 1 else i,
            "distance": round(float(rng.random()), 3),
            "condition": ["near", "far", "odd/even"][i % 3],
            "group": ["upright", "inverted"][i % 2],
            "note": f"row {i}",
        }
        for i, (a, b) in enumerate(pairs)
    ]
    table = folder / "pairs.csv"
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return SimpleNamespace(folder=folder, images=folder / "images", pairs=table, rows=rows)


@pytest.fixture
def broken_world(world, tmp_path):
    """The same world with one truncated image and one text file in place of an image."""
    images = tmp_path / "images"
    shutil.copytree(world.images, images)
    damaged = images / "person 0" / "0.png"
    damaged.write_bytes(damaged.read_bytes()[:200])
    (images / "person 3" / "1.png").write_text("not an image")
    return SimpleNamespace(images=images, pairs=world.pairs, rows=world.rows)
