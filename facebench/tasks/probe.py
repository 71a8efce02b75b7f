"""Probes: what can be read out of a layer linearly, of people that the read-out has not seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from typing_extensions import override

from facebench.columns import (
    CI_METHOD,
    N_FAILED,
    N_IDENTITIES,
    N_IMAGES,
    UNDEFINED,
    interval_cells,
)
from facebench.data.identity import people_of
from facebench.errors import InputError, PairsError
from facebench.figures.plot_helper import PlotHelper
from facebench.metrics.bootstrap import Interval
from facebench.metrics.probes import (
    PENALTIES,
    Kind,
    LabelShape,
    MissingClassError,
    ReadOut,
    balanced_accuracy,
    cross_validated_r2,
    deal_folds,
    deviation_correlation,
    fold_auc,
    read_out,
    shuffled_labels,
    training_moves,
)
from facebench.metrics.uncertainty.jackknife import JackknifeGroups, JackknifeReplicates
from facebench.metrics.uncertainty.proportions import (
    PROPORTIONS_NOTE,
    EffectiveCounts,
    effective_number,
    jackknife_proportion,
)
from facebench.metrics.uncertainty.spread import FEWEST_UNITS, Replicates, long_tailed
from facebench.tasks.base import round_measures
from facebench.tasks.embedding import EmbeddingTask
from facebench.tasks.measures import Measure
from facebench.tasks.shared.arguments import at_least, refuse_unknown
from facebench.tasks.shared.image_tables import ImageTable, read_image_table
from facebench.tasks.shared.probe_labels import Labels, labels_of, reliability_of
from facebench.types import Float64Array, FloatArray, IntArray, StrPath

__all__ = ["ProbeTask"]

# The area under the ROC curve of each class takes the scores of all classes.
_MOST_CLASSES = 20
# What leaving images out of training adds to log(1 - R²), atanh(r) and log(mean absolute error).
_MOVED = ("moved log error", "moved z", "moved log deviation")
_UNKNOWN = Interval(float("nan"), float("nan"))


class ProbeTask(EmbeddingTask):
    """Can a property of the face be read out of the layer linearly, in people not trained on?

    A ridge regression (numbers) or a logistic regression (classes) is trained on some people and
    predicts the label of the images of others, fold by fold, until every image is predicted.
    Features are standardised within the training images and the penalty is chosen in inner folds
    of these, so that nothing is known of the images predicted. Where identity itself is decoded,
    the read-out is trained on other images of the same people (from other sessions, if given).

    Of classes it reports Balanced Accuracy (the mean of the classes' hit rates; by chance one
    divided by the number of classes), Accuracy, with 'Largest Class' as what always naming that
    class would reach, and AUC (each class against the others, within folds; up to 20 classes). Of
    numbers it reports R² (of squared deviations from the training mean; 0 for a read-out that knows
    nothing, below 0 for a worse one), r (Pearson, both from the training mean) and Mean Absolute
    Error; with a reliability also Ceiling (the largest R² that labels of this reliability allow),
    Ceiling r (its root) and Share of Ceiling.

    Control: labels are shuffled `shuffles` times, between people where all images of a person have
    one label, and read out alike. 'Shuffled Balanced Accuracy' (or 'Shuffled R²') is the mean, and
    Selectivity what the true labels reach above it. This shows what the numbers of images and
    classes do by themselves. What architecture and pixels give before any training is shown by
    untrained copies of a network, among the models.

    Intervals are those of other people (other images, where identities are unknown): images of each
    group of people are left out in turn, of the predictions and, where numbers are read out, of
    training too, by 41 % (more where labels have longer tails, up to 100 %). Each of two people is
    in the training set of the other's read-out, so that their errors depend on each other.
    Intervals from predictions alone miss this and are too short; those from read-outs fitted anew
    are too long, as they add the variation of training people.

    Parameters
    ----------
    name, images_path
        See `EmbeddingTask`.
    table : str, Path or DataFrame
        A CSV file or table with an image per row.
    target : str
        The column to be read out; 'identity' decodes who is in the image.
    kind : {'auto', 'classes', 'number'}
        'auto' takes text and columns of two values as classes, numbers as numbers. Three to ten
        different whole numbers may be either: say which.
    identity : 'auto', 'folder', str or None
        Who is in an image: a column; 'auto' takes the column ``identity`` or else the last folder
        of the path. None says that every image shows another person.
    session : str, optional
        Where identity is decoded: a column of sessions (or 'folder', the last folder), of which
        none is in training and test.
    image_column : str, default 'image'
        The column of image names.
    folds, inner_folds : int, default 5, 3
        Fewer where there are fewer people.
    classifier : {'logistic', 'ridge'}
        Of classes; ridge is the faster one with hundreds of classes.
    balanced : bool, default True
        Whether all classes weigh the same in training, however many images they have.
    penalties : sequence of float
        What squared weights cost, see `facebench.metrics.probes.read_out`.
    shuffles : int, default 5
        How often labels are shuffled; 0 for no control.
    reliability : float, optional
        Of the numbers: the share of their variance that a repetition would find again.
    repeats : sequence of str, optional
        Columns of repeated ratings, to compute the reliability from: of the target as their mean
        (Cronbach's alpha), or of each of them (the mean of their correlations with the target and
        each other), where the target is none's mean.
    seed : int, default 0
        Of folds and shuffles.

    Raises
    ------
    PairsError
        If the table lacks something, or there are too few people of a class.
    InputError
        If a parameter is not what it should be.

    References
    ----------
    G. Alain and Y. Bengio, "Understanding intermediate layers using linear classifier probes", ICLR
    Workshop (2017); J. Hewitt and P. Liang, "Designing and interpreting probes with control tasks",
    EMNLP (2019) 2733-2743, for selectivity. In their control task words keep their random labels
    in the test set, so that it measures what a probe memorises. Here people do not recur in the
    test set, and the control is at chance unless something leaks; where identity is decoded, labels
    are shuffled over images.
    """

    item_name = "images"
    citations = ("alain2017probes", "hewitt2019control")

    def __init__(
        self,
        name: str,
        table: StrPath | pd.DataFrame,
        images_path: StrPath,
        target: str,
        *,
        kind: Literal["auto", "classes", "number"] = "auto",
        identity: str | None = "auto",
        session: str | None = None,
        image_column: str = "image",
        folds: int = 5,
        inner_folds: int = 3,
        classifier: Literal["logistic", "ridge"] = "logistic",
        balanced: bool = True,
        penalties: Sequence[float] = PENALTIES,
        shuffles: int = 5,
        reliability: float | None = None,
        repeats: Sequence[str] | None = None,
        seed: int = 0,
    ) -> None:
        owner = type(self).__name__
        self.folds = at_least("folds", folds, 2, owner)
        self.inner_folds = at_least("inner_folds", inner_folds, 2, owner)
        self.shuffles = 0 if shuffles == 0 else at_least("shuffles", shuffles, 1, owner)
        self.penalties = _penalties(penalties)
        refuse_unknown(
            owner,
            ("kind", kind, ("auto", "classes", "number")),
            ("classifier", classifier, ("logistic", "ridge")),
        )
        given = read_image_table(
            table, parameter="table", owner=owner, columns=(image_column, target)
        )
        people = _people(given, identity, image_column)
        decodes = target == identity or (target == "identity" and identity in ("auto", "folder"))
        if decodes and people is None:
            msg = (
                f"Task {name!r} decodes identity, which is unknown: no column {target!r} names it, "
                "and not every image is in a folder. Name a column with 'identity'."
            )
            raise PairsError(msg)
        found = labels_of(
            given, target, people, image_column=image_column, kind=kind, decodes=decodes, task=name
        )
        super().__init__(name, found.images.tolist(), images_path)
        self.target, self.seed, self.balanced = target, seed, balanced
        self._labels = found
        self._groups, self._apart = _kept_together(
            given, found, session, decodes=decodes, task=name
        )
        self._readout: Kind = "ridge"
        if found.is_classes:
            self._readout = "logistic" if classifier == "logistic" else "ridge classes"
        self.reliability = reliability_of(
            given, target, found, reliability, repeats, task=name, owner=owner
        )
        try:
            self._fold = deal_folds(
                self._groups,
                self.folds,
                classes=found.values if found.is_classes else None,
                seed=seed,
            )
        except ValueError as error:
            msg = (
                f"Task {name!r} needs images of {target!r} that can be parted into folds of "
                f"different {self._apart}, each class in two at least. {error}"
            )
            raise PairsError(msg) from error
        rng = np.random.default_rng([seed, 1])
        among = np.arange(found.values.size) if decodes else self._units
        self._shuffled = [shuffled_labels(found.values, among, rng) for _ in range(self.shuffles)]
        left = ~JackknifeGroups(np.asarray(self._units, dtype=np.str_)).kept
        self._kept, self._group = ~left, np.where(left.any(axis=1), left.argmax(axis=1), -1)
        self.sampling_unit = "images" if found.people is None else "people"
        self.question = f"Can {target} be read out linearly, in {self._apart} not trained on?"
        self.measures = self._declared()

    @property
    def _units(self) -> NDArray[Any]:
        """Who is left out for intervals: people, or else images."""
        return self._labels.images if self._labels.people is None else self._labels.people

    @cached_property
    def _shape(self) -> LabelShape:
        return LabelShape.of(self._labels.values, self._units)

    @property
    def classes(self) -> list[str]:
        """The classes, sorted; empty for numbers."""
        return list(self._labels.classes)

    @property
    def _score(self) -> str:
        return "Balanced Accuracy" if self._labels.is_classes else "R²"

    def _ceiling(self, name: str) -> tuple[str, ...]:
        """Name a ceiling where the labels' reliability gives one."""
        return () if self.reliability is None else (name,)

    def _declared(self) -> tuple[Measure, ...]:
        share: dict[str, Any] = {"better": "higher", "bounds": (0, 1)}
        lower: Measure | None = None
        if self._labels.is_classes:
            chance = 1 / len(self.classes)
            found = [
                Measure("Balanced Accuracy", headline=True, chance=chance, **share),
                Measure("Accuracy", **share),
            ]
            if len(self.classes) <= _MOST_CLASSES:
                found.append(Measure("AUC", chance=0.5, **share))
            bounds = (0.0, 1.0)
        else:
            bounds = (-np.inf, 1.0)
            found = [
                Measure(
                    "R²",
                    better="higher",
                    headline=True,
                    chance=0,
                    bounds=bounds,
                    ceiling=self._ceiling("Ceiling"),
                    label="R² on held-out images",
                ),
                Measure(
                    "r",
                    better="higher",
                    chance=0,
                    bounds=(-1, 1),
                    ceiling=self._ceiling("Ceiling r"),
                    label="Correlation r on held-out images",
                ),
            ]
            lower = Measure(
                "Mean Absolute Error",
                better="lower",
                bounds=(0, np.inf),
                label=f"Mean absolute error (units of {self.target})",
            )
        if self.shuffles:
            found += [
                Measure(
                    "Selectivity",
                    better="higher",
                    chance=0,
                    label=f"Selectivity ({self._score} − that of shuffled labels)",
                ),
                Measure(f"Shuffled {self._score}", bounds=bounds),
            ]
        if lower is not None:
            found.append(lower)
        if self.reliability is not None:
            found += [
                Measure("Ceiling", bounds=(0, 1), shown=False),
                Measure("Ceiling r", bounds=(0, 1), shown=False),
                Measure(
                    "Share of Ceiling",
                    better="higher",
                    chance=0,
                    label="Share of the ceiling (1 is the ceiling)",
                ),
            ]
        return tuple(found)

    @override
    def groupings(self) -> dict[str, list[NDArray[Any]]]:
        """Give the class of each image; see `EmbeddingTask.groupings`."""
        if not self._labels.is_classes:
            return {}
        return {self.target: [np.array(self._labels.classes, dtype=object)[self._labels.values]]}

    @override
    def compute_items(self, embeddings: FloatArray) -> pd.DataFrame:
        """Predict the label of every image from read-outs trained on other folds.

        Returns
        -------
        DataFrame
            A row per image: image, identity (if known), label, fold, predicted (empty where the
            image has no embedding), the scores of the classes (up to 20) or the baseline (training
            mean) and what the image moves by being trained on, the same of shuffled labels, and
            penalty, features and constant_features.
        """
        labels = self._labels
        usable = np.isfinite(embeddings).all(axis=1)
        if not usable.any():
            msg = f"No image of task {self.name!r} has an embedding of finite numbers."
            raise InputError(msg)
        try:
            found = read_out(
                embeddings,
                labels.values,
                self._fold,
                self._groups,
                self._readout,
                shuffled=self._shuffled,
                penalties=self.penalties,
                inner_folds=self.inner_folds,
                balanced=self.balanced,
                left_out=self._group,
                seed=self.seed,
            )
        except MissingClassError as error:
            name = labels.classes[error.number]
            msg = (
                f"Task {self.name!r} has no image of {self.target} {name!r} left "
                "to train on in one of its folds: those there are cannot be read, or show no face. "
                "Use fewer folds, or leave the class out of the table."
            )
            raise InputError(msg) from None
        spread = np.ptp(embeddings[usable], axis=0)
        columns: dict[str, Any] = {"image": labels.images}
        if labels.people is not None:
            columns["identity"] = labels.people
        columns |= {"label": self._named(labels.values), "fold": self._fold + 1}
        true = found[0]
        columns["predicted"] = self._named(true.predicted)
        if not labels.is_classes:
            columns["baseline"] = true.baseline
            for name, values in zip(_MOVED, self._moves(labels.values, true), strict=True):
                columns[name] = values
        elif len(self.classes) <= _MOST_CLASSES:
            columns |= {f"score {name}": true.scores[:, k] for k, name in enumerate(labels.classes)}
        for number, (drawn, own) in enumerate(zip(self._shuffled, found[1:], strict=True), 1):
            columns[f"shuffled {number}"] = self._named(drawn)
            columns[f"shuffled {number} predicted"] = self._named(own.predicted)
            if not labels.is_classes:
                columns[f"shuffled {number} baseline"] = own.baseline
                columns[f"shuffled {number} {_MOVED[0]}"] = self._moves(drawn, own)[0]
        return pd.DataFrame(columns).assign(
            penalty=true.penalties[self._fold],
            penalty_chosen=true.chosen,
            features=embeddings.shape[1],
            constant_features=int(np.count_nonzero(spread == 0)),
        )

    def _moves(self, values: NDArray[Any], found: ReadOut) -> Float64Array:
        """Divide what not training on a group moves among its images [3, N]: see `_trained_on`."""
        group, kept = self._group, self._kept
        shares = training_moves(values, found, kept) / (~kept).sum(axis=0)
        return np.asarray(np.where(group < 0, 0.0, shares[:, group]))

    def _named(self, values: NDArray[Any]) -> NDArray[Any]:
        """Give classes their names."""
        if not self._labels.is_classes:
            return values
        there = np.isfinite(values.astype(np.float64))
        names = np.array(self._labels.classes, dtype=object)
        found = np.full(values.size, None, dtype=object)
        found[there] = names[values[there].astype(np.intp)]
        return found

    @override
    def compute_task_performance(self, items_df: pd.DataFrame) -> pd.DataFrame:
        usable = items_df["predicted"].notna().to_numpy()
        groups = JackknifeGroups(self._units_in(items_df))
        values = self._measured(items_df, np.ones((len(items_df), 1)))
        left_out = self._measured(items_df, groups.kept.astype(np.float64))
        row: dict[str, Any] = {}
        undefined = []
        for name in (measure.name for measure in self.measures if measure.name in values):
            value = float(values[name][0])
            interval = self._interval(name, Replicates(value, left_out[name]), items_df[usable])
            row |= interval_cells(name, value, *interval)
            if np.isnan(value):
                why = "no fold has two classes" if name == "AUC" else "labels are constant"
                undefined.append(f"{name}: {why}")
        if self.reliability is not None:
            row |= {"Ceiling": self.reliability, "Ceiling r": self.reliability**0.5}
        items = items_df[usable]
        labels = self._labels
        if labels.is_classes:
            row["Largest Class"] = float(items["label"].value_counts(normalize=True).iloc[0])
            row["Classes"] = len(self.classes)
        constant = int(items_df["constant_features"].iloc[0])
        if constant == int(items_df["features"].iloc[0]):
            undefined.append("all features are constant")
        chosen = bool(items_df["penalty_chosen"].all())
        row |= {
            "Folds": int(self._fold.max()) + 1,
            "Penalty": float(np.median(items_df.drop_duplicates("fold")["penalty"])),
            "Features": int(items_df["features"].iloc[0]),
            "Constant Features": constant,
            "Unlabelled Images": labels.n_unlabelled,
            "Images of Rare Classes": labels.n_rare,
            N_IMAGES: len(items_df),
            N_IDENTITIES: float("nan")
            if labels.people is None
            else int(items["identity"].nunique()),
            N_FAILED: int((~usable).sum()),
            "Read-Out": self._how(chosen=chosen),
            UNDEFINED: "; ".join(undefined),
            CI_METHOD: self._ci_method(groups),
        }
        return round_measures(pd.DataFrame([row]), whole=("Penalty", "Mean Absolute Error"))

    def _how(self, *, chosen: bool) -> str:
        what = {
            "logistic": "logistic regression",
            "ridge classes": "ridge classifier",
            "ridge": "ridge regression",
        }[self._readout]
        penalty = "penalty chosen in inner folds"
        if not chosen:
            penalty = f"middle penalty, as there are too few {self._apart} to choose it"
        return f"{what}, folds of different {self._apart}, {penalty}"

    def _ci_method(self, groups: JackknifeGroups) -> str:
        plural = "images" if self._labels.people is None else "people"
        if groups.n_resamples < FEWEST_UNITS:
            return f"none: {groups.n_resamples} {plural} are too few"
        how = f"95 % jackknife of {plural} ({groups.n_resamples} groups), t quantiles, "
        if self._labels.is_classes:
            return f"{how}read-outs as fitted{PROPORTIONS_NOTE}"
        how += f"of predictions and, by {self._shape.training_share:.0%}, of training"
        if self._shape.has_long_tails:
            how += (
                f"; labels have long tails (skewness {self._shape.skewness:.1f}, excess kurtosis "
                f"{self._shape.kurtosis:.1f}): {self._shape.widening:.1f} times as wide, may still "
                "be too narrow, consider their logarithm"
            )
        return how

    def _units_in(self, items: pd.DataFrame) -> NDArray[np.str_]:
        column = "image" if self._labels.people is None else "identity"
        return np.asarray(items[column], dtype=np.str_)

    def _measured(self, items: pd.DataFrame, weights: Float64Array) -> dict[str, Float64Array]:
        """Measure images under each weighting [N, R]."""
        usable = items["predicted"].notna().to_numpy()
        own, drawn = items[usable], weights[usable]
        shuffles = range(1, self.shuffles + 1)
        if not self._labels.is_classes:
            given = own["label"], own["predicted"], own["baseline"]
            found = {
                "R²": cross_validated_r2(*given, drawn),
                "r": deviation_correlation(*given, drawn),
            }
            shuffled = [
                cross_validated_r2(
                    own[f"shuffled {k}"],
                    own[f"shuffled {k} predicted"],
                    own[f"shuffled {k} baseline"],
                    drawn,
                )
                for k in shuffles
            ]
            off = np.abs(own["label"].to_numpy() - own["predicted"].to_numpy())
            with np.errstate(invalid="ignore"):
                found["Mean Absolute Error"] = (drawn.T @ off) / drawn.sum(axis=0)
            self._trained_on(items, weights, found, shuffled)
            if self.reliability is not None:
                found["Share of Ceiling"] = found["R²"] / self.reliability
        else:
            number = {name: k for k, name in enumerate(self.classes)}
            classes = own["label"].map(number).to_numpy(dtype=np.intp)
            hits = (own["label"] == own["predicted"]).to_numpy(dtype=np.float64)
            with np.errstate(invalid="ignore"):
                found = {
                    "Balanced Accuracy": balanced_accuracy(classes, hits, drawn),
                    "Accuracy": (drawn.T @ hits) / drawn.sum(axis=0),
                }
            if len(self.classes) <= _MOST_CLASSES:
                scores = own[[f"score {name}" for name in self.classes]]
                found["AUC"] = fold_auc(classes, scores, own["fold"], drawn)
            shuffled = [
                balanced_accuracy(
                    own[f"shuffled {k}"].map(number).to_numpy(dtype=np.intp),
                    own[f"shuffled {k}"] == own[f"shuffled {k} predicted"],
                    drawn,
                )
                for k in shuffles
            ]
        if shuffled:
            found[f"Shuffled {self._score}"] = np.mean(shuffled, axis=0)
            found["Selectivity"] = found[self._score] - found[f"Shuffled {self._score}"]
        return found

    def _trained_on(
        self,
        items: pd.DataFrame,
        weights: Float64Array,
        found: dict[str, Float64Array],
        shuffled: list[Float64Array],
    ) -> None:
        """Leave the images that weigh nothing out of training too, by a share.

        The error at person i includes a part h_ij for each person j trained on, and h_ij = h_ji
        to first order: in least squares both are the product of two residuals and x_i A⁻¹ x_j.
        Without i, predictions lose Σ h_ij, training as much again and the effect of i on the
        errors of all others. The variance has 2 Σ h_ij², a share c of training (1 + c)² Σ h_ij²,
        so that c must be .41 or more; labels with longer tails need more (docs/intervals.md).
        """
        left, share = 1 - weights, self._shape.training_share
        moved = {
            name: np.where(left.any(axis=0), share * (left.T @ items[name].to_numpy()), 0.0)
            for name in items
            if str(name).endswith(_MOVED)
        }
        for k, values in enumerate((found["R²"], *shuffled)):
            name = f"shuffled {k} {_MOVED[0]}" if k else _MOVED[0]
            values[:] = 1 - (1 - values) * np.exp(moved[name])
        with np.errstate(divide="ignore", invalid="ignore"):
            found["r"] = np.where(
                left.any(axis=0), np.tanh(np.arctanh(found["r"]) + moved[_MOVED[1]]), found["r"]
            )
        found["Mean Absolute Error"] *= np.exp(moved[_MOVED[2]])

    def _interval(self, name: str, made: Replicates, items: pd.DataFrame) -> Interval:
        if np.isnan(made.value) or made.units.size < FEWEST_UNITS:
            return _UNKNOWN
        if name in ("R²", "Shuffled R²"):
            # Of the squared error that is left, on a logarithmic scale: R² has no lower end.
            with np.errstate(invalid="ignore", divide="ignore"):
                left = self._wide(float(np.log(1 - made.value)), np.log(1 - made.units)).interval()
            return Interval(float(1 - np.exp(left.high)), float(1 - np.exp(left.low)))
        if name == "Share of Ceiling" and self.reliability is not None:
            whole = Replicates(made.value * self.reliability, made.units * self.reliability)
            low, high = self._interval("R²", whole, items)
            return Interval(low / self.reliability, high / self.reliability)
        if name == "r":
            with np.errstate(invalid="ignore", divide="ignore"):
                z = self._wide(float(np.arctanh(made.value)), np.arctanh(made.units)).interval()
            return Interval(float(np.tanh(z.low)), float(np.tanh(z.high)))
        if name in ("Accuracy", "Balanced Accuracy", "AUC"):
            share: Literal["auc", "accuracy"] = "auc" if name == "AUC" else "accuracy"
            return jackknife_proportion(share, made, self._counts(items, share))
        if self._labels.is_classes:
            return made.interval()
        return self._wide(made.value, made.units).interval()

    def _wide(self, value: float, units: Float64Array) -> Replicates:
        """Allow for the few people with rare numbers, who decide what numbers are measured by."""
        return long_tailed(Replicates(value, units), self._shape.widening)

    def _counts(self, items: pd.DataFrame, share: Literal["auc", "accuracy"]) -> EffectiveCounts:
        """Count the independent images: of a person without an error they all count once."""
        units = np.unique(self._units_in(items), return_inverse=True)[1].ravel()
        n_units = int(units.max()) + 1
        if share == "auc":
            by_class = [float(np.unique(units[rows]).size) for rows in self._rows(items)]
            fewest = min(by_class)
            return EffectiveCounts(
                fewest, max(n_units - fewest, fewest), len(items), len(items), n_units
            )
        hits = (items["label"] == items["predicted"]).to_numpy(dtype=np.float64)
        number = float(n_units) if np.ptp(hits) == 0 else effective_number(hits, units, units)
        return EffectiveCounts(number / 2, number / 2, len(items), 0, n_units)

    @staticmethod
    def _rows(items: pd.DataFrame) -> list[IntArray]:
        number = pd.factorize(items["label"])[0]
        return [np.flatnonzero(number == k) for k in range(int(number.max()) + 1)]

    def left_out(self, items_df: pd.DataFrame) -> JackknifeReplicates:
        """Measure one layer without each group of people in turn, for errors of differences.

        Parameters
        ----------
        items_df : DataFrame
            As `compute_task_performance` takes it.

        Returns
        -------
        JackknifeReplicates
        """
        groups = JackknifeGroups(self._units_in(items_df))
        measured: Mapping[str, Float64Array] = self._measured(
            items_df, groups.kept.astype(np.float64)
        )
        by = "image" if self._labels.people is None else "identity"
        return JackknifeReplicates(
            by,
            groups.digest(items_df["image"], items_df["label"].astype(str)),
            {(None, name): values for name, values in measured.items()},
        )

    @override
    def plot(self, output_dir: str, performances: pd.DataFrame, *optional: Any) -> None:
        """Draw the score of every layer with its interval, and over the layers of deep networks."""
        chance = self.measures[0].chance
        reference = None if chance is None else (chance, "chance")
        PlotHelper.interval_plot(
            performances, self._score, self._score, f"Read-out of {self.target}",
            output_dir, "probe", reference=reference,
        )  # fmt: skip
        if performances.groupby("Model Name", sort=False).size().max() > 2:
            PlotHelper.plot_layer_profile(
                performances, self._score, output_dir, "probe_over_layers"
            )


def _people(given: ImageTable, identity: str | None, image_column: str) -> NDArray[Any] | None:
    """Name the person in each image; None where each shows another one."""
    if identity is None:
        return None
    if identity == "auto" and "identity" in given.rows:
        identity = "identity"
    if identity not in ("auto", "folder"):
        return np.asarray(given.texts("identity", identity), dtype=object)
    folders = people_of(given.texts("image_column", image_column))
    return None if (folders == "").any() else folders.astype(object)


def _kept_together(
    given: ImageTable, labels: Labels, session: str | None, *, decodes: bool, task: str
) -> tuple[NDArray[Any], str]:
    """Say what folds keep together, and what that is called."""
    if session is not None and not decodes:
        msg = (
            f"The 'session' parameter of task {task!r} is for decoding identity. Other labels are "
            "read out in other people in any case. Leave it out."
        )
        raise InputError(msg)
    if session == "folder":
        return people_of(labels.images), "sessions"
    if session is not None:
        return np.asarray(given.texts("session", session), dtype=object)[labels.rows], "sessions"
    if decodes or labels.people is None:
        return labels.images, "images"
    return labels.people, "people"


def _penalties(given: Any) -> tuple[float, ...]:
    try:
        found = tuple(float(value) for value in given)
    except (TypeError, ValueError):
        found = ()
    if not found or not all(0 < value < np.inf for value in found):
        msg = (
            "The 'penalties' parameter of ProbeTask must be numbers above 0, at least one. "
            f"Got {given!r} instead."
        )
        raise InputError(msg)
    return found
