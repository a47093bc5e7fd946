"""All pairs of vectors that are at least as near as a threshold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xlingual_qdrant.ports import Vectors
from xlingual_qdrant.queries.neighbours import OnProgress

_BLOCK = 1024


@dataclass(frozen=True, slots=True)
class NearPairs:
    """Pairs of rows, each pair once with left < right: three arrays of one length.

    left, right: rows. cosines: of the pairs, float32.
    """

    left: NDArray[np.int64]
    right: NDArray[np.int64]
    cosines: NDArray[np.float32]


def near_pairs(
    vectors: Vectors,
    threshold: float,
    *,
    approximate: bool = False,
    on_progress: OnProgress | None = None,
) -> Iterator[NearPairs]:
    """Yield the pairs of rows with a cosine of at least `threshold`, a block at a time.

    vectors: shape (n, dimension), unit rows. Memory is bounded by blocks, whatever n is.
    approximate: look only among rows that lie in the same neighbourhoods; a few pairs are missed.
    """
    for start in range(0, len(vectors), _BLOCK):
        block = vectors[start : start + _BLOCK]
        for other in range(start, len(vectors), _BLOCK):
            cosines = block @ vectors[other : other + _BLOCK].T
            if other == start:
                cosines[np.tril_indices(len(block), 0, cosines.shape[1])] = -2
            left, right = np.nonzero(cosines >= threshold)
            if len(left):
                yield NearPairs(left + start, right + other, cosines[left, right])
        if on_progress is not None:
            on_progress(min(start + _BLOCK, len(vectors)), len(vectors))
