"""Scores of pairs that take account of how near either text is to all the others.

A cosine means another thing for each pair of languages, and hubs are near to everything. Compared
with the cosines of either text's nearest ones, it means the same everywhere. All functions work
elementwise on float32 arrays that broadcast; `near_left` and `near_right` are the means of the
cosines of the left and of the right text with their k nearest on the other side.
"""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

PairMeasure: TypeAlias = Literal["ratio", "distance", "csls", "cosine"]
"""How a pair is scored."""
PAIR_MEASURES: tuple[PairMeasure, ...] = get_args(PairMeasure)

LEAST = 1e-6
"""What a ratio is divided by at least."""

Scores: TypeAlias = NDArray[np.float32]


def ratio_margins(cosines: Scores, near_left: Scores, near_right: Scores) -> Scores:
    """Return cosine / mean of the two neighbourhoods: 1 is no nearer than the neighbours are.

    Artetxe and Schwenk 2019, arXiv 1811.01136, the best of their margins.
    """
    near = np.maximum((near_left + near_right) / 2, LEAST).astype(np.float32, copy=False)
    return cosines / near


def distance_margins(cosines: Scores, near_left: Scores, near_right: Scores) -> Scores:
    """Return cosine - mean of the two neighbourhoods: 0 is no nearer than the neighbours are.

    Artetxe and Schwenk 2019, arXiv 1811.01136.
    """
    near = ((near_left + near_right) / 2).astype(np.float32, copy=False)
    return cosines - near


def csls(cosines: Scores, near_left: Scores, near_right: Scores) -> Scores:
    """Return 2 * cosine - both neighbourhoods: cross-domain similarity local scaling.

    Lample and others 2018, arXiv 1710.04087. Twice the distance margin, so it ranks alike.
    """
    return 2 * cosines - near_left - near_right


def pair_scores(
    measure: PairMeasure, cosines: Scores, near_left: Scores, near_right: Scores
) -> Scores:
    """Return the scores of pairs by the name of the measure."""
    match measure:
        case "ratio":
            return ratio_margins(cosines, near_left, near_right)
        case "distance":
            return distance_margins(cosines, near_left, near_right)
        case "csls":
            return csls(cosines, near_left, near_right)
        case "cosine":
            return cosines
