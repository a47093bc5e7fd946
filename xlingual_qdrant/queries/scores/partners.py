"""Pairs that are right, and the nearest that are wrong: what positives alone can teach."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xlingual_qdrant.calibration import Measure
from xlingual_qdrant.ports import Vectors
from xlingual_qdrant.queries.margins import ratio_margins
from xlingual_qdrant.queries.scores.cuts import Scored

K = 4
"""Neighbours of each text that its margin is taken from."""
LEAST_FOR_MARGINS = 200
"""Texts on a side, below which their neighbours are too far away to tell anything."""


@dataclass(frozen=True, slots=True)
class Partners:
    """Pairs of rows that mean the same.

    left, right: shape (n, dimension), unit rows. groups: shape (n,); rows of one group are
    partners of each other crosswise.
    """

    left: Vectors
    right: Vectors
    groups: NDArray[np.int64]


def with_nearest_wrong(partners: Partners) -> dict[Measure, Scored]:
    """Return the pairs as right ones, and each text with the nearest that is not its partner.

    As many are wrong as are right: half of the wrong ones are what is nearest to a left text,
    half what is nearest to a right one. The margin is given if there are enough texts; half of
    the wrong ones get it with the right partners about, half without, as of texts that have none.
    """
    n = len(partners.left)
    cosines = partners.left @ partners.right.T
    right = cosines.diagonal().astype(np.float64)
    others = np.where(partners.groups[:, None] == partners.groups[None, :], -2.0, cosines)
    others = others.astype(np.float32)
    forward, backward = others.max(axis=1), others.max(axis=0)
    rows = np.arange(n)
    scored: dict[Measure, Scored] = {}
    there = np.concatenate([forward > -2, backward > -2])
    weights = np.concatenate([np.ones(n), np.full(2 * n, 0.5)])
    scored["cosine"] = _scored(right, [forward, backward], weights, rows).part(
        np.concatenate([np.ones(n, dtype=np.bool_), there])
    )
    if n >= LEAST_FOR_MARGINS and there.all():
        near = _near(cosines), _near(cosines.T)
        without = _near(others), _near(others.T)
        best_right, best_left = others.argmax(axis=1), others.argmax(axis=0)
        margins = ratio_margins(cosines.diagonal(), *near).astype(np.float64)
        wrong = [
            margin
            for left, back in (near, without)
            for margin in (
                ratio_margins(forward, left, back[best_right]),
                ratio_margins(backward, left[best_left], back),
            )
        ]
        weights = np.concatenate([np.ones(n), np.full(4 * n, 0.25)])
        scored["margin"] = _scored(margins, wrong, weights, rows)
    return scored


def _scored(
    right: NDArray[np.float64],
    wrong: list[NDArray[np.float32]],
    weights: NDArray[np.float64],
    rows: NDArray[np.int64],
) -> Scored:
    n = len(right)
    return Scored(
        np.concatenate([right, *wrong]).astype(np.float64),
        np.arange(n * (1 + len(wrong))) < n,
        weights,
        np.tile(rows, 1 + len(wrong)),
    )


def _near(cosines: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the mean of the highest cosines of each row."""
    k = min(K, cosines.shape[1])
    return np.partition(cosines, -k, axis=1)[:, -k:].mean(axis=1)


def nearest_wrong(texts: Vectors, others: Vectors, groups: NDArray[np.int64]) -> NDArray[np.intp]:
    """Return for each text the nearest of the others that is not its partner.

    groups: of the texts, and of the others that stand in the same places; those behind them are
    nobody's partners. Where all are partners, the first is returned.
    """
    cosines = texts @ others.T
    n = len(groups)
    cosines[:, :n] = np.where(groups[:, None] == groups[None, :], -2.0, cosines[:, :n])
    return cosines.argmax(axis=1)
