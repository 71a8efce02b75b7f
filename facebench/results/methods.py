"""The methods section of a paper on a run, written from what the run recorded."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

import pandas as pd
from typing_extensions import override

from facebench.columns import DEFAULT_LAYER
from facebench.data.bibliography import (
    add_publication,
    as_bibtex,
    publications,
    reference_list,
    short_citation,
)
from facebench.errors import InputError
from facebench.results.face_failures import on_no_face
from facebench.results.wording import is_of_all, listed
from facebench.utils.latex import as_latex

if TYPE_CHECKING:
    from facebench.results.reader import Run
    from facebench.results.task_facts import TaskFacts

__all__ = ["MethodsSection", "methods_of"]

# Around keys, in texts that are not finished; no name of a file or model can hold these.
_OPEN, _CLOSE = "\ue000", "\ue001"
_MARKED = re.compile(f"{_OPEN}([^{_CLOSE}]*){_CLOSE}")
_MOST_LAYERS = 6
_OF_NUMBERS = re.compile(r" \([^()]*\)$")
_DETECTORS = {
    "dlib-hog": ("dalal2005hog", "kazemi2014landmarks", "sagonas2016faces", "king2009dlib"),
    "dlib-cnn": ("king2015detection", "kazemi2014landmarks", "sagonas2016faces", "king2009dlib"),
    "mtcnn": ("zhang2016mtcnn",),
    "yunet": ("wu2023yunet",),
}
_SPELT = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


@dataclass(frozen=True)
class MethodsSection:
    r"""What was done in a run, in words, and what to cite for it.

    Attributes
    ----------
    text : str
        Paragraphs, with citations by author and year.
    latex : str
        The same for LaTeX, with natbib's ``\citep``.
    references : list of str
        The publications cited, a line each.
    bibtex : str
        The same as BibTeX; its keys are those of `latex`.
    """

    text: str
    latex: str
    references: list[str]
    bibtex: str

    @override
    def __str__(self) -> str:
        return f"{self.text}\n\nReferences\n\n" + "\n".join(self.references)


def methods_of(
    run: Run, layer_choice: str = "same pairs", compared: Sequence[str] | None = None
) -> MethodsSection:
    """Write the methods section on a run.

    Parameters
    ----------
    run : Run
        The run.
    layer_choice : {'same pairs', 'held-out'}
        How the layers were chosen that stand for models with several.
    compared : sequence of str, optional
        Tasks in which models are compared by a paired test, where that is known; None finds them.

    Returns
    -------
    MethodsSection
        Only what the run recorded: runs of older versions of facebench tell less.
    """
    cited = _Cited()
    paragraphs = [
        _models(run, cited),
        _alignment(run, cited),
        *(_task(run, name, facts, cited) for name, facts in run.tasks.items()),
        _layers(run, layer_choice),
        _comparisons(run, cited, compared),
        _software(run, cited),
    ]
    text = "\n\n".join(paragraph for paragraph in paragraphs if paragraph)
    return MethodsSection(
        _MARKED.sub(lambda match: f"({cited.in_text(match[1].split(','))})", text),
        _latex(text),
        reference_list(cited.found),
        as_bibtex(cited.found),
    )


class _Cited:
    """Collects publications, and marks where they are cited."""

    def __init__(self) -> None:
        self.found: dict[str, Any] = {}

    def mark(self, citations: Iterable[str]) -> str:
        """Give the mark of a citation, with a space before it; '' for none."""
        keys = []
        for citation in citations:
            try:
                entries = publications([citation])
            except InputError:
                # Of a run folder that another version of facebench wrote.
                continue
            keys += [add_publication(self.found, key, entry) for key, entry in entries.items()]
        return f" {_OPEN}{','.join(dict.fromkeys(keys))}{_CLOSE}" if keys else ""

    def in_text(self, keys: Iterable[str]) -> str:
        """Write citations by author and year."""
        return "; ".join(short_citation(self.found[key]) for key in keys)


def _latex(text: str) -> str:
    parts = _MARKED.split(text)
    # Texts and keys alternate.
    written = [
        rf"\citep{{{part}}}" if place % 2 else "\n\n".join(map(as_latex, part.split("\n\n")))
        for place, part in enumerate(parts)
    ]
    return "".join(written)


def _models(run: Run, cited: _Cited) -> str:
    records: Mapping[str, Mapping[str, Any]] = run.manifest["models"]
    if not records:
        return ""
    passes = run.manifest["provenance"].get("models") or {}
    layers = _layers_of(run)
    told = []
    # Models that differ in their names only, as in seeds, are told together.
    for (kind, weights, prepared, marks, read), group in groupby(
        (
            (
                (
                    record.get("type", ""),
                    record.get("weights", ""),
                    record.get("preprocessing", ""),
                    tuple(record.get("citations", ())),
                    tuple(layers.get(name, ())),
                ),
                name,
            )
            for name, record in records.items()
        ),
        key=lambda item: item[0],
    ):
        names = [name for _, name in group]
        own = ", ".join(part for part in (kind, weights) if part)
        sentence = f"{_listed(names)} ({own}){cited.mark(marks)}" if own else _listed(names)
        sentence += f", {_told_layers(read)}" * bool(read)
        sentence += f"; images {prepared}" * bool(prepared)
        told.append(sentence + _wrapped(passes.get(names[0]) or {}))
    noun = "model" if len(records) == 1 else "models"
    return f"Models. We tested {_spelt(len(records))} {noun}. " + ". ".join(told) + "."


def _layers_of(run: Run) -> dict[str, list[str]]:
    rows = run.networks[["model", "layer"]].drop_duplicates()
    return {str(model): list(own["layer"]) for model, own in rows.groupby("model", sort=False)}


def _told_layers(layers: tuple[str, ...]) -> str:
    if layers == (DEFAULT_LAYER,):
        return "output of the network"
    if len(layers) == 1:
        return f"layer {layers[0]}"
    if len(layers) <= _MOST_LAYERS:
        return f"layers {_listed(layers)}"
    return f"{len(layers)} layers, {layers[0]} to {layers[-1]}"


def _wrapped(record: Mapping[str, Any]) -> str:
    """Say what was done with embeddings besides."""
    told = [str(name) for name in (record.get("wrappers") or {})]
    return f"; with {_listed(told)}" if told else ""


def _alignment(run: Run, cited: _Cited) -> str:
    by_settings: dict[tuple[str, ...], list[str]] = {}
    for name, record in (run.manifest["provenance"].get("models") or {}).items():
        found = record.get("alignment")
        key = (
            ()
            if not found
            else tuple(str(found.get(part, "")) for part in ("detector", "template", "which_face"))
        )
        by_settings.setdefault(key, []).append(name)
    if not any(by_settings):
        return ""
    told = []
    for settings, names in by_settings.items():
        if not settings:
            told.append(f"{_listed(names)} took images as they were")
            continue
        detector, template, which = settings
        told.append(
            f"For {_listed(names)}, faces were found with {detector or 'a detector'}"
            f"{cited.mark(_DETECTORS.get(detector, ()))} and aligned to the template {template}"
            + (f"; of several faces the one taken was: {which}" if which else "")
        )
    return " ".join(["Alignment. " + ". ".join(told) + ".", *_faces_found(run)])


def _faces_found(run: Run) -> list[str]:
    """Say in how many images no face was found, and what became of these, where it is known."""
    known = run.failures_to_process
    overall = known[known["grouping"].fillna("") == ""].dropna(subset=["n_images_failed"])
    if overall.empty:
        return []
    failed = overall[overall["n_images_failed"] > 0]
    if failed.empty:
        models = list(dict.fromkeys(overall["model"]))
        return [f"A face was found in every image by {_listed(models)}."]
    told = [
        f"{row.model} found no face in {row.n_images_failed} of {row.n_images} images of {row.task}"
        for row in failed.itertuples()
    ]
    return ["; ".join(told) + ".", on_no_face(run.manifest)]


def _task(run: Run, name: str, facts: TaskFacts, cited: _Cited) -> str:
    rows = run.networks[run.networks["task"] == name]
    data = run.manifest["data"].get(name) or {}
    marks = cited.mark([*facts.citations, *data.get("citations", ())])
    text = f"{name} ({facts.type}){marks}. "
    text += f"{facts.question.rstrip('.')}{'' if facts.question.endswith('?') else '.'} "
    of_all = rows[rows["condition"].isna() | rows["condition"].fillna("").map(is_of_all)]
    counted = of_all if len(of_all) else rows
    items = facts.item_name or ("pairs" if facts.pairs_file else "items")
    counts = [
        f"{known} {_one(noun, known)}"
        for column, noun in (
            ("n_pairs", items),
            # A task of images counts them once.
            *((("n_images", "images"),) if items != "images" else ()),
            ("n_identities", "people"),
        )
        if (known := _count(counted, column))
    ]
    n_conditions = 0 if len(of_all) else rows["condition"].nunique()
    if counts and n_conditions > 1:
        text += f"Each of the {n_conditions} conditions had {' of '.join(counts)}. "
    elif counts:
        verb = "was" if counts[0].startswith("1 ") else "were"
        text += f"There {verb} {' of '.join(counts)}. "
    distances = list(dict.fromkeys(rows["distance"].dropna()))
    text += f"Distance: {_listed(_distance(one) for one in distances)}. " if distances else ""
    intervals = _intervals(list(dict.fromkeys(rows["ci_method"].dropna())))
    if intervals:
        jackknife = cited.mark(["arvesen1969jackknifing"] * ("jackknife" in intervals))
        text += f"Confidence intervals: {intervals}{jackknife}. "
    tested = facts.remarks.get("P Method")
    text += f"P values: {tested}. " if tested else ""
    if facts.people:
        text += (
            f"{facts.people.get('participants', 0):,} participants gave "
            f"{facts.people.get('trials', 0):,} {facts.people.get('kind')} trials. "
        )
        text += "".join(f"{note.rstrip('.')}. " for note in facts.people.get("notes", ()))
        index = facts.remarks.get("People Index")
        text += f"People and networks were compared by: {index}. " if index else ""
    if any(metric.startswith("Error Consistency") for metric in set(rows["metric"])):
        text += f"Error consistency is kappa{cited.mark(['geirhos2020consistency'])}. "
    return text.strip()


def _intervals(methods: list[str]) -> str:
    """Tell how intervals were made: what all have in common, then what holds for some."""
    if not methods:
        return ""
    parts = [one.rstrip(".").split("; ") for one in methods]
    heads = dict.fromkeys(own[0] for own in parts)
    others = dict.fromkeys(part for own in parts for part in own[1:])
    every = [part for part in others if all(part in own for own in parts)]
    # Which numbers a note is of differs between layers.
    stems = Counter(_OF_NUMBERS.sub("", part) for part in others if part not in every)
    some = dict.fromkeys(
        stem if stems[stem] > 1 else part
        for part, stem in ((part, _OF_NUMBERS.sub("", part)) for part in others)
        if part not in every
    )
    told = "; ".join([" or ".join(heads), *every])
    return f"{told}; of some numbers: {'; '.join(some)}" if some and len(parts) > 1 else told


def _layers(run: Run, layer_choice: str) -> str:
    from facebench.results.headline import layer_note

    note = layer_note(run.networks, layer_choice)
    if note.startswith("The best layer"):
        note = f"Results are of t{note[1:]}"
    return f"Layers. {note}." if note else ""


def _comparisons(run: Run, cited: _Cited, compared: Sequence[str] | None) -> str:
    if compared is None:
        compared = [name for name in run.tasks if _is_compared(run, name)]
    if not compared:
        return ""
    mark = cited.mark(["holm1979procedure"])
    where = "" if len(compared) == len(run.tasks) else f" in {_listed(compared)}"
    return (
        f"Comparisons. Models were compared{where} on the same pairs by paired tests that account "
        f"for shared people and images, with Holm's correction{mark}, at P < .05."
    )


def _is_compared(run: Run, task: str) -> bool:
    """Tell whether a paired test compares two models by a headline measure."""
    from facebench.results.comparison.paired import Evidence, is_tested
    from facebench.results.pair_rows import saved_models

    rows = run.of_task(task).headline
    rows = rows[rows["value"].notna()]
    layers = dict(zip(rows["model"], rows["layer"], strict=True))
    if len(layers) < 2:
        return False
    pairs = saved_models(run, task, layers)
    for (metric, condition), own in rows.groupby(["metric", "condition"], sort=False, dropna=False):
        named = None if pd.isna(condition) else str(condition)
        evidence = [
            Evidence(
                str(metric), named, row.value, pairs.get(row.model),
                run.left_out.get((task, row.model, row.layer)),
            )
            for row in own.itertuples()
        ]  # fmt: skip
        if is_tested(evidence):
            return True
    return False


def _software(run: Run, cited: _Cited) -> str:
    versions = run.manifest["versions"]
    names = [("Python", "python"), ("PyTorch", "torch"), ("NumPy", "numpy"), ("SciPy", "scipy")]
    records = [
        record
        for record in (run.manifest["provenance"].get("models") or {}).values()
        if record.get("layout")
    ]
    others = [
        f"{shown} {versions[key]}"
        + cited.mark(["paszke2019pytorch"] * (key == "torch" and bool(records)))
        for shown, key in names
        if key in versions
    ]
    git = (run.manifest["code"] or {}).get("git")
    commit = str(git.get("commit", "")) if isinstance(git, dict) else ""
    own = f"facebench {versions.get('facebench', '')}".strip()
    own += cited.mark(["facebench"]) + f", commit {commit[:12]}" * bool(commit)
    where = {
        f"{record['precision']} on {record['device']}"
        for record in records
        if {"precision", "device"} <= set(record)
    }
    ran = f" Networks ran in {_listed(sorted(where))}." if where else ""
    ran += _engines(run) + _decoders(run)
    return f"Software. {own}" + f", with {_listed(others)}" * bool(others) + f".{ran}"


def _engines(run: Run) -> str:
    """Say which networks other engines than torch ran, and how far they differ from it."""
    found = ""
    records = run.manifest["provenance"].get("models") or {}
    engines = (record.get("accelerate") for record in records.values())
    for engine in filter(None, dict.fromkeys(engines)):
        of_it = {
            name: max((record.get("differences") or {}).values(), default=None)
            for name, record in records.items()
            if record.get("accelerate") == engine
        }
        known = [difference for difference in of_it.values() if difference is not None]
        told = (
            f", whose outputs differed from PyTorch's by at most {max(known):.1g} of the length of "
            "an embedding on the first images"
            if known
            else ""
        )
        found += f" {_listed(of_it)} ran in {engine}{told}."
    return found


def _decoders(run: Run) -> str:
    """Say what decoded JPEGs, if not Pillow, and how far its pixels are from Pillow's."""
    sentences = []
    for record in (run.manifest["provenance"].get("models") or {}).values():
        facts = record.get("decoder")
        if not isinstance(facts, dict) or not facts.get("decoder"):
            continue
        told = ""
        if facts.get("images"):
            told = (
                f", whose pixels differed from Pillow's by at most {facts.get('largest')} grey "
                f"levels (on average {facts.get('mean')}) in {facts['images']} images"
            )
        sentences.append(f" JPEG images were decoded by {facts['decoder']}{told}.")
    return "".join(dict.fromkeys(sentences))


def _count(rows: pd.DataFrame, column: str) -> str:
    known = rows[column].dropna()
    if known.empty or not known.max():
        return ""
    low, high = int(known.min()), int(known.max())
    return f"{high:,}" if low == high else f"{low:,} to {high:,}"


def _one(noun: str, count: str) -> str:
    if count != "1":
        return noun
    return "person" if noun == "people" else noun.removesuffix("s")


def _distance(name: str) -> str:
    return name.removesuffix("_distances").replace("_", " ")


def _listed(names: Iterable[str]) -> str:
    """List all names in a sentence, however many."""
    known = list(names)
    return listed(known, most=len(known)) if known else ""


def _spelt(number: int) -> str:
    return _SPELT[number] if number < len(_SPELT) else f"{number:,}"
