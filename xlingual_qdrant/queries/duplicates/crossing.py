"""Pairs across two languages by margin, where texts may have copies in their own language.

A margin asks how much nearer a pair is than the neighbours of both. If a text has three copies in
the other language, they are its neighbours, and none of them would stand out. So near copies
count as one neighbour; each may still be the partner.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xlingual_qdrant.calibration import Cut
from xlingual_qdrant.ports import Vectors
from xlingual_qdrant.queries.margins import distance_margins, ratio_margins
from xlingual_qdrant.queries.neighbours import Nearest, OnProgress, nearest
from xlingual_qdrant.queries.scores.unlabelled import cut_from_candidates

NEIGHBOURS = 4
"""Neighbours, copies counted once, that a pair is compared with."""
LOOKED_AT = 16
"""Neighbours that are fetched: partners, their copies, and what lies behind them."""
ENOUGH = 1000
"""Texts on either side from which on a pair of languages has a cut of its own."""


@dataclass(frozen=True, slots=True)
class Crossing:
    """Candidates between two languages, each pair once: arrays of one length.

    left, right: rows. cosines, ratios, margins: of the pairs; a ratio is the cosine over the mean
    of both neighbourhoods, a margin the cosine less that mean. best, behind: the margins of each
    text with its nearest one, and with the next that is no copy of that.
    """

    left: NDArray[np.int64]
    right: NDArray[np.int64]
    cosines: NDArray[np.float32]
    ratios: NDArray[np.float32]
    margins: NDArray[np.float32]
    best: NDArray[np.float32]
    behind: NDArray[np.float32]

    @property
    def enough(self) -> bool:
        """Whether there are enough texts to learn from where duplicates begin."""
        return len(self.best) >= ENOUGH


def cut_of(crossings: Iterable[Crossing]) -> Cut:
    """Return the margin where duplicates begin, learned without labels."""
    parts = list(crossings)
    return cut_from_candidates(
        np.concatenate([part.best for part in parts]),
        np.concatenate([part.behind for part in parts]),
    )


def crossing(
    vectors: Vectors,
    left: NDArray[np.int64],
    right: NDArray[np.int64],
    copies: NDArray[np.int64],
    *,
    on_progress: OnProgress | None = None,
) -> Crossing:
    """Compare all rows of two languages.

    vectors: shape (n, dimension), unit rows. left, right: the rows of the languages. copies: for
    each of the n rows the first of its near copies, or itself.
    """
    one, other = vectors[left], vectors[right]
    there = nearest(one, other, LOOKED_AT, on_progress=on_progress)
    back = nearest(other, one, LOOKED_AT)
    there_mean, there_next = _neighbourhood(there, copies[right])
    back_mean, back_next = _neighbourhood(back, copies[left])
    here = np.repeat(np.arange(len(left)), there.rows.shape[1])
    away = np.repeat(np.arange(len(right)), back.rows.shape[1])
    numbered = np.concatenate(
        [here * len(right) + there.rows.ravel(), back.rows.ravel() * len(right) + away]
    )
    found = np.concatenate([there.scores.ravel(), back.scores.ravel()])
    pairs, first = np.unique(numbered, return_index=True)
    at_left, at_right = np.divmod(pairs, max(1, len(right)))
    cosines = found[first]
    near = there_mean[at_left], back_mean[at_right]
    return Crossing(
        left[at_left],
        right[at_right],
        cosines,
        ratio_margins(cosines, *near),
        distance_margins(cosines, *near),
        np.concatenate(
            [_at(there, None, there_mean, back_mean), _at(back, None, back_mean, there_mean)]
        ),
        np.concatenate(
            [
                _at(there, there_next, there_mean, back_mean),
                _at(back, back_next, back_mean, there_mean),
            ]
        ),
    )


def _neighbourhood(
    found: Nearest, copies: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the mean cosine of each text's neighbours, and the place of the second, 0 for none.

    copies: of the rows of the pool; neighbours that are copies of a nearer one do not count.
    """
    labels = copies[found.rows]
    again = np.zeros(labels.shape, dtype=np.bool_)
    for column in range(1, labels.shape[1]):
        again[:, column] = (labels[:, :column] == labels[:, column : column + 1]).any(axis=1)
    order = np.cumsum(~again, axis=1)
    counted = ~again & (order <= NEIGHBOURS)
    sums = np.where(counted, found.scores, 0).sum(axis=1)
    means = (sums / np.maximum(1, counted.sum(axis=1))).astype(np.float32)
    second = ~again & (order == 2)
    places = np.argmax(second, axis=1) if labels.shape[1] else np.zeros(len(labels), dtype=np.int64)
    return means, places


def _at(
    found: Nearest,
    places: NDArray[np.int64] | None,
    own: NDArray[np.float32],
    others: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Return the margin of each text with the neighbour at a place, where it has one there.

    places: None for the nearest; those that are 0 are left out.
    """
    if not found.rows.size:
        return np.empty(0, dtype=np.float32)
    rows = np.arange(len(found.rows)) if places is None else np.flatnonzero(places)
    columns = np.zeros_like(rows) if places is None else places[rows]
    partners = found.rows[rows, columns]
    return distance_margins(found.scores[rows, columns], own[rows], others[partners])
