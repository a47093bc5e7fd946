"""The arithmetic of exact search: scores by matrix products, and the best k of many."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from xlingual_qdrant.ports import Vectors

Scores = NDArray[np.float32]
_STRIDE = 32
"""Scores whose maximum stands for them in the first look for the best."""
_VALUES_AT_ONCE = 1 << 22
"""Values of vectors that are gathered at once, for queries and for documents."""
_LOWEST = np.float32(-np.inf)
_FINITE = np.finfo(np.float32).min


def at_least_k_best(scores: Scores, k: int) -> NDArray[np.intp]:
    """Return places in `scores`, shape (m,), that hold the k best, and perhaps some more.

    Places scored -inf do not count; fewer than k come back if fewer are scored.
    """
    floor = _floor(scores[None, :], k)[0]
    # Where fewer than k are scored, the floor is -inf.
    return (scores >= max(floor, _FINITE)).nonzero()[0]


def _floor(scores: Scores, k: int) -> Scores:
    """Return a score per query that at least k of its scores reach, -inf if there are not k.

    scores: shape (n, m). The k-th of the maxima of disjoint parts is such a score, near the
    true one and found much faster.
    """
    n, m = scores.shape
    parts: Scores = scores
    if m >= 4 * k * _STRIDE:
        whole = m - m % _STRIDE
        parts = scores[:, :whole].reshape(n, -1, _STRIDE).max(axis=2)
    cut = parts.shape[1] - k
    if cut < 0:
        none: Scores = np.full(len(scores), _LOWEST, dtype=np.float32)
        return none
    parted: Scores = np.partition(parts, cut, axis=1)
    return parted[:, cut]


class Best:
    """The k best of each of n queries, out of blocks of scores that come one after another."""

    def __init__(self, n: int, k: int) -> None:
        self._k = k
        self._queries: NDArray[np.intp] = np.empty(0, dtype=np.intp)
        self._scores: Scores = np.empty(0, dtype=np.float32)
        self._rows: NDArray[np.int64] = np.empty(0, dtype=np.int64)
        self._floor: Scores = np.full(n, _LOWEST, dtype=np.float32)

    def take(self, scores: Scores, rows: NDArray[np.int64]) -> None:
        """Look at a block. scores: shape (n, m), -inf for none; rows: shape (m,)."""
        own = _floor(scores, self._k)
        floor = np.maximum(self._floor, own)[:, None]
        queries, places = np.nonzero((scores >= floor) & (scores > _LOWEST))
        if not len(queries):
            return
        self._queries = np.concatenate([self._queries, queries])
        self._scores = np.concatenate([self._scores, scores[queries, places]])
        self._rows = np.concatenate([self._rows, rows[places]])
        self._keep_k()

    def take_pairs(
        self, queries: NDArray[np.intp], scores: Scores, rows: NDArray[np.int64]
    ) -> None:
        """Look at single scores, each with the number of its query; all of shape (m,)."""
        self._queries = np.concatenate([self._queries, queries])
        self._scores = np.concatenate([self._scores, scores])
        self._rows = np.concatenate([self._rows, rows])
        self._keep_k()

    def _keep_k(self) -> None:
        order = np.lexsort((-self._scores, self._queries))
        queries = self._queries[order]
        starts = np.searchsorted(queries, np.arange(len(self._floor)))
        rank = np.arange(len(queries)) - starts[queries]
        kept = order[rank < self._k]
        self._queries, self._scores, self._rows = (
            self._queries[kept],
            self._scores[kept],
            self._rows[kept],
        )
        last = rank[rank < self._k] == self._k - 1
        self._floor[self._queries[last]] = self._scores[last]

    def result(self) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
        """Return pairs of query and row, ordered by query, at most k a query."""
        return self._queries, self._rows


def paired_scores(queries: Vectors, vectors: Vectors) -> Scores:
    """Return the cosine of each query with the vector beside it, shape (m, dimension).

    queries: of the same shape, or a single one for all.

    Rounds every pair alike, which a matrix product does not: equal vectors score equally.
    """
    if len(queries) == 1:
        scores = np.einsum("j,ij->i", queries[0], vectors)
    else:
        scores = np.einsum("ij,ij->i", queries, vectors)
    return np.minimum(np.maximum(scores, -1.0), 1.0)


def scores_of_pairs(
    queries: Vectors, numbers: NDArray[np.intp], vectors: Vectors, places: NDArray[np.int64]
) -> Scores:
    """Return the cosine of queries[numbers[i]] and vectors[places[i]] for each i."""
    scores: Scores = np.empty(len(places), dtype=np.float32)
    step = max(1, _VALUES_AT_ONCE // vectors.shape[1])
    for start in range(0, len(places), step):
        part = slice(start, start + step)
        wanted = queries if len(queries) == 1 else queries[numbers[part]]
        scores[part] = paired_scores(wanted, vectors[places[part]])
    return scores
