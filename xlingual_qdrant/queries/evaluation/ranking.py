"""How good rankings are: arithmetic on the places of what is relevant; knows no collection."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Order: TypeAlias = NDArray[np.int64]
"""Shape (questions, depth): rows of the pool, best first; -1 behind the last one found."""
Relevant: TypeAlias = NDArray[np.int64]
"""Shape (questions, most): the relevant rows of the pool; -1 fills up."""
Places: TypeAlias = NDArray[np.float64]
"""Shape (questions, most): places in a ranking, from 1; infinite for what is not in it."""

TOP = 10
"""Hits that people look at."""


def ranked(cosines: NDArray[np.float32]) -> Order:
    """Return for each question the rows of the pool from best to worst; equals by row."""
    return np.argsort(-cosines, axis=1, kind="stable")


def padded(rows: list[list[int]]) -> Relevant:
    """Return lists of rows as an array, -1 behind the end of the shorter ones."""
    most = max((len(each) for each in rows), default=0)
    filled = np.full((len(rows), most), -1, dtype=np.int64)
    for number, each in enumerate(rows):
        filled[number, : len(each)] = each
    return filled


def places(order: Order, relevant: Relevant) -> Places:
    """Return the place of each relevant row in the ranking of its question."""
    size = int(max(order.max(initial=-1), relevant.max(initial=-1))) + 2
    of_rows = np.full((len(order), size), np.inf)
    of_rows[np.arange(len(order))[:, None], order] = np.arange(1, order.shape[1] + 1)
    of_rows[:, -1] = np.inf  # where -1 points
    return np.take_along_axis(of_rows, relevant, axis=1)


def recall(found: Places, counts: NDArray[np.int64], k: int) -> NDArray[np.float64]:
    """Return the share of its relevant rows that each question has among the first k.

    counts: how many relevant rows each question has, at least 1.
    """
    return (found <= k).sum(axis=1) / counts


def reciprocal_rank(found: Places) -> NDArray[np.float64]:
    """Return 1 / place of the first relevant row of each question; 0 where none is found."""
    first: Places = found.min(axis=1, initial=np.inf)
    return 1 / first


def average_precision(found: Places, counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return for each question the mean of i / place of its i-th best placed relevant row."""
    ordered: Places = np.sort(found, axis=1)
    numbers = np.arange(1, ordered.shape[1] + 1, dtype=np.float64)
    return (numbers / ordered).sum(axis=1) / counts


def ndcg(found: Places, grades: NDArray[np.float64], k: int) -> NDArray[np.float64]:
    """Return for each question its gain among the first k, of the highest that there could be.

    grades: of the relevant rows, 0 where there is none; the gain of a row is its grade over
    log2(place + 1), as trec_eval has it.
    """
    gained = np.where(found <= k, grades / np.log2(found + 1), 0.0).sum(axis=1)
    rising: NDArray[np.float64] = np.sort(grades, axis=1)
    best = rising[:, ::-1][:, :k]
    possible = (best / np.log2(np.arange(2, best.shape[1] + 2, dtype=np.float64))).sum(axis=1)
    return np.divide(gained, possible, out=np.zeros(len(found)), where=possible > 0)


def own_share(
    order: Order, pool_langs: NDArray[Any], query_langs: NDArray[Any], k: int = TOP
) -> NDArray[np.float64]:
    """Return for each question the share of its own language among the first k rows.

    pool_langs: language of each row of the pool; query_langs: of each question.
    """
    top = order[:, :k]
    there = top >= 0
    own = there & (pool_langs[top] == query_langs[:, None])
    return own.sum(axis=1) / np.maximum(there.sum(axis=1), 1)


def all_within(found: Places, counts: NDArray[np.int64], k: int) -> NDArray[np.bool_]:
    """Say of each question whether all its relevant rows are among the first k."""
    return (found <= k).sum(axis=1) == counts
