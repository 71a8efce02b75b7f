"""Psychometric functions: a share that rises or falls with a level, and where it is half-way.

ψ(x) = γ + (1 - γ - λ) F((x - m) / s), F the logistic function or the normal distribution, γ the
guess rate and λ the lapse rate. It is fitted by maximum likelihood. The likelihood takes answers as
independent and serves as a criterion only: errors come from leaving out people, so that what
answers of one person have in common counts.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit, ndtr, ndtri

from facebench.types import Float64Array

__all__ = ["Psychometric", "PsychometricFit", "Shape", "fit_psychometric"]

Shape: TypeAlias = Literal["logistic", "normal"]

# The largest lapse rate that is looked for: a network's best share may be far below 1.
_MOST_LAPSES = 0.5
# Steeper functions rise within one step between levels from .007 to .993: data do not tell more.
_STEEPEST = 10.0
_TINY = 1e-9


class Psychometric(NamedTuple):
    """A psychometric function, or many of one shape.

    Attributes
    ----------
    threshold : float or array
        The level at which it is half-way between the guess rate and its other end, or where it is
        the criterion. NaN where there is none.
    slope : float or array
        How steep it is there: change of the share per unit of the level, below 0 where it falls.
    guess, lapse : float or array
        γ, and λ: 1 - λ is the other end.
    middle, scale : float or array
        m and s; s is below 0 where it falls.
    shape : {'logistic', 'normal'}
        F.
    """

    threshold: Any
    slope: Any
    guess: Any
    lapse: Any
    middle: Any
    scale: Any
    shape: Shape

    @classmethod
    def at(
        cls,
        threshold: float,
        slope: float,
        guess: float,
        lapse: float,
        shape: Shape = "logistic",
        criterion: float | None = None,
    ) -> Psychometric:
        """Make the function of a threshold and the slope there, as a `PsychometricFit` has it."""
        height = 1 - guess - lapse
        standard = _quantile(shape, 0.5 if criterion is None else (criterion - guess) / height)
        scale = float(height * _density(shape, standard) / slope)
        middle = float(threshold - scale * standard)
        return cls(threshold, slope, guess, lapse, middle, scale, shape)

    def __call__(self, levels: Any) -> Float64Array:
        """Give the share at each level."""
        standard = (np.asarray(levels, dtype=np.float64) - self.middle) / self.scale
        cumulative = _cumulative(self.shape, standard)
        return np.asarray(self.guess + (1 - self.guess - self.lapse) * cumulative)


class PsychometricFit:
    """Fits a psychometric function, and what it would be of slightly other shares.

    Parameters
    ----------
    levels, shares, counts : array, shape [K]
        The share at each level and the number of answers behind it; NaN shares are left out.
    guess : float or None, default 0.5
        The share by chance; None fits it.
    lapse : float or None
        One minus the other end; None fits it, up to 0.5.
    shape : {'logistic', 'normal'}
        The form.
    criterion : float, optional
        The share that the threshold is to be at, instead of half-way.

    Attributes
    ----------
    function : Psychometric
        The most likely one; NaN where there is none.
    deviance : float
        Twice the log likelihood by which it falls short of the shares themselves.
    undefined : str
        Why threshold or slope are NaN; empty where they are not.

    References
    ----------
    F. A. Wichmann and N. J. Hill, "The psychometric function: I. Fitting, sampling, and goodness of
    fit", Perception & Psychophysics 63 (2001) 1293-1313.

    Examples
    --------
    >>> levels = np.arange(9.0)
    >>> shares = 0.5 + 0.48 * expit((4.0 - levels) / 0.8)
    >>> fit = PsychometricFit(levels, shares, np.full(9, 100.0)).function
    >>> round(fit.threshold, 3), round(fit.slope, 3), round(fit.lapse, 3)
    (4.0, -0.15, 0.02)
    """

    def __init__(
        self,
        levels: Any,
        shares: Any,
        counts: Any,
        *,
        guess: float | None = 0.5,
        lapse: float | None = None,
        shape: Shape = "logistic",
        criterion: float | None = None,
    ) -> None:
        x, y, n = (np.asarray(values, dtype=np.float64) for values in (levels, shares, counts))
        self._there = ~np.isnan(y) & (n > 0)
        x, self._y, n = x[self._there], y[self._there], n[self._there]
        self._guess, self._lapse, self._shape, self._criterion = guess, lapse, shape, criterion
        self._parameters = np.full(2 + (guess is None) + (lapse is None), np.nan)
        self.deviance = float("nan")
        self.undefined = ""
        if np.unique(x).size <= self._parameters.size:
            self.undefined = (
                f"psychometric function: {self._parameters.size} numbers to be fitted take more "
                "levels than these"
            )
        elif np.ptp(self._y) == 0:
            self.undefined = "psychometric function: the share is the same at all levels"
        self._low, self._span = (float(x.min()), float(np.ptp(x))) if x.size else (0.0, 1.0)
        if self.undefined:
            self.function = self._function(self._parameters)
            return
        self._x, self._w = (x - self._low) / self._span, n / n.sum()
        self._bounds = self._limits()
        self._fit(float(n.sum()))

    def _limits(self) -> Float64Array:
        steepest = _STEEPEST / float(np.diff(np.unique(self._x)).min())
        found = [(-0.5, 1.5), (-steepest, steepest)]
        if self._guess is None:
            found.append((0.0, 1 - _MOST_LAPSES))
        if self._lapse is None:
            known = 0.0 if self._guess is None else self._guess
            found.append((0.0, min(_MOST_LAPSES, 1 - known - 0.01)))
        return np.array(found)

    def _fit(self, total: float) -> None:
        from scipy.optimize import minimize
        from threadpoolctl import threadpool_limits

        # Threads of the linear algebra would wait for each other over four numbers.
        with threadpool_limits(1):
            tried = [
                minimize(
                    self._loss, start, jac=True, method="L-BFGS-B", bounds=self._bounds,
                    options={"maxiter": 300, "ftol": 1e-12, "gtol": 1e-8},
                )
                for start in self._starts()
            ]  # fmt: skip
        found = min(tried, key=lambda one: float(one.fun))
        self._parameters = np.asarray(found.x)
        self.deviance = max(2 * total * (float(found.fun) - self._least()), 0.0)
        function = self._function(self._parameters)
        steepest = self._bounds[1, 1]
        if not self._low <= function.threshold <= self._low + self._span:
            self.undefined = "threshold: it is not within the levels"
            function = function._replace(threshold=np.nan, slope=np.nan)
        elif abs(self._parameters[1]) > 0.99 * steepest:
            self.undefined = "slope: the share falls or rises within one step between levels"
            function = function._replace(slope=np.nan)
        self.function = function

    def _starts(self) -> list[Float64Array]:
        """Give beginnings of both directions, early and late."""
        low, high = float(self._y.min()), float(self._y.max())
        rest = [low] * (self._guess is None) + [1 - high] * (self._lapse is None)
        return [
            np.clip([middle, steepness, *rest], *self._bounds.T)
            for middle in (0.25, 0.75)
            for steepness in (-8.0, 8.0)
        ]

    def _least(self) -> float:
        with np.errstate(divide="ignore", invalid="ignore"):
            own = self._y * np.log(self._y) + (1 - self._y) * np.log(1 - self._y)
        return -float(self._w @ np.nan_to_num(own))

    def _ends(self, parameters: Float64Array) -> tuple[Any, Any]:
        """Give guess and lapse rate of parameters [..., P]."""
        guess = parameters[..., 2] if self._guess is None else self._guess
        return guess, parameters[..., -1] if self._lapse is None else self._lapse

    def _shares(self, parameters: Float64Array) -> tuple[Float64Array, Float64Array]:
        """Give the share at every level, and its derivatives by the parameters [K, P]."""
        away = self._x - parameters[0]
        guess, lapse = self._ends(parameters)
        cumulative = _cumulative(self._shape, parameters[1] * away)
        density = (1 - guess - lapse) * _density(self._shape, parameters[1] * away)
        columns = [-parameters[1] * density, away * density]
        columns += [1 - cumulative] * (self._guess is None) + [-cumulative] * (self._lapse is None)
        share = guess + (1 - guess - lapse) * cumulative
        return np.clip(share, _TINY, 1 - _TINY), np.stack(columns, axis=1)

    def _loss(self, parameters: Float64Array) -> tuple[float, Float64Array]:
        """Give minus the log likelihood by answer, and its gradient."""
        share, by_parameter = self._shares(parameters)
        likelihood = self._w @ (self._y * np.log(share) + (1 - self._y) * np.log(1 - share))
        by_share = self._w * ((1 - self._y) / (1 - share) - self._y / share)
        return -float(likelihood), by_share @ by_parameter

    @property
    def explained(self) -> float:
        """The share of the variance between levels that it explains, weighted by counts."""
        if np.isnan(self._parameters).any():
            return float("nan")
        share, _ = self._shares(self._parameters)
        mean = self._w @ self._y
        left = self._w @ (self._y - share) ** 2
        return float(1 - left / (self._w @ (self._y - mean) ** 2))

    def of(self, shares: Any) -> Psychometric:
        """Give the functions of slightly other shares, by one step of Fisher's scoring.

        Parameters
        ----------
        shares : array-like, shape [R, K]
            Such as without each person.

        Returns
        -------
        Psychometric
            Its numbers are arrays of shape [R]. A rate at its limit stays there.
        """
        moved = np.asarray(shares, dtype=np.float64)[:, self._there] - self._y
        found = np.tile(self._parameters, (len(moved), 1))
        if np.isnan(self._parameters).any():
            return self._function(found)
        share, by_parameter = self._shares(self._parameters)
        free = (self._parameters > self._bounds[:, 0]) & (self._parameters < self._bounds[:, 1])
        root = np.sqrt(self._w / (share * (1 - share)))[:, None]
        found[:, free] += (moved * root.T) @ np.linalg.pinv(root * by_parameter[:, free]).T
        low, high = self._bounds.T
        return self._function(np.clip(found, low, high))

    def _function(self, parameters: Float64Array) -> Psychometric:
        """Bring parameters [..., P] to the scale of the levels."""
        guess, lapse = self._ends(parameters)
        middle = self._low + self._span * parameters[..., 0]
        with np.errstate(divide="ignore", invalid="ignore"):
            scale = self._span / parameters[..., 1]
            height = 1 - guess - lapse
            part = 0.5 if self._criterion is None else (self._criterion - guess) / height
            standard = _quantile(self._shape, part)
            slope = height * _density(self._shape, standard) / scale
            numbers = (middle + scale * standard, slope, guess, lapse, middle, scale)
        plain: list[Any] = [one if np.ndim(one) else float(one) for one in numbers]
        return Psychometric(*plain, shape=self._shape)  # type: ignore[misc]


def fit_psychometric(levels: Any, shares: Any, counts: Any, **options: Any) -> Psychometric:
    """Fit a psychometric function by maximum likelihood; see `PsychometricFit`.

    Parameters
    ----------
    levels, shares, counts : array-like, shape [K]
        The share at each level and the number of answers behind it.
    **options
        Further parameters of `PsychometricFit`.

    Returns
    -------
    Psychometric

    Examples
    --------
    >>> levels = np.arange(9.0)
    >>> fit = fit_psychometric(levels, expit(levels - 3), np.full(9, 50.0), guess=0.0, lapse=0.0)
    >>> round(fit.threshold, 3), round(fit.slope, 3)
    (3.0, 0.25)
    """
    return PsychometricFit(levels, shares, counts, **options).function


def _cumulative(shape: Shape, standard: Any) -> Float64Array:
    return np.asarray(expit(standard) if shape == "logistic" else ndtr(standard))


def _density(shape: Shape, standard: Any) -> NDArray[np.float64]:
    if shape == "logistic":
        return np.asarray(expit(standard) * expit(-np.asarray(standard)))
    return np.asarray(np.exp(-(np.asarray(standard) ** 2) / 2) / np.sqrt(2 * np.pi))


def _quantile(shape: Shape, part: Any) -> Any:
    found = logit(part) if shape == "logistic" else ndtri(part)
    return np.where(np.isfinite(found), found, np.nan)
