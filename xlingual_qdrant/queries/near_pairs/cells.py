"""Neighbourhoods of vectors: near pairs lie in one cell, or in a cell and close to its border."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xlingual_qdrant.ports import Vectors
from xlingual_qdrant.queries.kmeans import kmeans, nearest_centre
from xlingual_qdrant.queries.near_pairs.sieve import ROWS, Found, Sieve

_LEAST = 30_000  # fewer rows are compared with each other sooner
_CENTRES = 1.5  # times the root of the rows
_PER_CELL = 32  # rows of a sample for each centre
_ROUNDS = 3
_ENOUGH = 400  # pairs that tell how far the partners of rows lie
_PAIRS = 2000  # of a block that are looked at for that
_SHARE = 0.03  # of the rows at most, whose partners are looked for
_COVERED = 0.99  # of the pairs of the sample are found in the cells
_MARGIN = np.float32(0.01)  # of a cosine, and some more, because it is a sample
_USUAL = 24  # cells that a row lies near to, where there are too few pairs to tell
_WORTH = 0.25  # more of all comparisons than this are not made in cells
_BLOCK = 1 << 22


@dataclass(frozen=True, slots=True)
class Cells:
    """Rows by cell, and the rows that lie near to a cell without being in it.

    own: the cell of each row. order: the rows, cell by cell. starts: where each cell begins in
    it, and the end. near: sorted numbers, cell * rows + row.
    """

    own: NDArray[np.int64]
    order: NDArray[np.int64]
    starts: NDArray[np.int64]
    near: NDArray[np.int64]

    @property
    def count(self) -> int:
        """How many cells there are."""
        return len(self.starts) - 1

    def begin(self, cell: int) -> int:
        """Return how many rows lie in the cells before this one."""
        return int(self.starts[cell])

    def rows(self, cell: int) -> NDArray[np.int64]:
        """Return the rows of a cell, ascending."""
        return self.order[self.starts[cell] : self.starts[cell + 1]]

    def near_rows(self, cell: int) -> NDArray[np.int64]:
        """Return the rows near to a cell, ascending."""
        count = len(self.order)
        first, last = np.searchsorted(self.near, [cell * count, (cell + 1) * count])
        return self.near[first:last] - cell * count

    def once(self, found: Found) -> Found:
        """Of pairs of a row in a cell and one near it, drop those that the other's cell has, too.

        Where each row lies near the other's cell, the cell of the smaller row keeps the pair.
        """
        if not len(found.left):
            return found
        wanted = self.own[found.right] * len(self.own) + found.left
        at = np.minimum(np.searchsorted(self.near, wanted), len(self.near) - 1)
        mutual = self.near[at] == wanted
        kept = found.keep((found.left < found.right) | ~mutual)
        return Found(
            np.minimum(kept.left, kept.right), np.maximum(kept.left, kept.right), kept.cosines
        )


def cells_of(sieve: Sieve) -> Cells | None:
    """Divide the rows of a sieve's left set; None where comparing all rows is about as fast.

    How near to a border a row must lie to count there is read from the pairs of a sample.
    """
    points = sieve.points
    total = len(points)
    if total < _LEAST:
        return None
    generator = np.random.default_rng(0)
    count = round(_CENTRES * total**0.5)
    sample = np.sort(generator.choice(total, min(total, count * _PER_CELL), replace=False))
    centres = kmeans(points[sample], count, rounds=_ROUNDS, generator=generator)
    own, best = nearest_centre(points, centres)
    sizes = np.bincount(own, minlength=count)
    reach = _reach(sieve, centres, own, best, generator)
    some = np.sort(generator.choice(total, ROWS, replace=False))
    close = points[some] @ centres.T >= best[some, None] - reach
    if (close @ sizes).mean() > _WORTH * total / 2:
        return None
    order = np.argsort(own, kind="stable")
    starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    return Cells(own, order, starts, _near(points, centres, own, best - reach))


def _reach(
    sieve: Sieve,
    centres: Vectors,
    own: NDArray[np.int64],
    best: NDArray[np.float32],
    generator: np.random.Generator,
) -> np.float32:
    """Return by how much a row may be nearer to its own centre than to that of its partner."""
    points = sieve.points
    rows = generator.permutation(len(points))[: max(ROWS, int(len(points) * _SHARE))]
    needed = np.empty(0, dtype=np.float32)
    for start in range(0, len(rows), ROWS):
        some = rows[start : start + ROWS]
        for span in sieve.spans(0, len(points), len(some)):
            found = sieve.pairs(some, span)
            # Of very many pairs, as texts give that are all alike, a few are enough.
            every = slice(None, None, 1 + len(found.left) // _PAIRS)
            one, other = found.left[every], found.right[every]
            there = best[one] - np.einsum("ij,ij->i", points[one], centres[own[other]])
            back = best[other] - np.einsum("ij,ij->i", points[other], centres[own[one]])
            needed = np.append(needed, np.minimum(there, back)[one != other])
        if len(needed) >= _ENOUGH:
            break
    if len(needed) >= _ENOUGH // 5:
        return np.float32(np.quantile(needed, _COVERED)) + _MARGIN
    some = rows[:ROWS]
    behind = best[some, None] - points[some] @ centres.T
    usual = np.mean(np.partition(behind, _USUAL, axis=1)[:, _USUAL])
    return np.float32(max(usual, needed.max(initial=0))) + _MARGIN


def _near(
    points: Vectors, centres: Vectors, own: NDArray[np.int64], least: NDArray[np.float32]
) -> NDArray[np.int64]:
    parts: list[NDArray[np.int64]] = []
    size = max(1, _BLOCK // len(centres))
    for start in range(0, len(points), size):
        block = slice(start, start + size)
        products = points[block] @ centres.T
        products[np.arange(len(products)), own[block]] = -np.inf
        places = np.flatnonzero(products >= least[block, None])
        rows = places // len(centres)
        parts.append((places - rows * len(centres)) * len(points) + rows + start)
    return np.sort(np.concatenate(parts))
