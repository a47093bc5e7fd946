"""Spherical k-means: unit centres of points, by the direction in which the points lie."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from xlingual_qdrant.ports import Vectors

_CELLS = 1 << 22  # of a block of similarities, 16 MiB


def kmeans(
    points: Vectors,
    count: int,
    *,
    rounds: int,
    generator: np.random.Generator,
    spread: bool = False,
) -> Vectors:
    """Return `count` unit rows, each the mean direction of the points that are nearest to it.

    points: shape (n, dimension), n at least `count`; those that are longer weigh more. spread:
    choose the first centres far from each other (k-means++), else at random. Centres that no
    point is nearest to begin anew at the points that fit worst.
    """
    if spread:
        first = _spread(points, count, generator)
    else:
        first = generator.choice(len(points), count, replace=False)
    centres = unit_rows(points[first])
    for _ in range(rounds):
        labels, similarity = nearest_centre(points, centres)
        sums = sums_by(labels, points, count)
        empty = np.flatnonzero(np.bincount(labels, minlength=count) == 0)
        if len(empty):
            sums[empty] = points[np.argsort(similarity, kind="stable")[: len(empty)]]
        moved = unit_rows(sums)
        if np.array_equal(moved, centres):
            break
        centres = moved
    return centres


def nearest_centre(
    points: Vectors, centres: Vectors
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the row of the nearest centre of each point, the first of equals, and the product."""
    labels = np.empty(len(points), dtype=np.int64)
    similarity = np.empty(len(points), dtype=np.float32)
    size = max(1, _CELLS // max(1, len(centres)))
    for start in range(0, len(points), size):
        block = slice(start, start + size)
        products = points[block] @ centres.T
        best = products.argmax(axis=1)
        labels[block] = best
        similarity[block] = products[np.arange(len(best)), best]
    return labels, similarity


def sums_by(labels: NDArray[np.int64], points: Vectors, count: int) -> Vectors:
    """Return the sum of the points of each label below `count`, shape (count, dimension)."""
    sums = np.zeros((count, points.shape[1]), dtype=np.float32)
    order = np.argsort(labels, kind="stable")
    there, starts = np.unique(labels[order], return_index=True)
    # A sum for each label is many times faster than np.add.reduceat over all of them.
    for label, group in zip(there.tolist(), np.split(points[order], starts[1:]), strict=False):
        sums[label] = group.sum(axis=0)
    return sums


def unit_rows(rows: Vectors) -> Vectors:
    """Return the rows at length 1; rows of zeros stay what they are."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.ascontiguousarray(rows / np.maximum(lengths, np.finfo(np.float32).tiny))


def _spread(points: Vectors, count: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """Choose points, each with a chance that grows with its distance from those chosen before."""
    directions = unit_rows(points)
    chosen = np.empty(count, dtype=np.int64)
    chosen[0] = generator.integers(len(points))
    distance = np.full(len(points), np.inf, dtype=np.float64)
    for at in range(1, count):
        last = directions[chosen[at - 1]]
        np.minimum(distance, np.maximum(1 - directions @ last, 0), out=distance)
        reach = np.cumsum(distance)
        if reach[-1] > 0:
            chosen[at] = np.searchsorted(reach, generator.random() * reach[-1], side="right")
        else:
            chosen[at] = generator.integers(len(points))
    return np.minimum(chosen, len(points) - 1)
