"""All pairs of vectors that are at least as near as a threshold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xlingual_qdrant.ports import Vectors
from xlingual_qdrant.queries.checkpoints import Checkpoint
from xlingual_qdrant.queries.near_pairs.cells import Cells, cells_of
from xlingual_qdrant.queries.near_pairs.sieve import ROWS, Found, Sieve
from xlingual_qdrant.queries.neighbours import OnProgress

_CELLS_AT_ONCE = 16
_AT_ONCE = 1 << 20  # pairs yielded together, unless a single block has more

Unit = tuple[str, int, Iterator[Found]]
"""A step of the work: its name, how much of the work is done with it, and what it finds."""


@dataclass(frozen=True, slots=True)
class NearPairs:
    """Pairs of rows: three arrays of one length.

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
    checkpoint: Checkpoint | None = None,
    on_progress: OnProgress | None = None,
) -> Iterator[NearPairs]:
    """Yield the pairs of rows with a cosine of at least `threshold`, some at a time.

    Each pair comes once, with left < right, in no particular order. vectors: shape
    (n, dimension), unit rows. Memory is bounded, whatever n is and however many pairs there are.
    approximate: look only among rows that lie in the same neighbourhoods; a few pairs, usually
    less than one in a hundred, are missed. checkpoint: where what was found is kept, and taken
    from when the same work is begun again. on_progress: gets what is done of n rows.
    """
    sieve = Sieve(vectors, vectors, threshold, alike=approximate)
    cells = _kept_cells(sieve, checkpoint) if approximate else None
    units = _all_pairs(sieve, len(vectors)) if cells is None else _within(sieve, cells)
    yield from _carried_out(units, checkpoint, len(vectors), on_progress)


def near_pairs_between(
    left: Vectors,
    right: Vectors,
    threshold: float,
    *,
    checkpoint: Checkpoint | None = None,
    on_progress: OnProgress | None = None,
) -> Iterator[NearPairs]:
    """Yield the pairs of rows of two sets with a cosine of at least `threshold`.

    left, right: shapes (n, dimension), (m, dimension), unit rows; the pairs have rows of the one
    and of the other. As `near_pairs` otherwise; on_progress gets what is done of n rows.
    """
    sieve = Sieve(left, right, threshold)

    def blocks(rows: slice) -> Iterator[Found]:
        for others in sieve.spans(0, len(right), rows.stop - rows.start):
            yield sieve.pairs(rows, others)

    units = ((f"{rows.start}", rows.stop, blocks(rows)) for rows in _blocks(len(left)))
    yield from _carried_out(units, checkpoint, len(left), on_progress)


def _all_pairs(sieve: Sieve, total: int) -> Iterator[Unit]:
    """Each block of rows with itself and all that follow: the upper triangle."""

    def blocks(rows: slice) -> Iterator[Found]:
        for others in sieve.spans(rows.start, total, rows.stop - rows.start):
            found = sieve.pairs(rows, others)
            yield found if others.start >= rows.stop else found.keep(found.left < found.right)

    for rows in _blocks(total):
        rest = 1 - rows.stop / total
        yield f"{rows.start}", round(total * (1 - rest * rest)), blocks(rows)


def _within(sieve: Sieve, cells: Cells) -> Iterator[Unit]:
    """The rows of each cell with each other, and with those that lie near to it."""

    def blocks(cell: int) -> Iterator[Found]:
        own, near = cells.rows(cell), cells.near_rows(cell)
        for start in range(0, len(own), ROWS):
            some = own[start : start + ROWS]
            inside = own[start:]
            for span in sieve.spans(0, len(inside), len(some)):
                found = sieve.pairs(some, inside[span])
                yield found.keep(found.left < found.right)
            for span in sieve.spans(0, len(near), len(some)):
                yield cells.once(sieve.pairs(some, near[span]))

    for first in range(0, cells.count, _CELLS_AT_ONCE):
        these = range(first, min(first + _CELLS_AT_ONCE, cells.count))
        yield f"cells-{first}", cells.begin(these.stop), (f for cell in these for f in blocks(cell))


def _blocks(total: int) -> Iterator[slice]:
    for start in range(0, total, ROWS):
        yield slice(start, min(start + ROWS, total))


def _kept_cells(sieve: Sieve, checkpoint: Checkpoint | None) -> Cells | None:
    kept = None if checkpoint is None else checkpoint.load("cells")
    if kept is not None:
        return Cells(kept["own"], kept["order"], kept["starts"], kept["near"])
    cells = cells_of(sieve)
    if cells is not None and checkpoint is not None:
        checkpoint.save(
            "cells", own=cells.own, order=cells.order, starts=cells.starts, near=cells.near
        )
    return cells


def _carried_out(
    units: Iterator[Unit], checkpoint: Checkpoint | None, total: int, on_progress: OnProgress | None
) -> Iterator[NearPairs]:
    for name, done, found in units:
        if checkpoint is None:
            yield from _gathered(found)
        else:
            yield from _kept(name, found, checkpoint)
        if on_progress is not None:
            on_progress(done, total)


def _kept(name: str, found: Iterator[Found], checkpoint: Checkpoint) -> Iterator[NearPairs]:
    """Take the pairs of a unit from the checkpoint, or find and keep them there.

    Many pairs are kept in several steps; the last says how many there are, so that without it
    nothing counts.
    """
    last = checkpoint.load(f"pairs-{name}")
    if last is not None:
        parts = [checkpoint.load(f"pairs-{name}-{part}") for part in range(int(last["before"]))]
        for step in [*parts, last]:
            if step is not None and len(step["left"]):
                yield NearPairs(step["left"], step["right"], step["cosines"])
        return
    before = 0
    pairs: NearPairs | None = None
    for more in _gathered(found):
        if pairs is not None:
            _save(checkpoint, f"pairs-{name}-{before}", pairs)
            before += 1
        pairs = more
        yield more
    nothing = NearPairs(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32))
    _save(checkpoint, f"pairs-{name}", pairs or nothing, before=np.int64(before))


def _save(checkpoint: Checkpoint, step: str, pairs: NearPairs, **more: np.int64) -> None:
    checkpoint.save(
        step,
        left=pairs.left,
        right=pairs.right,
        cosines=pairs.cosines,
        **{name: np.asarray(value) for name, value in more.items()},
    )


def _gathered(found: Iterator[Found]) -> Iterator[NearPairs]:
    """Put small findings together, so that the caller is not called for each block."""
    waiting: list[Found] = []
    size = 0
    for some in found:
        if len(some.left):
            waiting.append(some)
            size += len(some.left)
        if size >= _AT_ONCE:
            yield _joined(waiting)
            waiting, size = [], 0
    if waiting:
        yield _joined(waiting)


def _joined(found: list[Found]) -> NearPairs:
    return NearPairs(
        np.concatenate([some.left for some in found]),
        np.concatenate([some.right for some in found]),
        np.concatenate([some.cosines for some in found]),
    )
