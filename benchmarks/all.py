"""Run the benchmarks one after the other, and write docs/performance.md.

    python benchmarks/all.py                  all of them, in about 25 minutes on two cores
    python benchmarks/all.py --quick          those that take less than two minutes, in about 10
    python benchmarks/all.py NAME …           those whose command contains one of the names
    python benchmarks/all.py --keep           with any of these: write the figures to the page
    python benchmarks/all.py --page           only write the page again

Each benchmark prints lines that end in ``(limit: …)``; the number before it is the figure. One line
is printed here for each: command, what was measured, figure, limit, kept or EXCEEDED. Figures are
kept in benchmarks/figures.json, with the machine and the day; those of benchmarks that did not run
stay. On a loaded machine figures of the clock mean nothing: those of the processor hardly change.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import re
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

HERE = Path(__file__).parent
FIGURES = HERE / "figures.json"
PAGE = HERE.parent / "docs" / "performance.md"
BEGIN, END = "<!-- figures -->\n", "<!-- end of figures -->\n"
_NUMBER = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)?(?:e[+-]?\d+)?")
# A figure begins its line, or is the last number before "(limit: …)".
_FIRST = re.compile(rf"^(?P<value>{_NUMBER.pattern})(?P<unit> [^()]*)\(limit:? ?(?P<limit>[^()]*)")
_LAST = re.compile(
    rf"^(?P<what>.*?)(?P<value>{_NUMBER.pattern})(?P<unit>[^\d()]*)\(limit:? ?(?P<limit>[^()]*)"
)


@dataclass(frozen=True)
class Benchmark:
    """A command, and how to read what it prints.

    Attributes
    ----------
    command : str
        Script and arguments; ``{lfw}`` is the folder of LFW's images.
    question : str
        What it measures.
    better : {'less', 'more'}
        Which way, where its lines do not say "at most" or "at least".
    is_quick : bool
        Whether it takes less than two minutes on two cores.
    before : tuple of (str, str)
        A part of what a line says, and the earlier figure.
    """

    command: str
    question: str
    better: Literal["less", "more"] = "less"
    is_quick: bool = True
    before: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Figure:
    """One measured number: whether its limit is kept, and where and when it was measured."""

    what: str
    value: str
    limit: str
    is_kept: bool
    machine: str = ""
    day: str = ""


BENCHMARKS = (
    Benchmark(
        "near_the_limit.py dlib",
        "First run of dlib's network without alignment: bare forward and shared decoding over the "
        "whole run",
        before=(("ratio", "0.74–0.79"),),
    ),
    Benchmark("near_the_limit.py vgg16", "The same, VGG16", is_quick=False),
    Benchmark("near_the_limit.py clip", "The same, CLIP ViT-B/32"),
    Benchmark("near_the_limit.py dlib-aligned", "The same, dlib's network with alignment"),
    Benchmark(
        "small_run.py",
        "All 39 layers of VGG16 on 106 images in 2 GiB, over the bare forward",
        is_quick=False,
        before=(("ratio", "2.1 (clock), 1.66 (CPU)"),),
    ),
    Benchmark(
        "wide_layers.py",
        "All 39 layers of VGG16 on 333 images in 4 GiB: memory, and time over the bare forward",
        is_quick=False,
        before=(("ratio", "1.17"),),
    ),
    Benchmark("overhead.py", "6,000 pairs, 4 tasks, a network that costs nothing, over decoding"),
    Benchmark("many_images.py", "100,000 small images, over decoding", is_quick=False),
    Benchmark("embed_once.py", "Four tasks, over the plain way pair by pair", "more"),
    Benchmark("store.py", "Rows read from the store, over a checked copy of a memory map"),
    Benchmark("shards.py", "Rows read from packs, over the store; forwards per image in 8 shards"),
    Benchmark("distances.py", "A million distances, over plain NumPy"),
    Benchmark("metrics.py --scores 2000000 --stream 20000000", "ROC and others, over a sort"),
    Benchmark(
        "identification.py --gallery 200000", "Gallery search: the bare product over it", "more"
    ),
    Benchmark("ratings.py", "Rated pairs with intervals: a loop of SciPy over it", "more"),
    Benchmark(
        "large_tables.py --pairs 60000 120000 240000", "Growth with the table", "less", False
    ),
    Benchmark("leaderboard.py --runs 1", "1,000 models × 5 tasks in one leaderboard"),
    Benchmark("report.py", "Report of 10 models × 39 layers × 15 tasks", "less", False),
    Benchmark(
        "acceleration.py",
        "Other engines, over torch in one thread; difference of a row",
        is_quick=False,
    ),
    Benchmark("imports.py", "Imports, over those of torch and torchvision"),
    Benchmark(
        "alignment.py {lfw} --images 1000",
        "`facebench align`, over the rate of its detector on the same photographs",
        "more",
        before=(("arcface112", "0.75–0.77"), ("dlib150", "0.80–0.85")),
    ),
    Benchmark(
        "detectors.py --images 200", "dlib's HOG detector over YuNet, CPU time", "more", False
    ),
)


def figures_of(benchmark: Benchmark, printed: str) -> list[Figure]:
    """Read the figures that a benchmark printed.

    Examples
    --------
    >>> figures_of(Benchmark("x.py", ""), "ratio: 1.25 (limit: at most 1.3)")[0].is_kept
    True
    """
    found = []
    for line in printed.splitlines():
        match = _FIRST.match(line.strip()) or _LAST.match(line.strip())
        number = match and _NUMBER.search(match["limit"])
        if not match or not number:
            continue
        told = re.split(r"[,:] |[,:]$", match.groupdict().get("what", "").strip())
        parts = [part.strip() for part in told if part.strip()]
        value, limit = (float(text.replace(",", "")) for text in (match["value"], number[0]))
        is_less = any(word in line for word in ("peak", "CPU time", "at most"))
        is_more = "at least" in match["limit"] or (benchmark.better == "more" and not is_less)
        found.append(
            Figure(
                what=", ".join(dict.fromkeys([*parts[:1], *parts[-1:]])) or "ratio",
                value=f"{match['value']}{match['unit'].rstrip()}",
                limit=f"{'≥' if is_more else '≤'} {number[0]}",
                is_kept="EXCEEDED" not in match["limit"]
                and (value >= limit if is_more else value <= limit),
            )
        )
    return found


def machine() -> str:
    """Name processor, cores and memory."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = re.findall(r"model name\s*:\s*(.*)", info.read_text())
        model = names[0] if names else model
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = ""
    if hasattr(os, "sysconf"):
        pages = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        memory = f", {pages / 2**30:.0f} GiB"
    return f"{model}, {cores} cores{memory}"


def run(benchmark: Benchmark, most_seconds: float) -> list[Figure]:
    """Run one in a process of its own, and print its figures."""
    data = Path(os.environ.get("FACEBENCH_DATA", HERE.parents[1] / "shared" / "data"))
    command = benchmark.command.format(lfw=data / "lfw_view1" / "images")
    name, *arguments = command.split()
    if not (HERE / name).exists():
        return []
    started = time.perf_counter()
    try:
        done = subprocess.run(
            [sys.executable, str(HERE / name), *arguments],
            capture_output=True,
            text=True,
            timeout=most_seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        print(f"{benchmark.command}: not done after {most_seconds:.0f} s", flush=True)
        return []
    found = figures_of(benchmark, done.stdout)
    for figure in found:
        kept = "kept" if figure.is_kept else "EXCEEDED"
        print(f"{benchmark.command}: {figure.what}: {figure.value} ({figure.limit}, {kept})")
    if not found:
        told = (done.stderr.strip().splitlines() or ["nothing printed"])[-1]
        print(f"{benchmark.command}: no figure: {told}")
    print(f"    {time.perf_counter() - started:.0f} s", flush=True)
    here, today = machine(), datetime.datetime.now(tz=datetime.UTC).date().isoformat()
    return [Figure(**{**asdict(figure), "machine": here, "day": today}) for figure in found]


def read_figures() -> dict[str, list[Figure]]:
    """Read the figures that were kept."""
    if not FIGURES.exists():
        return {}
    kept = json.loads(FIGURES.read_text())
    return {command: [Figure(**figure) for figure in found] for command, found in kept.items()}


def table(kept: dict[str, list[Figure]]) -> str:
    """Lay the figures out as the page shows them."""
    machines = list(dict.fromkeys(figure.machine for found in kept.values() for figure in found))
    lines = ["| Benchmark | Figure | Before | Limit | Measured |", "|---|---|---|---|---|"]
    for benchmark in BENCHMARKS:
        found = kept.get(benchmark.command, [])
        lines.append(f"| {benchmark.question}: `{benchmark.command}` | | | | |")
        for figure in found:
            before = next(
                (told for part, told in benchmark.before if part in f"{figure.what} ratio"), ""
            )
            mark = "" if figure.is_kept else " (exceeded)"
            where = f"{figure.day}, {chr(ord('A') + machines.index(figure.machine))}"
            lines.append(
                f"| {figure.what} | {figure.value} | {before} | {figure.limit}{mark} | {where} |"
            )
    names = [f"{chr(ord('A') + index)}: {name}." for index, name in enumerate(machines)]
    return "\n".join([*lines, "", "Machines. " + " ".join(names), ""])


def page(kept: dict[str, list[Figure]]) -> str:
    """Give the page with these figures."""
    text = PAGE.read_text(encoding="utf-8")
    head, rest = text.split(BEGIN)
    _, tail = rest.split(END)
    return f"{head}{BEGIN}{table(kept)}{END}{tail}"


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="parts of commands")
    parser.add_argument("--quick", action="store_true", help="only what takes two minutes at most")
    parser.add_argument("--keep", action="store_true", help="write figures and page")
    parser.add_argument("--page", action="store_true", help="write the page again, run nothing")
    parser.add_argument("--timeout", type=float, default=900.0, help="seconds for one of them")
    given = parser.parse_args()
    kept = read_figures()
    for benchmark in BENCHMARKS:
        is_named = not given.names or any(name in benchmark.command for name in given.names)
        if given.page or not is_named or (given.quick and not benchmark.is_quick):
            continue
        if (found := run(benchmark, given.timeout)) and given.keep:
            kept[benchmark.command] = found
            told = {command: [asdict(one) for one in figures] for command, figures in kept.items()}
            FIGURES.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n")
    if given.keep or given.page:
        PAGE.write_text(page(kept), encoding="utf-8")


if __name__ == "__main__":
    main()
