"""Groups of rows that pairs connect: everything within reach, or stars around representatives."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def components(count: int, left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return for each of `count` rows the smallest row that pairs connect it with, step by step.

    left, right: the pairs, in any order, repeated or not. Rows without a pair are their own
    group. A group can be long: its ends may have nothing in common but what lies between them.
    """
    label = np.arange(count, dtype=np.int64)
    one, other = left, right
    while True:
        # All labels point at the first of their group, so that groups are joined at their heads.
        # In two rounds each head that has a pair takes another group or is taken itself.
        one, other = label[one], label[other]
        apart = one != other
        if not apart.any():
            return label
        one, other = one[apart], other[apart]
        np.minimum.at(label, np.maximum(one, other), np.minimum(one, other))
        while True:
            further = label[label]
            if np.array_equal(further, label):
                break
            label = further


def stars(
    count: int, left: NDArray[np.int64], right: NDArray[np.int64], priority: NDArray[np.generic]
) -> NDArray[np.int64]:
    """Return for each of `count` rows its representative, with which it has a pair, or itself.

    Rows are considered in the order of `priority`, shape (count,), the lowest first, equal ones
    by row. One that nobody represents yet becomes a representative, of itself and of all rows
    not yet represented that it has a pair with. No two representatives have a pair.
    """
    representative = np.arange(count, dtype=np.int64)
    rows, neighbours, starts = _neighbours(left, right)
    free = np.zeros(count, dtype=np.bool_)
    free[rows] = True
    for at in np.argsort(priority[rows], kind="stable").tolist():
        row = rows[at]
        if free[row]:
            near = neighbours[starts[at] : starts[at + 1]]
            taken = near[free[near]]
            representative[taken] = row
            free[taken] = False
            free[row] = False
    return representative


def _neighbours(
    left: NDArray[np.int64], right: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows that have pairs, their neighbours one after the other, where each begin."""
    one, other = np.concatenate([left, right]), np.concatenate([right, left])
    apart = one != other
    one, other = one[apart], other[apart]
    order = np.argsort(one, kind="stable")
    rows, starts = np.unique(one[order], return_index=True)
    return rows, other[order], np.append(starts, len(one)).astype(np.int64)
