"""Are ratings and distances more alike than by chance? Pairs, or their images, change places."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from facebench.metrics.correlation import correlate, standardise
from facebench.metrics.ratings.draws import RatedUnits
from facebench.metrics.ratings.modified_t import SharedImages, modified_t
from facebench.metrics.rsa import permutations_of, share_as_large
from facebench.types import Float64Array, IntArray

__all__ = ["ChanceTest"]

_FEWEST_PAIRS = 3


@dataclass(frozen=True)
class ChanceTest:
    """A test of many layers' distances against the same ratings.

    Where every pair of images is rated, images are permuted (Mantel's test); where no image comes
    twice, pairs are, since nothing ties them together. Of any other table a modified t test takes
    into account that pairs share images.

    Attributes
    ----------
    method : str
        Which, in words.
    measure : str
        The measure.
    of_pair : array of int, shape [N]
        The different pair that each row is of; -1 for an image with itself.
    rows : array, shape [1 + R, P]
        Ratings of different pairs as they are, then permuted; standardised but for 'tau-a' and the
        t test.
    shared : SharedImages or None
        Of the t test.
    """

    method: str
    measure: str
    of_pair: IntArray
    rows: Float64Array
    shared: SharedImages | None = None

    @classmethod
    def of(
        cls, mean: Float64Array, units: RatedUnits, measure: str, n_permutations: int
    ) -> ChanceTest:
        """Choose a test by the table, and prepare it.

        Parameters
        ----------
        mean : array, shape [N]
            Mean ratings.
        units : RatedUnits
            The images of the pairs.
        measure : str
            The measure; the t test of measures of order is that of Spearman's correlation.
        n_permutations : int
            How many permutations, fewer if there are not so many.

        Returns
        -------
        ChanceTest
        """
        low, high = (each(units.first, units.second) for each in (np.minimum, np.maximum))
        # An image with itself has nothing to be exchanged with.
        apart = low != high
        keys, place = np.unique((low * units.n_images + high)[apart], return_inverse=True)
        of_pair = np.full(mean.size, -1, dtype=np.intp)
        of_pair[apart] = place
        values = _by_pair(mean, of_pair)
        first, second = np.divmod(keys, units.n_images)
        images, places = np.unique(np.concatenate((first, second)), return_inverse=True)
        first, second = places[: keys.size], places[keys.size :]
        if images.size == 2 * keys.size:
            generator = np.random.default_rng(units.seed)
            rows = generator.permuted(np.tile(values, (n_permutations, 1)), axis=1)
            what = "pairs"
        elif keys.size == images.size * (images.size - 1) // 2:
            table = np.zeros((images.size, images.size))
            table[first, second] = table[second, first] = values
            orders, _ = permutations_of(images.size, n_permutations, units.seed)
            rows = table[orders[:, first], orders[:, second]]
            what = "images"
        else:
            shared = SharedImages.of(first, second)
            called = "modified t test of pairs that share images"
            return cls(called, measure, of_pair, values[None], shared)
        called = f"permutation of {what} ({len(rows)})"
        rows = np.concatenate((values[None], rows))
        if measure != "tau-a":
            rows = standardise(rows, np.ones(rows.shape), measure)
        return cls(called, measure, of_pair, rows)

    def p_values(self, distances: Float64Array) -> tuple[float, float]:
        """Test one layer.

        Parameters
        ----------
        distances : array, shape [N]
            Its distances.

        Returns
        -------
        larger, smaller : float
            P of a correlation as large, and as small, by chance; NaN where it is not defined.
        """
        values = _by_pair(distances, self.of_pair)
        if self.shared is not None:
            ranked = self.measure != "pearson"
            return modified_t(values, self.rows[0], self.shared, ranked=ranked)
        if values.size < _FEWEST_PAIRS:
            return float("nan"), float("nan")
        if self.measure == "tau-a":
            found = correlate(values, self.rows, "tau-a", np.ones(self.rows.shape))
        else:
            found = self.rows @ standardise(values, np.ones((1, values.size)), self.measure)[0]
        return share_as_large(found[0], found[1:]), share_as_large(-found[0], -found[1:])


def _by_pair(values: Float64Array, of_pair: IntArray) -> Float64Array:
    """Average what rows of the same pair say."""
    apart = of_pair >= 0
    count = np.bincount(of_pair[apart])
    return np.asarray(np.bincount(of_pair[apart], weights=values[apart]) / count)
