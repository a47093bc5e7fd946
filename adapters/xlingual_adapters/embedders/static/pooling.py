"""Sums of table rows, fast without a compiled extension.

The sum of a text is formed piece after piece, whatever else is in the batch: a text has
the same vector, to the last bit, alone and among thousands.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from xlingual_adapters.embedders.static.format import Scales, Table

BLOCK = 256  # texts summed together: at 256 dimensions their sums fit a core's cache
FEW = 8  # texts: up to here one by one is faster than a block


def sum_rows(
    table: Table, scales: Scales, texts: Sequence[Sequence[int]]
) -> NDArray[np.float32]:
    """Return the sum of the scaled rows of each text, shape (len(texts), dimension).

    texts: the rows of each text, at least one.
    """
    sums = np.empty((len(texts), table.shape[1]), dtype=np.float32)
    if len(texts) <= FEW:
        for rows, out in zip(texts, sums, strict=True):
            (table[rows] * scales[rows, None]).sum(axis=0, out=out)
        return sums
    lengths = np.fromiter(map(len, texts), dtype=np.intp, count=len(texts))
    flat = np.fromiter(chain.from_iterable(texts), dtype=np.intp, count=int(lengths.sum()))
    begins = np.cumsum(lengths) - lengths
    # Longest first, so that the texts that have a j-th piece are the first ones of a block.
    order = np.argsort(-lengths, kind="stable")
    for first in range(0, len(order), BLOCK):
        block = order[first : first + BLOCK]
        sums[block] = _sum_block(table, scales, flat, begins[block], lengths[block])
    return sums


def _sum_block(
    table: Table,
    scales: Scales,
    flat: NDArray[np.intp],
    begins: NDArray[np.intp],
    lengths: NDArray[np.intp],
) -> NDArray[np.float32]:
    """Return the sums of texts that are ordered by falling length."""
    shape = (len(begins), table.shape[1])
    gathered = np.empty(shape, dtype=np.int8)
    scaled = np.empty(shape, dtype=np.float32)
    sums = np.zeros(shape, dtype=np.float32)
    places = np.arange(lengths[0])
    counts = np.searchsorted(-lengths, -places, side="left")  # texts longer than j
    for place, count in enumerate(counts.tolist()):
        rows = flat[begins[:count] + place]
        # "clip" only skips a bounds check with a copy: a vocabulary yields no other rows.
        np.take(table, rows, axis=0, out=gathered[:count], mode="clip")
        np.multiply(gathered[:count], scales[rows, None], out=scaled[:count])
        np.add(sums[:count], scaled[:count], out=sums[:count])
    return sums
