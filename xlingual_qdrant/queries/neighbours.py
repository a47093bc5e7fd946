"""The nearest of one set of vectors in another, block by block, exactly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xlingual_qdrant.ports import Vectors

OnProgress = Callable[[int, int], None]
"""Called with what is done and what there is to do, in the caller's thread."""

_BLOCK = 1024  # rows of a similarity matrix computed at once
_CELLS = 1 << 24  # most cells of one, 64 MiB


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
    returned. Equal scores are ordered by row.
    """
    k = min(k, len(pool))
    scores = np.empty((len(queries), k), dtype=np.float32)
    rows = np.empty((len(queries), k), dtype=np.int64)
    size = max(1, min(_BLOCK, _CELLS // max(1, len(pool))))
    for start in range(0, len(queries), size):
        block = slice(start, start + size)
        similarity = queries[block] @ pool.T
        best = np.argpartition(-similarity, k - 1, axis=1)[:, :k] if k else rows[block]
        values = np.take_along_axis(similarity, best, axis=1)
        order = np.lexsort((best, -values))
        rows[block] = np.take_along_axis(best, order, axis=1)
        scores[block] = np.take_along_axis(values, order, axis=1)
        if on_progress is not None:
            on_progress(min(start + size, len(queries)), len(queries))
    return Nearest(scores, rows)
