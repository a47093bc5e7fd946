"""The nearest on the other side of each text, for mining: in memory, or asked of the store.

Both can be interrupted: what is done is kept by a checkpoint, and found again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xlingual_qdrant.collection import Collection
from xlingual_qdrant.documents import Document
from xlingual_qdrant.ports import Vectors
from xlingual_qdrant.queries.checkpoints import Checkpoint
from xlingual_qdrant.queries.neighbours import Nearest, OnProgress, nearest_both

SLICE = 16_384
"""Rows whose neighbours are found before a checkpoint may be written."""
ASKED_AT_ONCE = 1024
"""Rows of one question to a store."""
KEEP_EVERY_S = 20.0
"""Seconds of work that an interruption may lose."""


@dataclass(frozen=True, slots=True)
class Listing:
    """Texts by their row, without their vectors.

    ids: one for each row. langs: canonical tags. read: returns the documents of some rows.
    """

    ids: list[str]
    langs: NDArray[np.str_]
    read: Callable[[Sequence[int]], list[Document]]

    def __len__(self) -> int:
        return len(self.ids)


def listing_of(collection: Collection, lang: str) -> Listing:
    """Return the documents of one language of a collection."""
    ids: list[str] = []
    tags: list[str] = []
    for batch in collection.batches(langs=lang):
        ids += [document.id for document in batch.documents]
        tags += [document.lang for document in batch.documents]

    def read(rows: Sequence[int]) -> list[Document]:
        there = collection.get_many([ids[row] for row in rows])
        # One that was deleted meanwhile has no text any more.
        return [
            Document("", ids[row]) if found is None else found
            for row, found in zip(rows, there, strict=True)
        ]

    langs: NDArray[Any] = np.array(tags, dtype=np.str_)
    return Listing(ids, langs, read)


def neighbours_in_memory(
    left: Vectors,
    right: Vectors,
    k: int,
    *,
    checkpoint: Checkpoint,
    on_progress: OnProgress | None = None,
) -> tuple[Nearest, Nearest]:
    """Return what `nearest_both` does, a slice of the left rows after the other."""
    keeper = _Keeper(checkpoint, "neighbours")
    forward = _none_yet(len(left), min(k, len(right)))
    backward = _none_yet(len(right), min(k, len(left)))
    if (kept := keeper.load()) is not None:
        forward = Nearest(kept["forward_scores"], kept["forward_rows"])
        backward = Nearest(kept["backward_scores"], kept["backward_rows"])
    for start in range(keeper.done, len(left), SLICE):
        block = left[start : start + SLICE]
        there, back = nearest_both(block, right, k, on_progress=_shifted(on_progress, start, left))
        forward.scores[start : start + SLICE] = there.scores
        forward.rows[start : start + SLICE] = there.rows
        _take_in(backward, back, start)
        keeper.keep(
            start + len(block),
            forward_scores=forward.scores,
            forward_rows=forward.rows,
            backward_scores=backward.scores,
            backward_rows=backward.rows,
        )
    return forward, backward


def neighbours_by_index(
    left: tuple[Collection, str, Listing],
    right: tuple[Collection, str, Listing],
    k: int,
    *,
    checkpoint: Checkpoint,
    on_progress: OnProgress | None = None,
) -> tuple[Nearest, Nearest]:
    """Return the same as found by the search of the stores, which may miss some.

    left, right: a collection, a language of it, and its documents of that language. Only the
    documents of one question are in memory with their vectors.
    """
    total = len(left[2]) + len(right[2])

    def counted(done: int) -> None:
        if on_progress is not None:
            on_progress(done, total)

    forward = _asked(left, right, k, _Keeper(checkpoint, "forward"), counted)
    backward = _asked(
        right,
        left,
        k,
        _Keeper(checkpoint, "backward"),
        lambda done: counted(len(left[2]) + done),
    )
    return forward, backward


def _asked(
    asking: tuple[Collection, str, Listing],
    asked: tuple[Collection, str, Listing],
    k: int,
    keeper: _Keeper,
    counted: Callable[[int], None],
) -> Nearest:
    collection, lang, listing = asking
    other, other_lang, others = asked
    row_of = {id: row for row, id in enumerate(others.ids)}
    own_row = {id: row for row, id in enumerate(listing.ids)}
    found = _none_yet(len(listing), min(k, len(others)))
    if (kept := keeper.load()) is not None:
        found = Nearest(kept["scores"], kept["rows"])
    done = keeper.done
    after = listing.ids[done - 1] if done else None
    scan = collection.batches(langs=lang, with_vectors=True, size=ASKED_AT_ONCE, after=after)
    for batch in scan:
        if batch.vectors is None or not found.rows.shape[1]:
            break
        answers = other.search_many(batch.vectors, k=k, langs=other_lang)
        for document, hits in zip(batch.documents, answers, strict=True):
            # What was added since the documents were listed has no row.
            row = own_row.get(document.id)
            near = [
                (row_of[hit.id], hit.score if hit.raw_score is None else hit.raw_score)
                for hit in hits
                if hit.id in row_of
            ]
            if row is not None and near:
                near.sort(key=lambda each: (-each[1], each[0]))
                found.rows[row, : len(near)] = [each for each, _ in near]
                found.scores[row, : len(near)] = [score for _, score in near]
        done += len(batch.documents)
        counted(min(done, len(listing)))
        keeper.keep(min(done, len(listing)), scores=found.scores, rows=found.rows)
    keeper.keep(len(listing), at_once=True, scores=found.scores, rows=found.rows)
    return found


def _none_yet(rows: int, k: int) -> Nearest:
    return Nearest(
        np.full((rows, k), -np.inf, dtype=np.float32), np.full((rows, k), -1, dtype=np.int64)
    )


def _take_in(found: Nearest, more: Nearest, first: int) -> None:
    """Put the nearest of further rows, numbered from `first` on, among those found before."""
    k = found.rows.shape[1]
    scores = np.concatenate([found.scores, more.scores], axis=1)
    rows = np.concatenate([found.rows, more.rows + first], axis=1)
    best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    found.scores[...] = np.take_along_axis(scores, best, axis=1)
    found.rows[...] = np.take_along_axis(rows, best, axis=1)


def _shifted(on_progress: OnProgress | None, start: int, whole: Vectors) -> OnProgress | None:
    if on_progress is None:
        return None
    return lambda done, _: on_progress(start + done, len(whole))


class _Keeper:
    """A step of a checkpoint that grows, written now and then."""

    def __init__(self, checkpoint: Checkpoint, step: str) -> None:
        self._checkpoint = checkpoint
        self._step = step
        self._last = monotonic()
        self.done = 0

    def load(self) -> dict[str, NDArray[Any]] | None:
        """Return the arrays as they were kept, and take up what was done."""
        kept = self._checkpoint.load(self._step)
        if kept is not None:
            self.done = int(kept["done"])
        return kept

    def keep(self, done: int, *, at_once: bool = False, **arrays: NDArray[Any]) -> None:
        """Keep the arrays if the last time is long ago, or `at_once`."""
        if at_once or monotonic() - self._last >= KEEP_EVERY_S:
            self._checkpoint.save(self._step, done=np.array(done), **arrays)
            self._last = monotonic()
