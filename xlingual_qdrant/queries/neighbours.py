"""The nearest of one set of vectors in another, tile by tile, exactly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xlingual_qdrant.ports import Vectors

OnProgress = Callable[[int, int], None]
"""Called with what is done and what there is to do, in the caller's thread."""

_ROWS, _COLUMNS = 1024, 2048  # a tile of cosines: 8 MiB, which stays in a processor's cache
_GROUP = 64  # cells of a tile that are looked at by their highest alone, unless that one counts


@dataclass(frozen=True, slots=True)
class Nearest:
    """For each query its nearest rows, best first: both of shape (queries, k).

    scores: cosines, float32. rows: of the pool.
    """

    scores: NDArray[np.float32]
    rows: NDArray[np.int64]


def nearest(
    queries: Vectors, pool: Vectors, k: int, *, on_progress: OnProgress | None = None
) -> Nearest:
    """Return the k rows of the pool with the highest cosine for each query.

    queries: shape (n, dimension); pool: shape (m, dimension), unit rows both. k: at most m are
    returned. Equal scores are ordered by row, and at the cut the lower row is taken. Beside
    the answer no more memory is needed than a tile takes.
    """
    forward = _Best(len(queries), min(k, len(pool)))
    _walk(queries, pool, forward, None, on_progress)
    return Nearest(forward.scores, forward.rows)


def nearest_both(
    left: Vectors, right: Vectors, k: int, *, on_progress: OnProgress | None = None
) -> tuple[Nearest, Nearest]:
    """Return what `nearest` does for left among right, and for right among left.

    Each cosine is computed once, for both.
    """
    forward = _Best(len(left), min(k, len(right)))
    backward = _Best(len(right), min(k, len(left)))
    _walk(left, right, forward, backward, on_progress)
    return Nearest(forward.scores, forward.rows), Nearest(backward.scores, backward.rows)


def _walk(
    left: Vectors,
    right: Vectors,
    forward: _Best,
    backward: _Best | None,
    on_progress: OnProgress | None,
) -> None:
    """Show all cosines, tile by tile, to those who collect the best."""
    rows, columns = _fitting(len(left), _ROWS), _fitting(len(right), _COLUMNS)
    tile = np.empty((rows, columns), dtype=np.float32)
    for start in range(0, len(left), rows):
        block = left[start : start + rows]
        for first in range(0, len(right), columns):
            other = right[first : first + columns]
            if len(block) < rows or len(other) < columns:
                tile[...] = -np.inf  # what is beyond the end is never among the best
                tile[: len(block), : len(other)] = block @ other.T
            else:
                np.matmul(block, other.T, out=tile)
            forward.offer(tile, slice(start, start + len(block)), first)
            if backward is not None:
                backward.offer(tile.T, slice(first, first + len(other)), start)
        if on_progress is not None:
            on_progress(start + len(block), len(left))


def _fitting(count: int, most: int) -> int:
    """Return the side of a tile for so many rows: whole groups, evenly shared among the tiles."""
    tiles = -(-count // most) or 1
    return -(-count // (tiles * _GROUP)) * _GROUP or _GROUP


class _Best:
    """The k best of what was offered to each query so far, best first."""

    def __init__(self, queries: int, k: int) -> None:
        self.scores = np.full((queries, k), -np.inf, dtype=np.float32)
        self.rows = np.full((queries, k), -1, dtype=np.int64)

    def offer(self, similarity: NDArray[np.float32], queries: slice, first: int) -> None:
        """Look at the cosines of some queries with the rows of the pool from `first` on.

        similarity: shape (at least the queries, rows), both whole groups. Rows of the pool have
        to come in their order: of equal ones the first stays.
        """
        scores, rows = self.scores[queries], self.rows[queries]
        k = scores.shape[1]
        if not k or not len(scores):
            return
        # Groups are made of cells that lie far apart, so that all of them are compared at once.
        grouped = _grouped(similarity)[: len(scores)]
        highest = grouped.max(axis=1)
        least = np.nextafter(scores[:, -1], np.float32(np.inf))
        promising = highest >= least[:, None]
        if np.count_nonzero(promising) > 2 * k * len(scores) and highest.shape[1] >= k:
            # As many groups as are wanted have a cell this high: no lower one is among the best.
            cut = np.partition(highest, -k, axis=1)[:, -k]
            least = np.maximum(least, cut)
            promising = highest >= least[:, None]
        query, group = np.nonzero(promising)
        if not len(query):
            return
        cells = grouped[query, :, group]
        hit, place = np.nonzero(cells >= least[query, None])
        found = cells[hit, place]
        self._merge(scores, rows, query[hit], place * highest.shape[1] + group[hit] + first, found)

    @staticmethod
    def _merge(
        scores: NDArray[np.float32],
        rows: NDArray[np.int64],
        query: NDArray[np.int64],
        row: NDArray[np.int64],
        score: NDArray[np.float32],
    ) -> None:
        """Put found cells among those that the queries have, and keep the k best of each."""
        k = scores.shape[1]
        changed = np.unique(query)
        query = np.concatenate([np.repeat(changed, k), query])
        row = np.concatenate([rows[changed].ravel(), row])
        score = np.concatenate([scores[changed].ravel(), score])
        order = np.lexsort((row, -score, query))
        query, row, score = query[order], row[order], score[order]
        begins: NDArray[np.intp] = np.searchsorted(query, changed)
        kept = begins.reshape(-1, 1) + np.arange(k, dtype=np.intp)
        rows[changed], scores[changed] = row[kept], score[kept]


def _grouped(similarity: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a view of shape (queries, cells of a group, groups), whatever the memory order."""
    queries, rows = similarity.shape
    if similarity.flags.c_contiguous:
        return similarity.reshape(queries, _GROUP, rows // _GROUP)
    return similarity.T.reshape(_GROUP, rows // _GROUP, queries).transpose(2, 0, 1)
