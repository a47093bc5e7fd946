"""From which probability on a wanted share of the answers is right."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

NEVER = 1.01
"""A threshold that no probability reaches."""


def least_thresholds(
    probabilities: NDArray[np.float32],
    right: NDArray[np.bool_],
    groups: NDArray[np.intp] | None,
    count: int,
    precision: float,
) -> list[float]:
    """Return a threshold for each of `count` groups.

    probabilities: of what was answered; right: whether it was. groups: which group each answer
    belongs to; None: all groups have one threshold.
    """
    if groups is None:
        return [_least(probabilities, right, precision)] * count
    return [
        _least(probabilities[groups == group], right[groups == group], precision)
        for group in range(count)
    ]


def _least(probabilities: NDArray[np.float32], right: NDArray[np.bool_], precision: float) -> float:
    """Return the lowest threshold that reaches the precision, with one wrong answer more than met.

    The best of many thresholds looks better than it is; the one more makes up for that, mostly
    where there are few answers.
    """
    order = np.argsort(-probabilities, kind="stable")
    hits = np.cumsum(right[order])
    shares = hits / (np.arange(len(order)) + 2)
    # Equal probabilities are taken together, or not at all.
    sorted_down = probabilities[order]
    last = np.append(sorted_down[1:] != sorted_down[:-1], True) if len(order) else shares > 1
    enough = np.flatnonzero((shares >= precision) & last)
    return float(sorted_down[enough[-1]]) if len(enough) else NEVER
