"""The near pairs between some rows of one set of vectors and some of another, exactly."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xlingual_qdrant.ports import Vectors
from xlingual_qdrant.queries.near_pairs.bounds import bounds_for

ROWS = 2048  # that are compared with others at once
_BLOCK = ROWS * 512  # products computed at once, 4 MiB; they are looked at while they are in cache
_COSINES = ROWS * 2048  # the same when whole vectors are multiplied
_SMALL = 4096  # so few rows are compared sooner than bounds are found
_CHECKED = 8192  # pairs checked at once
_MANY = 24  # from one in so many pairs on, a whole block is cheaper than pair by pair
_POINT = 32  # directions that are enough to say where rows lie
_SLACK = np.float32(1e-5)  # bounds are rounded, too

Rows = slice | NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Found:
    """Pairs of a row of the left set and a row of the right one, with their cosines."""

    left: NDArray[np.int64]
    right: NDArray[np.int64]
    cosines: NDArray[np.float32]

    def keep(self, which: NDArray[np.bool_]) -> Found:
        """Return some of the pairs."""
        return Found(self.left[which], self.right[which], self.cosines[which])


class Sieve:
    """Compares rows of `left` with rows of `right`: bounds first, the vectors where these pass.

    left, right: unit rows; they may be the same array. alike: the rows compared lie near each
    other as a rule, so that it takes more to tell them apart. A sieve computes in a buffer of its
    own, so that it is for one thread.
    """

    def __init__(
        self, left: Vectors, right: Vectors, threshold: float, *, alike: bool = False
    ) -> None:
        self._left, self._right = left, right
        self._threshold = np.float32(threshold)
        few = min(len(left), len(right)) < 2 or max(len(left), len(right)) <= _SMALL
        bounds = None if few else bounds_for(left, right, threshold, alike=alike)
        self._near = None if bounds is None else bounds.of(left)
        self._far = self._near if bounds is None or right is left else bounds.of(right)
        self._products = np.empty(_COSINES if bounds is None else _BLOCK, dtype=np.float32)

    @property
    def points(self) -> Vectors:
        """What tells the rows of `left` apart, in as few numbers as will do."""
        return (
            self._left
            if self._near is None
            else self._near[:, : min(_POINT, self._near.shape[1] - 1)]
        )

    def spans(self, start: int, stop: int, rows: int) -> Iterator[slice]:
        """Yield the parts of a range of others that `rows` rows can be compared with at once."""
        wide = len(self._products) // max(rows, 1)
        for at in range(start, stop, wide):
            yield slice(at, min(at + wide, stop))

    def pairs(self, rows: Rows, others: Rows) -> Found:
        """Return the pairs above the threshold; at most `ROWS` rows with a span of others."""
        if self._near is None or self._far is None:
            return self._directly(rows, others)
        bounds = self._product(self._near[rows], self._far[others])
        left, right = _at_least(bounds, self._threshold - _SLACK)
        if len(left) * _MANY > bounds.size:
            return self._directly(rows, others)
        left, right = _rows_at(rows, left), _rows_at(others, right)
        found = Found(left, right, self._cosines(left, right))
        return found.keep(found.cosines >= self._threshold)

    def _directly(self, rows: Rows, others: Rows) -> Found:
        products = self._product(self._left[rows], self._right[others])
        left, right = _at_least(products, self._threshold)
        return Found(_rows_at(rows, left), _rows_at(others, right), products[left, right])

    def _cosines(self, left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.float32]:
        cosines = np.empty(len(left), dtype=np.float32)
        for start in range(0, len(left), _CHECKED):
            some = slice(start, start + _CHECKED)
            one, other = self._left[left[some]], self._right[right[some]]
            np.einsum("ij,ij->i", one, other, out=cosines[some])
        return cosines

    def _product(self, one: Vectors, other: Vectors) -> NDArray[np.float32]:
        size = len(one) * len(other)
        out = self._products[:size].reshape(len(one), len(other))
        return np.matmul(one, other.T, out=out)


def _rows_at(rows: Rows, places: NDArray[np.int64]) -> NDArray[np.int64]:
    return places + rows.start if isinstance(rows, slice) else rows[places]


def _at_least(
    products: NDArray[np.float32], threshold: np.float32
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the places of what is large enough."""
    places = np.flatnonzero(products >= threshold)
    rows = places // max(products.shape[1], 1)
    return rows, places - rows * products.shape[1]
