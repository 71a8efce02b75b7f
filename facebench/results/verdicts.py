"""What a run found, task by task, in plain sentences.

The report, the terminal and the leaderboard say the same of a task since they read it here. An
effect is shown where its interval excludes 0, and a score is above chance where its interval is:
P is given with it. An interval that holds 0 never says that there is no effect.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from facebench.columns import comparable_name
from facebench.results.best_layer import with_choices
from facebench.results.headline import direction, people_beside
from facebench.results.wording import Shown, is_of_all, listed, named_layer, quoted, short, shown_p
from facebench.tasks.measures import Measure, headlines, measures_for

if TYPE_CHECKING:
    import pandas as pd

    from facebench.results.held_out import HeldOut
    from facebench.results.reader import Run
    from facebench.results.task_facts import TaskFacts

__all__ = ["ModelVerdict", "Relation", "Verdict", "verdicts"]

Relation = Literal["above", "below", "unclear", "untested", "undefined"]

# More models than this are grouped by what they share.
_TOLD_ONE_BY_ONE = 3
_CONDITIONS_TOLD = 4
# Groups of networks of which one is told with its numbers.
_GROUPS_TOLD = 3
_LEVEL = 0.05
_NAN = float("nan")
_FEWEST_DIGITS, _MOST_DIGITS = 3, 6
# Measures whose upper end says that every pair is judged rightly.
_WITHOUT_ERROR = ("AUC", "Accuracy")
# What a small P value says of a measure without chance level.
_P_SAYS = {"GARBE": "groups differ in their errors"}
_P_SAYS_NOT = {"GARBE": "groups not found to differ in their errors"}
# Counts among a task's numbers that say how many people answered.
_PEOPLE_ASKED = {"Raters": "raters", "Participants": "participants"}


@dataclass(frozen=True)
class ModelVerdict:
    """What a run found of one model (or of people) in one task.

    Attributes
    ----------
    model, layer : str
        Which; the layer that represents the model.
    measure : str
        Its column in the results.
    value, low, high : float
        The number and its 95 % interval; NaN where there is none.
    p : float
        Its P value; NaN where there is no test.
    text : str
        The number in words, such as "dlib fc: .350 [.110, .510], P = .013, shows an inversion
        effect".
    condition : str
        The condition; empty where the task has none.
    relation : str
        Where the interval is, seen from chance: 'above', 'below', 'unclear' where it holds chance,
        'untested' without interval or chance, 'undefined'.
    """

    model: str
    layer: str
    measure: str
    value: float
    low: float
    high: float
    p: float
    text: str
    condition: str = ""
    relation: Relation = "untested"

    @property
    def name(self) -> str:
        """The model with its layer."""
        return named_layer(self.model, self.layer)

    @property
    def told(self) -> str:
        """The name as sentences write it: in quotation marks where it holds their punctuation."""
        return quoted(self.name)

    @property
    def numbers(self) -> Shown:
        """The number with its interval."""
        return Shown(self.value, self.low, self.high)


@dataclass(frozen=True)
class Verdict:
    """What a run found in one task.

    Attributes
    ----------
    task : str
        The task's name.
    sentence : str
        All of it in one plain sentence.
    models : list of ModelVerdict
        One of each model, the best first where one way is better; several of a task of conditions.
    warnings : list of str
        What to keep in mind: failures, undefined numbers, tests that contradict intervals.
    label : str
        What the number is.
    chance : float or None
        Its value without any information.
    ceiling : tuple of float
        The lower and the upper noise ceiling, as far as they are known.
    people : list of ModelVerdict
        Groups of people, where their number means the same.
    """

    task: str
    sentence: str
    models: list[ModelVerdict]
    warnings: list[str] = field(default_factory=list)
    label: str = ""
    chance: float | None = None
    ceiling: tuple[float, ...] = ()
    people: list[ModelVerdict] = field(default_factory=list)


def verdicts(
    run: Run,
    *,
    ties: Mapping[str, Mapping[tuple[str, str], Mapping[str, str]]] | None = None,
    held_out: Mapping[str, HeldOut] | None = None,
) -> list[Verdict]:
    """Say what a run found, a sentence for each task.

    Parameters
    ----------
    run : Run
        The run.
    ties : mapping, optional
        By task, letters by measure and condition ('' for none), and model, where they are known;
        None finds them.
    held_out : mapping of str to HeldOut, optional
        By task, layers chosen on other people, in the place of the best ones.

    Returns
    -------
    list of Verdict
        In the order of the tasks; also of tasks without results.

    Examples
    --------
    >>> for verdict in verdicts(load_run("runs/study")):  # doctest: +SKIP
    ...     print(f"{verdict.task}: {verdict.sentence}")
    """
    # Of an older run, or one that was interrupted, the manifest may know no tasks.
    names = dict.fromkeys([*run.manifest["tasks"], *run.tasks])
    return [
        _Told(run, task, (ties or {}).get(task), (held_out or {}).get(task)).verdict()
        if task in run.tasks
        else Verdict(task, "No results.", [], [f"Task {task!r} has no results."])
        for task in names
    ]


class _Told:
    """One task: its numbers, and what they say."""

    def __init__(
        self,
        run: Run,
        task: str,
        ties: Mapping[tuple[str, str], Mapping[str, str]] | None,
        held_out: HeldOut | None,
    ) -> None:
        self._run, self._task = run, task
        self._facts: TaskFacts = run.tasks[task]
        self._of_task = run.of_task(task)
        self._results, metrics = self._of_task.rows, self._of_task.metrics
        self._measures = measures_for(self._facts, metrics)
        self._best = self._of_task.best
        self._choices = run.choices(task)
        self._measure = _main_measure(self._facts, metrics, self._measures)
        self._is_effect = _is_effect(self._facts, self._measure)
        self._warnings: list[str] = []
        self._rows = self._main_rows(held_out)
        self._conditions = list(dict.fromkeys(self._rows["condition"].fillna("")))
        self._n = self._counts()
        self._models = self._sorted([self._of_model(row) for row in self._rows.itertuples()])
        self._given_ties, self._held_out = ties, held_out

    def verdict(self) -> Verdict:
        """Say what the task found."""
        self._warn_of_gaps()
        people = self._people()
        if not self._models:
            sentence = "No results."
        elif len(self._conditions) > 1:
            sentence = self._of_conditions()
        elif self._is_effect:
            sentence = self._of_effect(people)
        else:
            sentence = self._of_score(people)
        return Verdict(
            self._task, f"{sentence.rstrip('.')}.", self._models, self._warnings, self._label,
            self._measure.chance, self._ceiling(), people,
        )  # fmt: skip

    @property
    def _label(self) -> str:
        return self._measure.label or self._measure.name

    @property
    def _effect_label(self) -> str:
        """What is subtracted from what, within a sentence."""
        return _lowered(self._measure.label) or self._measure.name.lower()

    def _main_rows(self, held_out: HeldOut | None) -> pd.DataFrame:
        rows = self._of_task.headline
        rows = rows[rows["metric"] == self._measure.name]
        rows = with_choices(rows, self._choices, self._facts)
        if held_out is not None:
            from facebench.results.held_out import with_held_out

            rows = with_held_out(rows, held_out.table)
        return rows

    def _sorted(self, models: list[ModelVerdict]) -> list[ModelVerdict]:
        """Put the best first, or the largest; undefined ones come last."""
        if len(self._conditions) > 1:
            return models
        sign = direction(self._rows) or 1

        def place(one: ModelVerdict) -> float:
            return math.inf if math.isnan(one.value) else -sign * one.value

        return sorted(models, key=place)

    # One model ------------------------------------------------------------------------------

    def _of_model(self, row: Any) -> ModelVerdict:
        numbers = Shown(*(_NAN if _absent(x) else float(x) for x in (
            row.value, row.ci_low, row.ci_high
        )))  # fmt: skip
        relation = _relation(numbers, self._measure.chance)
        p = self._p_of_best(row, numbers.value)
        name = named_layer(row.model, row.layer)
        self._warn_of(row, numbers, name, p)
        what = self._relation_words(relation)
        text = f"{name}: {self._numbers(numbers, p)}{f', {what}' if what else ''}"
        condition = "" if _absent(row.condition) else str(row.condition)
        return ModelVerdict(
            row.model, row.layer, row.metric, *numbers, p, text, condition, relation
        )

    def _numbers(self, numbers: Shown, p: float = _NAN) -> str:
        if math.isnan(numbers.value):
            return "not defined"
        interval = "" if numbers.has_interval else " without an interval"
        interval = ", an interval without width" if _without_width(numbers) else interval
        side = "one-sided " * self._one_sided
        test = "" if math.isnan(p) else f", {side}{shown_p(p)}{self._p_says(p)}"
        odd = ", by the interval but not by P" if self._disagree(numbers, p) == "P" else ""
        odd = ", by P but not by the interval" if self._disagree(numbers, p) == "interval" else odd
        return f"{self._shown(numbers)}{interval}{test}{odd}"

    def _shown(self, numbers: Shown) -> str:
        """Write numbers with as many decimals as it takes to see that chance is outside."""
        chance = self._measure.chance
        text = numbers.shown()
        if chance is None or not numbers.has_interval:
            return text
        for digits in range(3, _MOST_DIGITS + 1):
            ends = (numbers.low > chance, numbers.high < chance)
            rounded = (
                round(numbers.low, digits) > round(chance, digits),
                round(numbers.high, digits) < round(chance, digits),
            )
            if ends == rounded:
                return text if digits == _FEWEST_DIGITS else numbers.shown(digits)
        return text

    @property
    def _one_sided(self) -> bool:
        """Whether P asks only if the number is above chance, as that of ratings does."""
        declared = {one.name for one in self._facts.measures}
        return not self._is_effect and "P Value" in declared and "P Method" in self._facts.remarks

    def _disagree(self, numbers: Shown, p: float) -> str:
        """Name the one of interval and P that does not find what the other finds; '' mostly."""
        relation = _relation(numbers, self._measure.chance)
        if math.isnan(p) or relation in ("untested", "undefined"):
            return ""
        found = relation == "above" if self._one_sided else relation != "unclear"
        return "" if found == (p < _LEVEL) else "P" if found else "interval"

    def _p_says(self, p: float) -> str:
        words = (_P_SAYS if p < _LEVEL else _P_SAYS_NOT).get(self._measure.name, "")
        return f", {words}" if words else ""

    def _relation_words(self, relation: Relation) -> str:
        if self._is_effect:
            return self._effect_words(relation)
        chance, better = self._measure.chance, self._measure.better
        if chance is None or relation in ("untested", "undefined"):
            return ""
        what = "0" if chance == 0 else "chance"
        if relation == "unclear":
            return f"not found to differ from {what}"
        if better == "lower":
            return f"{'worse' if relation == 'above' else 'better'} than {what}"
        return f"{relation} {what}"

    def _effect_words(self, relation: Relation, *, again: bool = False) -> str:
        noun = "one" if again else self._noun
        if relation == "above" or (relation == "below" and not self._has_opposite):
            return f"shows {noun}"
        if relation == "below":
            return f"shows the opposite of {self._noun}"
        return f"does not show {noun}" if relation == "unclear" else ""

    @property
    def _has_opposite(self) -> bool:
        """Whether the effect has a name, which a difference below 0 does not deserve."""
        return bool(self._facts.effect_name) and self._noun.endswith(self._facts.effect_name)

    @property
    def _noun(self) -> str:
        """What the task looks for, with its article."""
        if self._measure.name.startswith("Interaction "):
            return "an interaction"
        name = self._facts.effect_name or "difference"
        return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"

    def _p_of_best(self, row: Any, value: float) -> float:
        """Find the P value of a number, allowing for the choice of its layer as intervals do."""
        p = self._p(row.model, row.layer, row.condition)
        condition = "" if _absent(row.condition) else str(row.condition)
        chosen = self._choices.get((row.model, row.metric, condition))
        if chosen is None or math.isnan(p):
            return p
        sign = direction(self._rows)
        if self._one_sided:
            return chosen.p_value(p) if sign >= 0 else p
        # The choice makes numbers larger than they are in one direction only.
        away = value - (self._measure.chance or 0.0)
        return chosen.two_sided(p) if sign * away >= 0 else p

    def _p(self, model: str, layer: str, condition: Any) -> float:
        """Find the P value that belongs to the number; NaN where there is none."""
        name = self._measure.name
        prefix = name.removesuffix("Difference") if name.endswith("Difference") else None
        columns = [f"{name} P", "P Value", "P"] if prefix is None else [f"{prefix}P"]
        if name.endswith("Relative Difference"):
            columns = []
        declared = {one.name: one for one in self._facts.measures}
        for column in columns:
            # In a task of one's own, P may be anything: precision, say.
            if column not in declared or declared[column].better is not None:
                continue
            found = self._number(column, model, layer, condition)
            if not math.isnan(found):
                return found
        return _NAN

    def _number(self, metric: str, model: str, layer: str, condition: Any = None) -> float:
        own = self._results
        own = own[(own["metric"] == metric) & (own["model"] == model) & (own["layer"] == layer)]
        if not _absent(condition):
            own = own[own["condition"] == condition]
        return float(own["value"].iloc[0]) if len(own) and own["value"].notna().iloc[0] else _NAN

    # Counts and gaps ------------------------------------------------------------------------

    def _counts(self) -> str:
        """Say what the numbers are of; '' where models differ in it."""
        found = {self._count_of(row) for row in self._rows.itertuples()}
        return found.pop() if len(found) == 1 else ""

    def _count_of(self, row: Any) -> str:
        items = self._facts.item_name or ("pairs" if self._facts.pairs_file else "items")
        compared = self._facts.compared
        if self._is_effect and compared:
            people = f"{compared['people']} people, " if compared.get("people") else ""
            return f"{people}{compared['pairs']} pairs"
        words = []
        by_images = self._facts.sampling_unit == "images"
        if not by_images and not _absent(row.n_identities):
            words.append(_counted(row.n_identities, "people"))
        elif not _absent(row.n_images) and items != "images":
            words.append(_counted(row.n_images, "images"))
        if not _absent(row.n_pairs):
            words.append(_counted(row.n_pairs, items))
        for metric, noun in _PEOPLE_ASKED.items():
            asked = self._number(metric, row.model, row.layer, row.condition)
            if not math.isnan(asked):
                words.append(_counted(asked, noun))
        return ", ".join(words)

    def _warn_of(self, row: Any, numbers: Shown, name: str, p: float) -> None:
        where = "" if _absent(row.condition) else f", {row.condition}"
        items = self._facts.item_name or "pairs"
        if math.isnan(numbers.value):
            why = "" if _absent(row.remark) else f": {str(row.remark).rstrip('.')}"
            self._warnings.append(f"{self._label} of {name}{where} is not defined{why}.")
        elif not numbers.has_interval:
            self._warnings.append(f"{self._label} of {name}{where} has no interval.")
        elif numbers.low == numbers.high:
            self._warnings.append(f"The interval of {name}{where} has no width.")
        for count, what in (
            (row.n_failed, "have no distance"),
            (row.n_no_face, "have an image in which no face was found"),
        ):
            if not _absent(count) and int(count):
                # Some tasks count these among their pairs, others do not: no "of how many".
                self._warnings.append(f"{int(count)} {items} of {name}{where} {what}.")
        if self._disagree(numbers, p):
            self._warnings.append(
                f"Interval and P of {name}{where} disagree ({numbers.shown()}, {shown_p(p)}): "
                "they come from different methods."
            )

    def _warn_of_gaps(self) -> None:
        failed = {
            str(failure.get("what")): str(failure.get("error"))
            for failure in self._run.manifest["failures"]
        }
        for model in self._missing:
            why = failed.get(f"{model} / {self._task}", failed.get(model, ""))
            self._warnings.append(
                f"No results of {model}{f': {why}' if why else ''}".rstrip(".") + "."
            )
        self._warnings += [
            f"{self._label} in condition {name} is not defined for any network."
            for name in self._undefined_conditions
        ]
        whole = self._run.networks.groupby("model")["layer"].nunique()
        own = self._results.groupby("model")["layer"].nunique()
        for model, n in own.items():
            if n < whole[model]:
                self._warnings.append(
                    f"{whole[model] - n} of {whole[model]} layers of {model} have no results here."
                )

    @property
    def _undefined_conditions(self) -> list[str]:
        """The conditions of which no network has any number."""
        own = self._results[self._results["condition"].notna()]
        there = own["value"].notna().groupby(own["condition"], sort=False).any()
        return [str(name) for name in there.index[~there]]

    @property
    def _missing(self) -> list[str]:
        there = set(self._results["model"])
        return [str(name) for name in self._run.manifest["models"] if name not in there]

    def _without_error(self, one: ModelVerdict) -> str:
        """Say that all was right, or that conditions are at their ceiling; '' where it was not."""
        if not self._is_effect:
            is_full = self._measure.better == "higher" and self._measure.bounds == (0, 1)
            if not (is_full and one.value == 1):
                return ""
            if self._measure.name not in _WITHOUT_ERROR:
                return "the maximum"
            n = self._rows.loc[self._rows["model"] == one.model, "n_pairs"].iloc[0]
            items = self._facts.item_name or "pairs"
            return "no errors" if _absent(n) else f"no errors among {int(n)} {items}"
        perfect = []
        for condition, metric in self._facts.effect.items():
            measure = self._measures.get(metric)
            if measure is None or measure.better != "higher" or measure.bounds != (0, 1):
                continue
            if self._number(metric, one.model, one.layer) == 1:
                perfect.append(condition)
        return f"no errors in {listed(perfect)}" if perfect else ""

    # Sentences ------------------------------------------------------------------------------

    def _details(
        self, one: ModelVerdict, *, first: bool = False, with_relation: bool = True
    ) -> str:
        """Write the number of a model, and what is to be known of it."""
        label = f"{self._effect_label}: " * (first and self._is_effect)
        told = with_relation and not self._is_effect
        relation = self._relation_words(one.relation) if told else ""
        numbers = f"{label}{self._numbers(one.numbers, one.p)}"
        parts = [numbers, relation, self._without_error(one)]
        if first and self._is_effect:
            parts.append(self._n)
        if not self._n:
            parts.append(self._count_of_model(one))
        parts.append(self._failed_of(one))
        return ", ".join(filter(None, parts))

    def _count_of_model(self, one: ModelVerdict) -> str:
        own = self._rows[self._rows["model"] == one.model]
        return self._count_of(next(own.itertuples()))

    def _failed_of(self, one: ModelVerdict) -> str:
        failed = self._rows.loc[self._rows["model"] == one.model, "n_failed"].iloc[0]
        if _absent(failed) or not int(failed):
            return ""
        return f"{_counted(failed, self._facts.item_name or 'pairs')} without a distance"

    def _closing(self, people: list[ModelVerdict]) -> list[str]:
        said = [self._differences(), self._people_words(people)]
        if self._missing:
            said.append(f"no results of {listed([quoted(name) for name in self._missing])}")
        said.append(self._layer_words())
        return [text for text in said if text]

    def _is_told(self, models: Sequence[ModelVerdict]) -> bool:
        """Whether the sentence has named the effect by the time it has told of some models."""
        return len(self._models) > _TOLD_ONE_BY_ONE or any(
            one.relation not in ("untested", "undefined") for one in models
        )

    def _of_effect(self, people: list[ModelVerdict]) -> str:
        if len(self._models) <= _TOLD_ONE_BY_ONE:
            said = []
            for place, one in enumerate(self._models):
                words = self._effect_words(one.relation, again=self._is_told(self._models[:place]))
                details = self._details(one, first=place == 0)
                said.append(
                    f"{one.told} {words} ({details})" if words else f"{one.told}: {details}"
                )
            return "; ".join([*said, *self._closing(people)])
        of = self._by_relation()
        named = self._has_opposite
        # A difference without a name is one of either sign.
        shown = of["above"] if named else [*of["above"], *of["below"]]
        largest = max(shown, key=lambda one: abs(one.value)) if shown else self._models[0]
        what = "largest" if largest is self._models[0] or not shown else "largest of these"
        n = len(self._models)
        verb = "shows" if len(shown) < 2 else "show"
        count = f"{len(shown) or 'None'} of {n}" if len(shown) < n else f"All {n}"
        lead = f"{count} networks {verb} {self._noun}"
        if not (shown or of["unclear"] or of["below"]):
            lead = f"Whether {n} networks show {self._noun} was not tested"
        said = [
            f"{lead} ({self._effect_label}, "
            f"{self._n + '; ' if self._n else ''}{what}: {largest.told}, "
            f"{self._details(largest)})"
        ]
        if of["below"] and (named or of["above"]):
            what = "the opposite" if named else "below 0"
            said.append(f"{what}: {self._named(of['below'])}")
        if shown and of["unclear"]:
            said.append(f"not shown by {self._named(of['unclear'])}")
        said += self._rest(of)
        return "; ".join([*said, *self._closing(people)])

    def _of_score(self, people: list[ModelVerdict]) -> str:
        brackets = [self._chance_words(), self._ceiling_words(), self._n]
        lead = self._with_brackets("; ".join(filter(None, brackets)))
        if len(self._models) <= _TOLD_ONE_BY_ONE:
            said = [f"{one.told} {self._details(one)}" for one in self._models]
            return f"{lead}: {'; '.join([*said, *self._closing(people)])}"
        of = self._by_relation()
        defined = [one for one in self._models if one.relation != "undefined"]
        said = []
        for relation in ("above", "unclear", "below"):
            group, words = of[relation], self._relation_words(relation)
            if not group or not words:
                continue
            if len(group) == len(self._models):
                said.append(f"all {len(group)} networks {words}")
            elif len(group) > len(self._models) / 2:
                said.append(f"{len(group)} of {len(self._models)} networks {words}")
            else:
                said.append(f"{words}: {self._named(group)}")
        sign = direction(self._rows)
        ends = ("best", "lowest" if sign > 0 else "worst") if sign else ("largest", "smallest")
        if len(defined) == 1:
            said.append(f"only {defined[0].told}: {self._details(defined[0], with_relation=False)}")
        elif defined:
            said += [
                f"{what}: {one.told}, {self._details(one, with_relation=False)}"
                for what, one in zip(ends, (defined[0], defined[-1]), strict=True)
            ]
        said += self._rest(of, untested=self._measure.chance is not None)
        return f"{lead}: {'; '.join([*said, *self._closing(people)])}"

    def _with_brackets(self, text: str) -> str:
        """Add to the label in brackets, which it may end with already."""
        if not text:
            return self._label
        if self._label.endswith(")"):
            return f"{self._label[:-1]}; {text})"
        return f"{self._label} ({text})"

    def _of_conditions(self) -> str:
        by_model: dict[str, list[ModelVerdict]] = {}
        for one in self._models:
            by_model.setdefault(one.model, []).append(one)
        known = {
            model: sorted(
                (
                    one
                    for one in ones
                    if not math.isnan(one.value) and one.condition not in self._wholes
                ),
                key=lambda one: one.value,
            )
            for model, ones in by_model.items()
        }
        ends = {model: (ones[0], ones[-1]) for model, ones in known.items() if ones}
        if len(by_model) > _TOLD_ONE_BY_ONE:
            said = self._by_ends(list(ends.values()))
            undefined = [ones[0] for model, ones in by_model.items() if model not in ends]
            if undefined:
                said.append(f"not defined: {self._named(undefined)}")
        elif len(self._conditions) > _CONDITIONS_TOLD:
            said = [
                self._from_to(*ends[model]) if model in ends else f"{ones[0].told}: not defined"
                for model, ones in by_model.items()
            ]
        else:
            said = [
                f"{ones[0].told}: "
                + ", ".join(f"{one.condition} {self._numbers(one.numbers)}" for one in ones)
                for ones in by_model.values()
            ]
        lost = [name for name in self._undefined_conditions if name not in self._conditions]
        if lost:
            said.append(f"not defined in {listed(lost)}")
        if self._missing:
            said.append(f"no results of {listed([quoted(name) for name in self._missing])}")
        said += filter(None, [self._layer_words()])
        what = self._with_brackets(
            "; ".join(filter(None, [self._chance_words(), self._counts_by_condition()]))
        )
        n = len(self._conditions) - len(self._wholes)
        conditions = f"{n} condition{'s' * (n != 1)}"
        if self._wholes:
            conditions += " and all of them together"
        return f"{what} in {conditions}, not tested against each other: {'; '.join(said)}"

    @property
    def _wholes(self) -> list[str]:
        """The rows of all conditions together, where there are others."""
        found = [name for name in self._conditions if is_of_all(name)]
        return found if len(found) < len(self._conditions) else []

    def _from_to(self, low: ModelVerdict, high: ModelVerdict) -> str:
        return (
            f"{low.told}: from {low.condition} {self._numbers(low.numbers)} to "
            f"{high.condition} {self._numbers(high.numbers)}"
        )

    def _by_ends(self, ends: Sequence[tuple[ModelVerdict, ModelVerdict]]) -> list[str]:
        """Group networks by the conditions in which they are lowest and highest."""
        groups: dict[tuple[str, str], list[tuple[ModelVerdict, ModelVerdict]]] = {}
        for two in ends:
            groups.setdefault((two[0].condition, two[1].condition), []).append(two)
        said = []
        largest_first = sorted(groups.items(), key=lambda group: -len(group[1]))
        for place, ((lowest, highest), own) in enumerate(largest_first):
            is_all = len(own) == len({one.model for one in self._models})
            names = f"all {len(own)} networks" if is_all else self._named([low for low, _ in own])
            where = f"lowest in {lowest} and highest in {highest}"
            where = f"only {lowest} is defined" if lowest == highest else where
            low, high = max(own, key=lambda two: two[1].value - two[0].value)
            numbers = self._numbers(low.numbers)
            if lowest != highest:
                numbers += f" to {self._numbers(high.numbers)}"
            whose = f"widest range: {low.told}, " if len(own) > 1 else ""
            details = f" ({whose}{numbers})" if place < _GROUPS_TOLD else ""
            said.append(f"{where} for {names}{details}")
        return said

    def _counts_by_condition(self) -> str:
        """Say how many people and pairs a condition has, in a range where they differ."""
        items = self._facts.item_name or ("pairs" if self._facts.pairs_file else "items")
        said = []
        for column, noun in (("n_identities", "people"), ("n_pairs", items)):
            parts = ~self._rows["condition"].isin(self._wholes)
            counts = self._rows.loc[parts, column].dropna()
            if len(counts):
                low, high = int(counts.min()), int(counts.max())
                said.append(f"{low}{f'–{high}' if high > low else ''} {noun}")
        return f"{', '.join(said)} each" if said else ""

    def _by_relation(self) -> dict[Relation, list[ModelVerdict]]:
        found: dict[Relation, list[ModelVerdict]] = {
            "above": [], "below": [], "unclear": [], "untested": [], "undefined": []
        }  # fmt: skip
        for one in self._models:
            found[one.relation].append(one)
        return found

    def _rest(
        self, of: Mapping[Relation, list[ModelVerdict]], *, untested: bool = True
    ) -> list[str]:
        said = []
        if untested and of["untested"]:
            said.append(f"without a usable interval: {self._named(of['untested'])}")
        if of["undefined"]:
            said.append(f"not defined: {self._named(of['undefined'])}")
        return said

    @staticmethod
    def _named(models: Sequence[ModelVerdict]) -> str:
        return listed([one.told for one in models])

    def _chance_words(self) -> str:
        chance = self._measure.chance
        if not chance or self._is_effect:
            return ""
        return f"chance {short(chance, 2 if round(chance, 2) == chance else 3)}"

    def _ceiling(self) -> tuple[float, ...]:
        """Find the noise ceiling: the same for all models, or that of the first."""
        return self._ceiling_of(self._models[0]) if self._models else ()

    def _ceiling_of(self, one: ModelVerdict) -> tuple[float, ...]:
        found = [
            self._number(name, one.model, self._best.get(one.model, one.layer))
            for name in self._measure.ceiling
        ]
        return tuple(value for value in found if not math.isnan(value))

    def _ceiling_words(self) -> str:
        """Write the noise ceiling; models that failed on some pairs have another."""
        told = {"–".join(map(short, self._ceiling_of(one))) for one in self._models} - {""}
        ceiling = self._ceiling()
        if not ceiling:
            return ""
        whose = f" (of the pairs of {self._models[0].told}; others differ)" * (len(told) > 1)
        return f"noise ceiling {'–'.join(map(short, ceiling))}{whose}"

    def _layer_words(self) -> str:
        held_out = {one.model for one in self._models if one.layer.startswith("held-out of ")}
        said = ["held-out: in layers chosen on other people than they are judged on"]
        said = said if held_out else []
        layers = self._results.groupby("model")["layer"].nunique().drop(list(held_out))
        most = int(layers.max()) if len(layers) else 0
        if most > 1:
            whose = "each other network" if held_out else "each network"
            first = headlines(self._facts, list(dict.fromkeys(self._results["metric"])))[0]
            how = f"last layer of up to {most}"
            if direction(self._results[self._results["metric"] == first]):
                by = f" by {first}" * (first != self._measure.name)
                how = f"best layer{by} of up to {most}, chosen on the same pairs, which intervals"
                how += " and P" * any(not math.isnan(one.p) for one in self._models) + " allow for"
            said.append(f"{whose}'s {how}")
        return "; ".join(said)

    # Who differs from whom ------------------------------------------------------------------

    def _letters(self) -> Mapping[str, str]:
        """Give the letters of models that share one where they are not found to differ."""
        condition = self._conditions[0] if self._conditions else ""
        if self._given_ties is not None:
            return self._given_ties.get((self._measure.name, condition), {})
        from facebench.results.comparison.paired import Evidence, tie_groups
        from facebench.results.pair_rows import saved_models

        defined = [one for one in self._models if not math.isnan(one.value)]
        if self._held_out is not None:
            # Layers chosen on other people are compared by what chose them, or not at all.
            known = self._held_out.replicates
            found = {one.model: known.get((one.measure, condition, one.model)) for one in defined}
            replaced = {model: made for model, made in found.items() if made is not None}
            if replaced:
                return tie_groups(replaced) if len(replaced) == len(defined) else {}
        evidence = {}
        pairs = saved_models(self._run, self._task, {one.model: one.layer for one in defined})
        for one in defined:
            left_out = self._run.left_out.get((self._task, one.model, one.layer))
            evidence[one.model] = Evidence(
                one.measure, condition or None, one.value, pairs.get(one.model), left_out
            )
        largest = {
            one.model: self._choices.get((one.model, one.measure, condition)) for one in defined
        }
        return tie_groups(evidence, largest)

    def _differences(self) -> str:
        """Say which models differ, by the letters of paired tests with Holm's correction."""
        models = [one for one in self._models if not math.isnan(one.value)]
        if len(models) < 2:
            return ""
        letters = self._letters()
        if any(one.model not in letters for one in models):
            self._warnings.append(
                "Whether networks differ was not tested: no paired test of this measure is known "
                "for all of them."
            )
            return "whether networks differ was not tested"

        def differ(one: ModelVerdict, other: ModelVerdict) -> bool:
            return not set(letters[one.model]) & set(letters[other.model])

        pairs = [(a, b) for i, a in enumerate(models) for b in models[i + 1 :] if differ(a, b)]
        n_pairs = len(models) * (len(models) - 1) // 2
        # Of networks without a number nothing is known.
        some = len(models) < len(self._models) or bool(self._missing)
        if not pairs and not any(_is_usable(one.numbers) for one in models):
            who = self._named(models) if some else "the networks"
            return f"whether {who} differ is unknown: their numbers have no usable interval"
        if len(models) == 2:
            both = self._named(models) if some else "the two networks"
            return f"{both} differ" if pairs else f"{both} are not found to differ"
        these = f"the {len(models)} networks with a number" if some else "all networks"
        if not pairs:
            among = f" among {these}" * some
            return f"no two networks are found to differ{among}"
        if len(pairs) == n_pairs:
            return f"{these} differ from each other"
        if len(models) <= _TOLD_ONE_BY_ONE:
            said = []
            for one in models:
                others = [b.told for a, b in pairs if a is one]
                if others:
                    said.append(f"{one.told} differs from {listed(others)}")
            return "; ".join(said)
        first = models[0]
        like = [one for one in models[1:] if not differ(first, one)]
        what = "best" if direction(self._rows) else "largest"
        if not like:
            return f"{first.told} differs from all others" + " that have a number" * some
        if len(like) == len(models) - 1:
            return (
                f"none is found to differ from the {what}, "
                f"{len(pairs)} other {'pairs' if len(pairs) > 1 else 'pair'} of networks "
                f"{'differ' if len(pairs) > 1 else 'differs'}"
            )
        return f"not found to differ from the {what}: {self._named(like)}"

    # People ---------------------------------------------------------------------------------

    def _people(self) -> list[ModelVerdict]:
        people, metric = self._run.people, self._measure.name
        rows = people_beside(people, self._run.networks, self._task, metric)
        found = []
        for row in rows.itertuples():
            numbers = Shown(*(_NAN if _absent(x) else float(x) for x in (
                row.value, row.ci_low, row.ci_high
            )))  # fmt: skip
            relation = _relation(numbers, self._measure.chance)
            p = self._people_number(row.model, f"{metric.removesuffix('Difference')}P")
            p = p if self._is_effect else _NAN
            text = f"{row.model}: {self._numbers(numbers, p)}"
            found.append(ModelVerdict(row.model, "", metric, *numbers, p, text, "", relation))
        return found

    def _people_number(self, group: str, metric: str) -> float:
        own = self._run.people
        own = own[(own["task"] == self._task) & (own["metric"] == metric) & (own["model"] == group)]
        return float(own["value"].iloc[0]) if len(own) and own["value"].notna().iloc[0] else _NAN

    def _people_words(self, people: list[ModelVerdict]) -> str:
        """Say what people do, and which models are found to differ from them."""
        of_task = self._run.people[self._run.people["task"] == self._task]
        said = []
        for group in dict.fromkeys(of_task["model"]):
            own = next((one for one in people if one.model == group), None)
            name = "people" if group == "People" else group
            brackets = [self._apart(group, name)]
            if own is not None:
                asked = self._people_number(group, "Participants")
                brackets.insert(0, "" if math.isnan(asked) else _counted(asked, "participants"))
                numbers = self._numbers(own.numbers, own.p)
                words = self._effect_words(own.relation, again=self._is_told(self._models))
                if self._is_effect and name == "people" and words:
                    name += f" {words.replace('does', 'do', 1).replace('shows', 'show', 1)}"
                    brackets.insert(0, numbers)
                else:
                    name += f" {numbers}"
            elif comparable_name(self._measure.name) in set(of_task["metric"]):
                brackets.insert(0, "compared by another index")
            inside = "; ".join(filter(None, brackets))
            if own is not None or inside:
                said.append(f"{name} ({inside})" if inside else name)
        return "; ".join(said)

    def _apart(self, group: str, name: str) -> str:
        metric = self._measure.name
        stem = metric if metric.endswith("Difference") else f"{metric} Difference"
        by_words: dict[str, list[str]] = {}
        for one in self._models:
            own = self._results[
                (self._results["metric"] == f"{stem} from {group}")
                & (self._results["model"] == one.model)
                & (self._results["layer"] == one.layer)
            ]
            if own.empty or own["value"].isna().iloc[0] or own["ci_low"].isna().iloc[0]:
                continue
            low, high = float(own["ci_low"].iloc[0]), float(own["ci_high"].iloc[0])
            words = "larger" if low > 0 else "smaller" if high < 0 else "not found to differ"
            by_words.setdefault(words, []).append(one.told)
        if not by_words:
            return ""
        n = sum(map(len, by_words.values()))
        whose = "people's" if name == "people" else f"that of {name}"
        said = []
        for words in ("larger", "smaller", "not found to differ"):
            names = by_words.get(words)
            if not names:
                continue
            how = f"{words} {'than' if words != 'not found to differ' else 'from'} {whose}"
            many = "both networks" if n == 2 else f"all {n} networks"
            many = many if len(names) == len(self._models) > 1 else listed(names)
            said.append(f"{many} {how}")
        return ", ".join(said)


def _is_effect(facts: TaskFacts, measure: Measure) -> bool:
    """Tell whether a measure is a difference between conditions."""
    return bool(facts.effect) and measure.chance == 0 and measure.better is None


def _main_measure(facts: TaskFacts, metrics: list[str], measures: Mapping[str, Measure]) -> Measure:
    """Choose the number that a sentence is about: the effect of a task of conditions."""
    names = headlines(facts, metrics)
    effects = [name for name in names if _is_effect(facts, measures[name])]
    return measures[(effects or names)[0]]


def _relation(numbers: Shown, chance: float | None) -> Relation:
    """Say where an interval is, seen from chance."""
    if math.isnan(numbers.value):
        return "undefined"
    if chance is None or not _is_usable(numbers):
        return "untested"
    return "above" if numbers.low > chance else "below" if numbers.high < chance else "unclear"


def _is_usable(numbers: Shown) -> bool:
    """Tell whether an interval says anything: both ends are known and differ."""
    return numbers.has_interval and not _without_width(numbers)


def _without_width(numbers: Shown) -> bool:
    """Tell whether both ends of an interval are the same: nothing is known of the spread."""
    return numbers.low == numbers.high


def _counted(count: Any, noun: str) -> str:
    """Write a count with its noun."""
    if int(count) != 1:
        return f"{int(count)} {noun}"
    return f"1 {'person' if noun == 'people' else noun.removesuffix('s')}"


def _lowered(label: str) -> str:
    """Begin a label in lower case, unless its first word is a sign or an abbreviation."""
    first = label.split(" ", 1)[0]
    return label if first[1:] != first[1:].lower() else label[:1].lower() + label[1:]


def _absent(value: Any) -> bool:
    import pandas as pd

    return value is None or bool(pd.isna(value))
