"""Reading the items of an IdentificationTask: rates and curves of ranked probes."""

from __future__ import annotations

import numpy as np
import pandas as pd

from facebench.columns import CI_HIGH, CI_LOW
from facebench.metrics.identification import RankedProbes, cmc, tpir_at_fpir
from facebench.metrics.uncertainty.identification_jackknife import identification_intervals

__all__ = ["as_ranked", "by_gallery", "cmc_curve", "tpir_and_distance"]

_MOST_POINTS = 40


def by_gallery(items: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Part items by the gallery that was searched, in order of first appearance."""
    if "gallery" not in items:
        return {"": items}
    return {str(name): rows for name, rows in items.groupby("gallery", sort=False)}


def as_ranked(items: pd.DataFrame) -> RankedProbes:
    """Turn the items of one gallery into what the metrics take."""
    mated = items["in_gallery"].to_numpy(dtype=bool)
    similarities = -np.where(mated, items["mate_distance"], items["distance_1"]).astype(np.float64)
    ranks = items["rank"].fillna(0).to_numpy(dtype=np.intp)
    identities = items["identity"].to_numpy(dtype=str)
    return RankedProbes(identities, mated, similarities, ranks, int(items["templates"].iloc[0]))


def tpir_and_distance(gallery: RankedProbes, target: float) -> tuple[float, float]:
    """Give TPIR and the distance it is taken at; NaN where every probe is in the gallery."""
    if gallery.mated.all():
        return np.nan, np.nan
    found = tpir_at_fpir(gallery, fpir=target)
    return found.tpir, -found.threshold


def cmc_curve(items: pd.DataFrame) -> pd.DataFrame:
    """Give the CMC with its band, averaged over galleries, at ranks dense enough for a picture."""
    galleries = [as_ranked(rows) for rows in by_gallery(items).values()]
    size = min(gallery.n_gallery for gallery in galleries)
    dense = np.geomspace(1, size, _MOST_POINTS) if size > _MOST_POINTS else np.arange(1, size + 1)
    ranks = np.unique(dense.round().astype(int)).tolist()
    rates = np.mean([cmc(gallery).rates[:size] for gallery in galleries], axis=0)
    bands = identification_intervals(galleries, ranks=ranks).rank
    return pd.DataFrame(
        {
            "Rank": ranks,
            "Rate": [rates[rank - 1] for rank in ranks],
            # A CMC never falls: what is sure of one rank is sure of those beyond it.
            f"Rate{CI_LOW}": np.maximum.accumulate([band.low for band in bands]),
            f"Rate{CI_HIGH}": [band.high for band in bands],
        }
    )
