"""A first experiment for a folder of faces: pairs, stimuli, ratings and people in one go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from facebench.data.identity import person_by
from facebench.data.pairs import find_images, pairs_from_folder
from facebench.errors import InputError, StimulusError
from facebench.experiment.starters.blocks import (
    MODELS,
    TASKS_HEAD,
    TaskBlock,
    quoted,
    relative_to,
)
from facebench.experiment.starters.effects import conditions_of, needs_both_classes, tasks_of
from facebench.experiment.starters.face_folder import FaceFolder, look_at
from facebench.experiment.starters.groups import pairs_of_groups
from facebench.experiment.starters.people import ShownPairs, ask_people
from facebench.experiment.starters.people_items import ITEM_KINDS
from facebench.experiment.starters.ratings import read_ratings
from facebench.experiment.starters.trials import TrialsDraft, draft_trials
from facebench.utils.files import atomic_path, write_csv

if TYPE_CHECKING:
    import pandas as pd

    from facebench.tasks.shared.ratings import RatingKind

__all__ = ["Starter", "StarterRequest", "write_starter"]

_TEMPLATE = """\
# An experiment for facebench. Run it with `facebench run {file}`; run it again to continue it.
# Paths are relative to this file. Every setting: docs/configuration.md, or `facebench schema`.

name: {name}
{images:<32}  # image names in pairs files are relative to this folder
distance: euclidean               # of tasks that name no other: see `facebench metrics`
# batch_size: 32                  # images per forward pass
# device: auto                    # 'cpu', 'cuda:0', 'mps'
# seed: 0                         # of all that is drawn at random
# output: runs                    # results go to runs/NAME/TIME-ID
# report: true                    # end with a report.html
# plots: true                     # let tasks draw figures too
# figures: [png, pdf]             # what figures are written as

{models}
{tasks}"""
_TEXTS = dict.fromkeys(("img1", "img2", "condition", "identity1", "identity2"), str)
_DESCRIPTIONS = (".yaml", ".yml")


@dataclass(frozen=True)
class StarterRequest:
    """What a first experiment is to have beside pairs of a folder of faces.

    Attributes
    ----------
    effects : sequence of str
        See `conditions_of`.
    ratings : Path or None
        A file of ratings, see `read_ratings`.
    rating : {'distance', 'similarity'} or None
        What larger ratings mean; None to take what the file says.
    people : Path or None
        Trials of people, or a YAML file that describes them.
    groups, own : Path or None, str or None
        See `pairs_of_groups`.
    identity : str or None
        Who is in an image, see `facebench.data.identity.person_by`.
    stimuli : Path or None
        Where stimuli are made; None for the folder ``stimuli`` beside the experiment.
    most_genuine : int
        Pairs of one person, at most; as many impostor pairs, if the images give them.
    seed : int
        Of what is drawn.
    """

    effects: Sequence[str] = ()
    ratings: Path | None = None
    rating: RatingKind | None = None
    people: Path | None = None
    groups: Path | None = None
    own: str | None = None
    identity: str | None = None
    stimuli: Path | None = None
    most_genuine: int = 1000
    seed: int = 0


@dataclass(frozen=True)
class Starter:
    """What was written.

    Attributes
    ----------
    experiment : Path
        The YAML file.
    pairs : Path or None
        The pairs of photographs; None where the images give none.
    n_genuine, n_impostor : int
        How many pairs of each kind.
    n_people : int
        How many people are in them.
    files : list of Path
        All that was written, the experiment first.
    taken : list of str
        What was taken for what, a sentence each.
    doubts : list of str
        What should be looked at.
    to_fill_in : list of str
        What must be filled in before a run, and where.
    """

    experiment: Path
    pairs: Path | None
    n_genuine: int
    n_impostor: int
    n_people: int
    files: list[Path] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    to_fill_in: list[str] = field(default_factory=list)


def write_starter(
    faces: Path,
    experiment: Path,
    request: StarterRequest | None = None,
    *,
    replace: bool = False,
) -> Starter:
    """Write an experiment and all that it needs.

    Parameters
    ----------
    faces : Path
        A folder of ``NAME/*.jpg``.
    experiment : Path
        The YAML file to write; tables go beside it, stimuli into the folder ``stimuli`` beside it.
    request : StarterRequest, optional
        Effects, ratings and people.
    replace : bool, default False
        Whether the experiment and its tables are replaced where they are there already. A
        description of trials never is.

    Raises
    ------
    InputError
        If a file already exists, or the folder holds nothing that can be asked.
    """
    return _Writer(faces, experiment, request or StarterRequest(), replace).write()


class _Writer:
    """Puts an experiment together; what can be wrong is found before stimuli are made."""

    def __init__(
        self, faces: Path, experiment: Path, asked: StarterRequest, may_replace: bool
    ) -> None:
        self._faces = faces
        self._experiment = experiment
        self._folder = experiment.parent
        self._made = asked.stimuli or self._folder / "stimuli"
        self._asked = asked
        self._may_replace = may_replace
        self._tasks: list[TaskBlock] = []
        self._tables: dict[Path, pd.DataFrame] = {}
        self._stimuli: dict[str, pd.DataFrame] = {}
        self._who: dict[str, str] = {}
        self._taken: list[str] = []
        self._doubts: list[str] = []
        self._open: list[str] = []
        self._draft: tuple[Path, str] | None = None

    @cached_property
    def _found(self) -> FaceFolder:
        return look_at(self._faces, self._asked.identity)

    def _beside(self, ending: str) -> Path:
        return self._experiment.with_name(f"{self._experiment.stem}_{ending}.csv")

    def write(self) -> Starter:
        asked = self._asked
        self._refuse_existing(self._experiment, self._beside("pairs"))
        found = self._found
        self._taken += found.remarks
        conditions, groups = conditions_of(asked.effects)
        self._check_options(groups)
        self._check_effects(conditions)
        pairs = self._same_person()
        if groups:
            self._add_groups(groups)
        if asked.ratings is not None:
            self._add_ratings(asked.ratings)
        if asked.people is not None:
            # Trials that cannot be read are told before stimuli are made.
            self._trials(asked.people)
        if conditions:
            self._add_effects(conditions)
        if asked.people is not None:
            self._add_people(asked.people)
        if not self._tasks:
            raise InputError(found.why_no_pairs)
        return self._written(pairs)

    def _refuse_existing(self, *paths: Path) -> None:
        given = (self._asked.ratings, self._asked.people, self._asked.groups)
        for path in paths:
            if any(one is not None and one.absolute() == path.absolute() for one in given):
                msg = f"{path} is given to be read and cannot be written. Choose another --output."
                raise InputError(msg)
            if path.exists() and not self._may_replace:
                msg = f"{path} already exists. Choose another --output, or --force to replace it."
                raise InputError(msg)

    def _person(self, image: str) -> str:
        """Say who is in a photograph or stimulus; '' where that is unknown."""
        if image in self._who:
            return self._who[image]
        return person_by(self._asked.identity)(image) if self._found.people else ""

    # Parts

    def _check_options(self, groups: Sequence[str]) -> None:
        """Refuse options that would not count."""
        asked = self._asked
        if not groups and (asked.groups or asked.own):
            msg = "--groups and --own are for --effects other-race or familiarity. Add one of them."
            raise InputError(msg)
        if asked.rating and not asked.ratings:
            msg = "--rating says what the numbers of --ratings mean. Add --ratings FILE."
            raise InputError(msg)

    def _check_effects(self, conditions: Sequence[str]) -> None:
        found = self._found
        needing = needs_both_classes(conditions) if conditions else []
        if needing and found.why_no_pairs:
            msg = (
                f"The effect of {needing[0]!r} needs pairs of one person and of two. "
                f"{found.why_no_pairs}"
            )
            raise InputError(msg)
        loose = [remark for remark in found.remarks if "directly in" in remark]
        if conditions and loose:
            msg = f"{loose[0]} Stimuli would be made of them too: move them, or sort them."
            raise InputError(msg)

    def _same_person(self) -> pd.DataFrame | None:
        """Add the pairs of photographs, where there are any."""
        found, asked = self._found, self._asked
        others = asked.effects or asked.ratings or asked.people
        if found.why_no_pairs:
            if not others:
                raise InputError(found.why_no_pairs)
            self._taken.append(f"No verification of photographs: {found.why_no_pairs}")
            return None
        genuine = min(found.n_genuine, asked.most_genuine)
        impostor = min(found.n_impostor, genuine)
        table = pairs_from_folder(
            self._faces, genuine, impostor, asked.seed, identity=asked.identity
        )
        # Links that lead out of the folder are refused by a run: say so now.
        find_images(table, self._faces, task=self._experiment.stem)
        path = self._beside("pairs")
        self._tables[path] = table
        said = {"pairs": quoted(path.name), "true_label": "same"}
        if asked.identity is not None:
            said["identity"] = "[identity1, identity2]"
        self._tasks.append(
            TaskBlock(
                "same-person",
                "verification",
                said,
                {
                    "task": "accuracy of 10 folds, AUC, EER, d' and TAR at FAR, with intervals",
                    "true_label": "the column that says whether two images show one person",
                },
                ("folds: 10", "far: [0.1, 0.01]"),
            )
        )
        return table

    def _add_groups(self, effects: Sequence[str]) -> None:
        if self._found.why_no_pairs:
            raise InputError(self._found.why_no_pairs)
        path = self._beside("groups")
        self._refuse_existing(path)
        made = pairs_of_groups(
            self._found,
            effects,
            self._asked.groups,
            self._asked.own,
            path.name,
            most_genuine=self._asked.most_genuine,
            seed=self._asked.seed,
        )
        self._tables[path] = made.table
        self._tasks += made.tasks
        self._taken += made.taken

    def _add_ratings(self, ratings: Path) -> None:
        read = read_ratings(
            ratings, self._faces, self._folder, rating=self._asked.rating, person=self._person
        )
        self._tasks.append(read.block)
        self._taken.append(read.taken)
        self._doubts += read.doubts

    def _add_effects(self, conditions: Sequence[str]) -> None:
        import pandas as pd

        from facebench.stimuli.conditions import make_conditions

        try:
            made = make_conditions(
                self._faces,
                self._made,
                conditions,
                seed=self._asked.seed,
                identity=self._asked.identity,
            )
        except StimulusError as error:
            if "'out' folder" not in str(error):
                raise
            msg = f"{error} --stimuli DIR names another one."
            raise InputError(msg) from error
        tasks, problems = tasks_of(made, conditions, self._folder)
        if problems:
            raise InputError(" ".join(problems))
        self._tasks += tasks
        for task in tasks:
            table = pd.read_csv(task.table, dtype=_TEXTS)
            self._stimuli[task.name] = table
            for side in "12":
                who = zip(table[f"img{side}"], table[f"identity{side}"], strict=True)
                self._who |= dict(who)
        counts = ", ".join(f"{label} ({n})" for label, n in made.made.items())
        self._taken.append(f"Stimuli in {made.images_path}: {counts}.")
        if made.left_out:
            listed = made.images_path / "left_out.csv"
            self._taken.append(
                f"{len(made.left_out)} stimuli could not be made of {made.n_sources} photographs: "
                f"{listed}."
            )

    # People

    def _trials(self, people: Path) -> tuple[ShownPairs, TrialsDraft | None]:
        if people.suffix.lower() in _DESCRIPTIONS:
            from facebench.people.reading import read_trials

            trials = read_trials(people)
            return ShownPairs(trials.table, trials.kind), None
        conditions = {
            name
            for table in self._stimuli.values()
            if "condition" in table
            for name in table["condition"]
        }
        draft = draft_trials(
            people,
            self._description(people),
            images=[*self._found.images, *self._who],
            person=self._person,
            conditions={"condition": sorted(conditions)} if conditions else {},
        )
        return ShownPairs(draft.shown, draft.kind), draft

    def _description(self, people: Path) -> Path:
        return self._folder / f"{people.stem or people.name}.yaml"

    def _add_people(self, people: Path) -> None:
        shown, draft = self._trials(people)
        description = people if draft is None else self._description(people)
        if draft is not None and description.absolute() == self._experiment.absolute():
            msg = f"{description} would describe the trials. Choose another --output."
            raise InputError(msg)
        name = relative_to(description, self._folder)
        is_pair = {"img1", "img2"} <= {*shown.table.columns}
        if not is_pair and shown.kind not in ITEM_KINDS and draft is not None:
            self._open = [f"{description}: {what}" for what in draft.open]
            self._doubts.append(
                f"People are in no task yet, as nothing says which images they saw: fill in "
                f"{description}, then call init again with --people {description}."
            )
            self._keep(description, draft.text)
            return
        asked = ask_people(
            shown,
            name,
            self._tasks,
            faces=self._found.images,
            stimuli=self._stimuli,
            person=self._person,
            images={
                "faces": relative_to(self._faces, self._folder),
                "stimuli": relative_to(self._made, self._folder),
            },
            own_table=self._beside("people").name,
            file_of=lambda ending: self._beside(ending).name,
        )
        if asked.pattern and draft is None:
            msg = (
                f"{description} names photographs, and conditions that are those of stimuli: add "
                f"'images: {{pattern: \"{asked.pattern}\"}}' to it."
            )
            raise InputError(msg)
        self._tasks = asked.tasks
        self._taken += asked.taken
        self._doubts += asked.doubts
        tables = asked.tables if asked.table is None else {"people": asked.table}
        for ending, table in tables.items():
            path = self._beside(ending)
            self._refuse_existing(path)
            self._tables[path] = table
        if draft is not None:
            text = draft.text
            if asked.pattern:
                text += f'images: {{pattern: "{asked.pattern}"}}   # names of stimuli\n'
            self._taken += [f"{people}: {what}." for what in draft.taken]
            self._open = [f"{description}: {what}" for what in draft.open]
            self._doubts += [f"{description}: {what}" for what in draft.doubts]
            if not draft.kind:
                self._doubts.append(
                    f"{self._experiment} takes the trials for same-different ones until their kind "
                    f"is known: fill in {description}, then call init again with --people "
                    f"{description} --force."
                )
            self._keep(description, text)

    def _keep(self, description: Path, text: str) -> None:
        """Plan to write a description of trials; one that is there is never replaced."""
        if description.exists() and description.read_text(encoding="utf-8") != text:
            msg = (
                f"{description} already exists. To use it, give --people {description}; else "
                "move it away."
            )
            raise InputError(msg)
        self._draft = (description, text)

    # Writing

    def _written(self, pairs: pd.DataFrame | None) -> Starter:
        self._folder.mkdir(parents=True, exist_ok=True)
        files = [self._experiment, *self._tables]
        for path, table in self._tables.items():
            write_csv(table, path)
        if self._draft is not None:
            path, text = self._draft
            files.append(path)
            with atomic_path(path) as temporary:
                temporary.write_text(text, encoding="utf-8")
            if not self._open:
                self._check_trials(path)
        if self._stimuli:
            files.append(self._made)
        text = _TEMPLATE.format(
            file=self._experiment.name,
            name=quoted(self._experiment.stem),
            images=f"images: {quoted(relative_to(self._faces, self._folder))}",
            models=MODELS,
            tasks=TASKS_HEAD + "\n".join(task.text() for task in self._tasks),
        )
        with atomic_path(self._experiment) as temporary:
            temporary.write_text(text, encoding="utf-8")
        same = 0 if pairs is None else int(pairs["same"].sum())
        people = set() if pairs is None else {*pairs["identity1"], *pairs["identity2"]}
        return Starter(
            self._experiment,
            None if pairs is None else self._beside("pairs"),
            same,
            0 if pairs is None else len(pairs) - same,
            len(people),
            files,
            self._taken,
            self._doubts,
            self._open,
        )

    def _check_trials(self, description: Path) -> None:
        """Read the trials as a run will, and tell what is odd about them."""
        from facebench.people.checking import check_trials

        checked = check_trials(description)
        facts = checked.health.facts
        self._taken.append(
            f"{facts['participants']} participants, {facts['trials']:,} trials; "
            f"`facebench people check {description}` says more."
        )
        self._doubts += checked.findings
        missing = int(facts["missing responses"])
        if missing:
            self._doubts.append(
                f"{missing:,} of {facts['trials']:,} trials have no response, which counts as no "
                f"answer: if these rows are not trials, choose rows by `rows` in {description}."
            )
