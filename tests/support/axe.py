"""axe-core, which finds what keeps people from using a page; npm brings it when it is needed."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest

# Of a rule's impact: what keeps people out, or nearly so.
SERIOUS = ("serious", "critical")


def axe_source(folder: Path) -> str:
    """Get the script of axe-core into a folder; skips the test where npm cannot bring it."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("no npm is installed, which brings axe-core")
    command = [npm, "pack", "axe-core@4", "--silent", "--prefer-offline", "--pack-destination"]
    made = subprocess.run(
        [*command, str(folder)], capture_output=True, text=True, timeout=120, check=False
    )
    if made.returncode:
        reason = (made.stderr.strip().splitlines() or ["no reason given"])[-1]
        pytest.skip(f"npm cannot bring axe-core: {reason:.200}")
    packed = folder / made.stdout.strip().splitlines()[-1]
    with tarfile.open(packed) as archive:
        script = archive.extractfile("package/axe.min.js")
        assert script is not None
        return script.read().decode("utf-8")


def violations(driver: Any, source: str) -> list[str]:
    """Name what is serious or critical on the page that is open, with the first places of each."""
    driver.set_script_timeout(120)
    # What is folded is not looked at.
    driver.execute_script("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    found = driver.execute_async_script(
        source + "\nconst done = arguments[0];"
        "axe.run(document, { resultTypes: ['violations'] }).then((r) => done(r.violations))"
    )
    return [
        f"{one['id']} ({one['impact']}, {len(one['nodes'])} places): "
        + "; ".join(node["html"][:160] for node in one["nodes"][:3])
        for one in found
        if one["impact"] in SERIOUS
    ]
