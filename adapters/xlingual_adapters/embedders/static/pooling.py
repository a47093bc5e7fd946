"""Normalised sums of table rows, fast without a compiled extension.

The sum of a text is formed piece after piece, whatever else is in the batch: a text has
the same vector, to the last bit, alone and among thousands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from xlingual_adapters.embedders.static.format import Scales, Table
from xlingual_qdrant.ports import Vectors

BLOCK = 256  # texts summed together: at 256 dimensions their sums fit a core's cache
FEW = 8  # texts: up to here one by one is faster than in a block


@dataclass(frozen=True, slots=True)
class Pool:
    """The rows to sum; `unknown` is the one that stands for a sum of zero."""

    table: Table
    scales: Scales
    unknown: int

    def embed(self, texts: Sequence[Sequence[int]], out: Vectors) -> None:
        """Write the unit vector of each text into `out`, shape (len(texts), dimension).

        texts: the rows of each text, at least one.
        """
        if len(texts) <= FEW:
            for rows, vector in zip(texts, out, strict=True):
                self._rows(np.array(rows)).sum(axis=0, out=vector)
            self._normalise(out, np.empty_like(out))
            return
        lengths = np.fromiter(map(len, texts), dtype=np.intp, count=len(texts))
        flat = np.fromiter(chain.from_iterable(texts), dtype=np.intp, count=int(lengths.sum()))
        begins = np.cumsum(lengths) - lengths
        # Each distinct row is made once: few rows, in the cache, serve most of the pieces.
        used = np.zeros(len(self.table), dtype=np.bool_)
        used[flat] = True
        distinct = np.flatnonzero(used)
        place_of = np.empty(len(self.table), dtype=np.intp)
        place_of[distinct] = np.arange(len(distinct))
        rows, flat = self._rows(distinct), place_of[flat]
        # Longest first, so that the texts with a j-th piece are the first ones of a block.
        order = np.argsort(-lengths, kind="stable")
        scratch = np.empty((2, BLOCK, self.table.shape[1]), dtype=np.float32)
        for first in range(0, len(order), BLOCK):
            block = order[first : first + BLOCK]
            sums, spare = scratch[:, : len(block)]
            _sum_block(rows, flat, begins[block], lengths[block], sums, spare)
            self._normalise(sums, spare)
            out[block] = sums

    def _rows(self, numbers: NDArray[np.intp]) -> Vectors:
        """Return rows as floats, shape (len(numbers), dimension)."""
        rows = np.empty((len(numbers), self.table.shape[1]), dtype=np.float32)
        for first in range(0, len(numbers), BLOCK):
            part, some = numbers[first : first + BLOCK], rows[first : first + BLOCK]
            some[:] = self.table[part]
            some *= self.scales[part, None]
        return rows

    def _normalise(self, sums: Vectors, spare: Vectors) -> None:
        np.multiply(sums, sums, out=spare)
        lengths = np.sqrt(spare.sum(axis=1))
        if not lengths.all():  # rows may cancel each other out
            sums[lengths == 0] = self._rows(np.array([self.unknown]))
            lengths = np.sqrt(np.square(sums).sum(axis=1))
        sums /= lengths[:, None]


def _sum_block(
    rows: Vectors,
    flat: NDArray[np.intp],
    begins: NDArray[np.intp],
    lengths: NDArray[np.intp],
    sums: Vectors,
    spare: Vectors,
) -> None:
    """Write the sums of texts that are ordered by falling length."""
    # "clip" only saves a copy for the sake of a bounds check: all numbers are in bounds.
    rows.take(flat[begins], axis=0, out=sums, mode="clip")
    places = np.arange(1, int(lengths[0]))
    counts = np.searchsorted(-lengths, -places, side="left")  # texts longer than the place
    for place, count in enumerate(counts.tolist(), 1):
        some, added = sums[:count], spare[:count]
        rows.take(flat[begins[:count] + place], axis=0, out=added, mode="clip")
        np.add(some, added, out=some)
