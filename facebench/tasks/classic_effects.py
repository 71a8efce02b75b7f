"""Classic effects of human face perception, ready to be asked of networks."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeVar

from facebench.data.identity import IdentitySource
from facebench.metrics.conditions import Measure as ConditionMeasure
from facebench.tasks.effect import EffectTask, HumanReference
from facebench.tasks.shared.effect_design import Side
from facebench.tasks.shared.people import PeopleSource
from facebench.tasks.shared.sklearn_distances import cosine_distances
from facebench.types import MetricFunction, StrPath

__all__ = [
    "CompositeEffect",
    "CriticalFeaturesEffect",
    "FamiliarityEffect",
    "InversionEffect",
    "OtherRaceEffect",
    "ThatcherEffect",
]

_NAN = float("nan")
_Effect = TypeVar("_Effect", bound=EffectTask)


def _by_default(
    contrast: tuple[Side, Side], measure: ConditionMeasure = "auc"
) -> Callable[[type[_Effect]], type[_Effect]]:
    """Give a class the constructor of `EffectTask`, with other defaults in its signature."""
    construct = EffectTask.__init__
    signature = inspect.signature(construct)
    own = {"contrast": contrast, "measure": measure}
    signature = signature.replace(
        parameters=[
            one.replace(default=own.get(name, one.default))
            for name, one in signature.parameters.items()
        ]
    )

    def decorate(effect: type[_Effect]) -> type[_Effect]:
        @functools.wraps(construct)
        def __init__(*arguments: Any, **options: Any) -> None:  # noqa: N807
            given = signature.bind(*arguments, **options)
            given.apply_defaults()
            construct(*given.args, **given.kwargs)

        vars(__init__)["__signature__"] = signature
        effect.__init__ = __init__  # type: ignore[method-assign]
        effect.usual_contrast = contrast
        return effect

    return decorate


@_by_default(contrast=("upright", "inverted"))
class InversionEffect(EffectTask):
    """Are faces harder to tell apart upside-down?

    Difference = AUC upright - AUC inverted; positive where inversion hurts, as it does people.
    The same pairs are compared in both conditions, both images of a pair turned over.

    Parameters
    ----------
    name, pairs_file_path, images_path, distance_metric, measure, contrast
        See `EffectTask`.
        ``make_conditions(…, "inverted")`` writes the table ``inverted``.

    References
    ----------
    R. K. Yin, "Looking at upside-down faces", Journal of Experimental Psychology 81 (1969) 141-145;
    in networks: K. Dobs, J. Yuan, J. Martinez and N. Kanwisher, "Behavioral signatures of face
    perception emerge in deep neural networks optimized for face recognition", PNAS 120 (2023)
    e2220642120. Upright level: N. Kumar, A. C. Berg, P. N. Belhumeur and S. K. Nayar, "Attribute
    and simile classifiers for face verification", ICCV 2009; S. Sengupta et al., "Frontal to
    profile face verification in the wild", WACV 2016.
    """

    effect_name = "inversion effect"
    citations = ("yin1969inverted", "dobs2023signatures")
    human_references = (
        HumanReference("accuracy, LFW, upright, cropped to the face", 0.9753, "Kumar et al. 2009"),
        HumanReference("accuracy, CFP, two frontal views", 0.9624, "Sengupta et al. 2016"),
        HumanReference("accuracy, CFP, frontal and profile view", 0.9457, "Sengupta et al. 2016"),
        HumanReference("Difference, upright - inverted: positive", _NAN, "Yin 1969"),
    )


@_by_default(contrast=("upright", "inverted"), measure="mean distance")
class ThatcherEffect(EffectTask):
    """Is a face with eyes and mouth turned over stranger upright than upside-down?

    Pairs are a normal face (img1) and its thatcherised version (img2), upright or, both turned
    over, inverted. Relative Difference is the Thatcher index, (upright - inverted) / (upright +
    inverted) of the mean distances: positive where the change is seen better upright, as by people
    it, 0 where orientation makes no difference. 'Mean Item Relative Difference' is the mean of the
    faces' own indices.

    Parameters
    ----------
    name, pairs_file_path, images_path, distance_metric, measure, contrast
        See `EffectTask`.
        ``make_conditions(…, "thatcherised")`` writes the table ``thatcherised``;
        for ``thatcherised-factorial`` take an `EffectTask` with ``factors=("orientation",
        "thatcherised")``.

    References
    ----------
    P. Thompson, "Margaret Thatcher: a new illusion", Perception 9 (1980) 483-484; J. C. Bartlett
    and J. Searcy, "Inversion and configuration of faces", Cognitive Psychology 25 (1993) 281-316;
    in networks: G. Jacob, R. T. Pramod, H. Katti and S. P. Arun, "Qualitative similarities and
    differences in visual object representations between brains and deep networks", Nature
    Communications 12 (2021) 1872.
    """

    effect_name = "Thatcher effect"
    named_of = ("mean distance",)
    citations = ("thompson1980thatcher", "bartlett1993inversion")
    human_references = (
        HumanReference("Thatcher index: positive", _NAN, "Thompson 1980; Bartlett & Searcy 1993"),
    )


@_by_default(contrast=("own", "other"))
class OtherRaceEffect(EffectTask):
    """Are faces of the race that was learned discriminated better than others?

    Difference = AUC own - AUC other; positive where the other race is harder, as it is for people.
    One network says little, as one set of faces may simply be harder: the effect proper is the
    interaction of race in training and race of the faces, which `compare_models` gives for two
    networks. Impostor pairs should be within a race.

    Parameters
    ----------
    name, pairs_file_path, images_path, distance_metric, measure, contrast
        See `EffectTask`.
        The conditions are called 'own' and 'other'; for other names, such as
        races, give `contrast`.

    References
    ----------
    C. A. Meissner and J. C. Brigham, "Thirty years of investigating the own-race bias in memory for
    faces", Psychology, Public Policy, and Law 7 (2001) 3-35; in algorithms: P. J. Phillips, F.
    Jiang, A. Narvekar, J. Ayyad and A. J. O'Toole, "An other-race effect for face recognition
    algorithms", ACM Transactions on Applied Perception 8 (2011) 14; Dobs et al., PNAS 120 (2023)
    e2220642120.
    """

    effect_name = "own-race advantage"
    citations = ("meissner2001ownrace", "phillips2011otherrace")
    human_references = (
        HumanReference("Difference, own - other: positive", _NAN, "Meissner & Brigham 2001"),
    )


@_by_default(contrast=("familiar", "unfamiliar"))
class FamiliarityEffect(EffectTask):
    """Are people who were learned discriminated better than strangers?

    Difference = AUC familiar - AUC unfamiliar, of identities that were in training (other
    photographs of them) and that were not; positive for people. Conditions hold different people,
    who are resampled condition by condition. Impostor pairs should be within a condition.

    Parameters
    ----------
    name, pairs_file_path, images_path, distance_metric, measure, contrast
        See `EffectTask`.
        The conditions are called 'familiar' and 'unfamiliar'.

    References
    ----------
    A. W. Young and A. M. Burton, "Are we face experts?", Trends in Cognitive Sciences 22 (2018)
    100-110; A. M. Burton, D. White and A. McNeill, "The Glasgow face matching test", Behavior
    Research Methods 42 (2010) 286-291; in networks: N. M. Blauch, M. Behrmann and D. C. Plaut,
    "Computational insights into human perceptual expertise for familiar and unfamiliar face
    recognition", Cognition 208 (2021) 104341.
    """

    effect_name = "familiarity effect"
    citations = ("young2018experts", "burton2010glasgow")
    human_references = (
        HumanReference(
            "accuracy, unfamiliar faces, Glasgow test, short version", 0.813, "Burton et al. 2010"
        ),
        HumanReference("Difference, familiar - unfamiliar: positive", _NAN, "Young & Burton 2018"),
    )


@_by_default(contrast=("misaligned", "aligned"))
class CompositeEffect(EffectTask):
    """Does another lower half change how the upper half of a face is seen?

    Pairs are composites whose lower halves always differ; 'same' says whether the upper halves are
    identical. Difference = AUC misaligned - AUC aligned, for discriminating equal from different
    upper halves; positive if aligned halves are fused, as in people. With
    ``measure='mean distance'`` on the rows with same=1, give ``contrast=('aligned',
    'misaligned')``: equal upper halves then look less alike when aligned.

    Parameters
    ----------
    name, pairs_file_path, images_path, distance_metric, measure, contrast
        See `EffectTask`.
        ``make_conditions(…, "composite")`` writes the table ``composite``.

    Notes
    -----
    This is the partial design: lower halves differ in all pairs. People are resampled by their
    upper halves.

    References
    ----------
    A. W. Young, D. Hellawell and D. C. Hay, "Configurational information in face perception",
    Perception 16 (1987) 747-759; review: B. Rossion, "The composite face illusion", Visual
    Cognition 21 (2013) 139-253.
    """

    effect_name = "composite effect"
    citations = ("young1987composite",)
    human_references = (
        HumanReference("Difference, misaligned - aligned: positive", _NAN, "Young et al. 1987"),
    )


class CriticalFeaturesEffect(EffectTask):
    """Do changes of critical features change a face more than others?

    Pairs are a face and its changed version; the condition names the change. Difference = mean
    distance of the changes of critical features - that of the others, with equal weights of the
    conditions on either side; positive for people. Every change is also reported separately, and
    so are 'same person' and 'other person' if the table has them, as a scale. For a fair
    comparison the changes must have similar sizes in all features.

    Parameters
    ----------
    name, pairs_file_path, images_path, distance_metric, measure
        See `EffectTask`, also for those that are not named here.
        ``make_conditions(…, ["eyes-replaced", "mouth-replaced", "eye-distance",
        "mouth-height"])`` writes the table ``critical-features``, whose names are the defaults.
    critical, other : sequence of str
        Conditions that change critical features, and that do not. People rely on lip thickness,
        eye shape and colour, eyebrow thickness and hair, less on eye distance, mouth size, face
        proportion and skin colour.

    References
    ----------
    N. Abudarham and G. Yovel, "Reverse engineering the face space: discovering the critical
    features for face identification", Journal of Vision 16(3) (2016) 40; N. Abudarham, L. Shkiller
    and G. Yovel, "Critical features for face recognition", Cognition 182 (2019) 73-83; in networks:
    N. Abudarham, I. Grosbard and G. Yovel, "Face recognition depends on specialized mechanisms
    tuned to view-invariant facial features", Cognitive Science 45 (2021) e13031.
    """

    effect_name = "critical-features effect"
    named_of = ("mean distance",)
    citations = ("abudarham2016features",)
    human_references = (
        HumanReference("Difference, critical - other: positive", _NAN, "Abudarham & Yovel 2016"),
    )

    def __init__(
        self,
        name: str,
        pairs_file_path: StrPath,
        images_path: StrPath,
        distance_metric: MetricFunction = cosine_distances,
        measure: ConditionMeasure = "mean distance",
        *,
        critical: Sequence[str] = ("eyes-replaced", "mouth-replaced"),
        other: Sequence[str] = ("eye-distance", "mouth-height"),
        condition_column: str = "condition",
        true_label: str = "same",
        rating_column: str = "distance",
        threshold: float | None = None,
        far: float = 0.01,
        identity: IdentitySource = "auto",
        item_column: str | None = None,
        n_resamples: int = 1000,
        n_permutations: int = 1000,
        seed: int = 0,
        test: Literal["t", "permutation"] = "t",
        people: PeopleSource = None,
        people_groups: bool | Sequence[str] | None = None,
        people_rating: Literal["distance", "similarity"] = "distance",
        people_index: Literal["standardised", "relative"] = "standardised",
        people_margin: float | None = None,
    ) -> None:
        super().__init__(
            name, pairs_file_path, images_path, distance_metric, measure,
            (list(critical), list(other)), condition_column=condition_column,
            true_label=true_label, rating_column=rating_column, threshold=threshold, far=far,
            identity=identity, item_column=item_column, n_resamples=n_resamples,
            n_permutations=n_permutations, seed=seed, test=test, people=people,
            people_groups=people_groups, people_rating=people_rating, people_index=people_index,
            people_margin=people_margin,
        )  # fmt: skip
