"""Normalised sums of table rows, fast without a compiled extension.

The sum of a text is formed piece after piece, whatever else is in the batch: a text has
the same vector, to the last bit, alone and among thousands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from xlingual_qdrant.ports import Vectors

BLOCK = 256  # texts summed together: at 256 dimensions their sums fit a core's cache
FEW = 8  # texts: up to here one by one is faster than in a block

Numbers: TypeAlias = NDArray[Any]
"""Of any type of real numbers; a table stays as small as its file."""


class RowsAreNotFinite(ValueError):
    """A row that a text needs holds NaN, or numbers beyond what a sum can hold."""


@dataclass(frozen=True, slots=True)
class Pool:
    """The rows to sum.

    A piece is a number; its vector is `table[rows[piece]] * scales[piece]`, where without
    `rows` a piece is the number of its row, and without `scales` no row is scaled.
    """

    table: Numbers
    """Shape (rows, dimension); may be mapped from a file."""
    nothing: Vectors
    """Shape (dimension,), not zero: it stands for a sum of zero."""
    scales: NDArray[np.float32] | None = None
    """Shape (pieces,)."""
    rows: NDArray[np.integer[Any]] | None = None
    """Shape (pieces,)."""

    @property
    def pieces(self) -> int:
        """How many pieces there are; all numbers given to `embed` are below it."""
        return len(self.table) if self.rows is None else len(self.rows)

    def embed(self, texts: Sequence[Sequence[int]], out: Vectors) -> None:
        """Write the unit vector of each text into `out`, shape (len(texts), dimension).

        texts: the pieces of each text, at least one. Raises RowsAreNotFinite.
        """
        # What is not finite is found by the length of a sum; NumPy need not warn of it, too.
        with np.errstate(over="ignore", invalid="ignore"):
            self._embed(texts, out)

    def _embed(self, texts: Sequence[Sequence[int]], out: Vectors) -> None:
        if len(texts) <= FEW:
            for pieces, vector in zip(texts, out, strict=True):
                self._vectors(np.array(pieces)).sum(axis=0, out=vector)
            self._normalise(out, np.empty_like(out))
            return
        lengths = np.fromiter(map(len, texts), dtype=np.intp, count=len(texts))
        flat = np.fromiter(chain.from_iterable(texts), dtype=np.intp, count=int(lengths.sum()))
        begins = np.cumsum(lengths) - lengths
        # Each distinct vector is made once: few, in the cache, serve most of the pieces.
        used = np.zeros(self.pieces, dtype=np.bool_)
        used[flat] = True
        distinct = np.flatnonzero(used)
        place_of = np.empty(self.pieces, dtype=np.intp)
        place_of[distinct] = np.arange(len(distinct))
        vectors, flat = self._vectors(distinct), place_of[flat]
        # Longest first, so that the texts with a j-th piece are the first ones of a block.
        order = np.argsort(-lengths, kind="stable")
        scratch = np.empty((2, BLOCK, self.table.shape[1]), dtype=np.float32)
        for first in range(0, len(order), BLOCK):
            block = order[first : first + BLOCK]
            sums, spare = scratch[:, : len(block)]
            _sum_block(vectors, flat, begins[block], lengths[block], sums, spare)
            self._normalise(sums, spare)
            out[block] = sums

    def _vectors(self, pieces: NDArray[np.intp]) -> Vectors:
        """Return the vectors of pieces as floats, shape (len(pieces), dimension)."""
        vectors = np.empty((len(pieces), self.table.shape[1]), dtype=np.float32)
        for first in range(0, len(pieces), BLOCK):
            part, some = pieces[first : first + BLOCK], vectors[first : first + BLOCK]
            some[:] = self.table[part if self.rows is None else self.rows[part]]
            if self.scales is not None:
                some *= self.scales[part, None]
        return vectors

    def _normalise(self, sums: Vectors, spare: Vectors) -> None:
        np.multiply(sums, sums, out=spare)
        lengths = np.sqrt(spare.sum(axis=1))
        if not np.isfinite(lengths).all():
            raise RowsAreNotFinite
        if not lengths.all():  # vectors may cancel each other out
            sums[lengths == 0] = self.nothing
            lengths = np.sqrt(np.square(sums).sum(axis=1))
        sums /= lengths[:, None]


def _sum_block(
    vectors: Vectors,
    flat: NDArray[np.intp],
    begins: NDArray[np.intp],
    lengths: NDArray[np.intp],
    sums: Vectors,
    spare: Vectors,
) -> None:
    """Write the sums of texts that are ordered by falling length."""
    # "clip" only saves a copy for the sake of a bounds check: all numbers are in bounds.
    vectors.take(flat[begins], axis=0, out=sums, mode="clip")
    places = np.arange(1, int(lengths[0]))
    counts = np.searchsorted(-lengths, -places, side="left")  # texts longer than the place
    for place, count in enumerate(counts.tolist(), 1):
        some, added = sums[:count], spare[:count]
        vectors.take(flat[begins[:count] + place], axis=0, out=added, mode="clip")
        np.add(some, added, out=some)
