"""Whether scores order pairs as people do."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def spearman(one: NDArray[Any], other: NDArray[Any]) -> float:
    """Return the correlation of ranks, -1 to 1; equals have their mean rank. 0 if one is constant.

    one, other: shape (n,), in the same order.
    """
    x, y = _ranks(one), _ranks(other)
    x, y = x - x.mean(), y - y.mean()
    length = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / length if length else 0.0


def _ranks(values: NDArray[Any]) -> NDArray[np.float64]:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[inverse]
