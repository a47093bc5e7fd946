"""The nearest documents: exact over the mapped files, or by an index where one may be used."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Sequence
from threading import Lock
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from xlingual_adapters.stores.faiss.catalog import (
    COLUMNS,
    ROW_BITS,
    document_of,
    first_row,
    select_in,
)
from xlingual_adapters.stores.faiss.filtering import Candidates
from xlingual_adapters.stores.faiss.nearest import Best, at_least_k_best, scores_of_pairs
from xlingual_adapters.stores.faiss.snapshot import Segment, Snapshot
from xlingual_adapters.stores.faiss.vectors import Places
from xlingual_qdrant.documents import Document, Hit
from xlingual_qdrant.errors import CollectionDamaged
from xlingual_qdrant.ports import Vectors

_SCORES_AT_ONCE = 1 << 21
"""Scores of one block of a batch; bounds the memory, and lets the block stay near the CPU."""
_SPARSE = 4
"""Rows are gathered when fewer than one in so many is wanted; else all are multiplied."""

Approximate: TypeAlias = Callable[
    [Segment, Vectors, int], "tuple[NDArray[np.int64], Places] | None"
]
"""Takes a segment, queries and k. Returns the places in its index that are near each query,
shape (n, m), -1 for none, and the places that it did not look at; None: scan."""


class _Turn:
    """One matrix product at a time: it uses all cores, and two would be in each other's way."""

    lock = Lock()

    @classmethod
    def begin_in_child(cls) -> None:
        """Take a lock of its own in a forked process: nobody there gives back the parent's."""
        cls.lock = Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_Turn.begin_in_child)


class Searching:
    """One search in one snapshot. connection: in the transaction that sees the snapshot."""

    def __init__(
        self, connection: sqlite3.Connection, snapshot: Snapshot, where: str, dimension: int
    ) -> None:
        self._connection, self._snapshot, self._where = connection, snapshot, where
        self.dimension = dimension

    def hits(
        self,
        candidates: Sequence[Candidates],
        queries: Vectors,
        k: int,
        approximate: Approximate | None,
    ) -> list[list[Hit]]:
        """Return the k nearest of the candidates for each query."""
        if k < 1 or not candidates or not len(queries):
            return [[] for _ in range(len(queries))]
        indexed = {
            part.segment.number: found
            for part in candidates
            if approximate is not None
            and part.places is None
            and (found := approximate(part.segment, queries, k)) is not None
        }
        self.check([_looked_at(part, indexed.get(part.segment.number)) for part in candidates])
        if len(queries) == 1 and not indexed:
            rows = self._scan_one(candidates, queries[0], k)
            return self._build(np.zeros(len(rows), dtype=np.intp), rows, queries, k)
        best = Best(len(queries), k)
        for part in candidates:
            found = indexed.get(part.segment.number)
            if found is None:
                self._scan(part, queries, best)
            else:
                near, rest = found
                self._rescore(part.segment, near, queries, best)
                if len(rest):
                    self._scan(Candidates(part.segment, rest), queries, best)
        return self._build(*best.result(), queries, k)

    def check(self, candidates: Sequence[Candidates]) -> None:
        """Raise CollectionDamaged if a vector that is wanted does not match its checksum."""
        ids = self.damaged(candidates)
        if ids:
            detail = "vectors do not match their checksums"
            raise CollectionDamaged(self._where, detail, ids)

    def damaged(self, candidates: Sequence[Candidates]) -> list[str]:
        """Return the ids of candidates whose vectors do not match their checksums, sorted."""
        ids: set[str] = set()
        for part in candidates:
            segment = part.segment
            bad = segment.file.damaged(self._connection, segment.rows, part.places)
            if len(bad):
                living = np.setdiff1d(bad, segment.dead) + first_row(segment.number)
                select = "SELECT id FROM documents WHERE row"
                ids.update(id for (id,) in select_in(self._connection, select, living.tolist()))
        return sorted(ids)

    def _scan_one(self, candidates: Sequence[Candidates], query: Any, k: int) -> Places:
        """Return rows that hold the k best for one query, all languages in one array."""
        with _Turn.lock:
            scores = [_scores_of_one(part, query) for part in candidates]
        if len(scores) == 1:
            return _rows(candidates[0], at_least_k_best(scores[0], k))
        kept = at_least_k_best(np.concatenate(scores), k)
        ends = np.cumsum([len(own) for own in scores])
        owner = np.searchsorted(ends, kept, side="right")
        found: list[Places] = []
        owners: set[int] = set(owner.tolist())
        for i in sorted(owners):
            places = kept[owner == i] - (ends[i] - len(scores[i]))
            found.append(_rows(candidates[i], places))
        return np.concatenate(found) if found else kept

    def _scan(self, part: Candidates, queries: Vectors, best: Best) -> None:
        segment, places = part.segment, part.places
        vectors = segment.file.rows(segment.rows)
        dead = np.sort(segment.dead)
        step = max(256, _SCORES_AT_ONCE // len(queries))
        total = segment.rows if places is None else len(places)
        for start in range(0, total, step):
            stop = min(start + step, total)
            if places is None:
                rows = np.arange(start, stop)
                with _Turn.lock:
                    scores = queries @ vectors[start:stop].T
                first, last = np.searchsorted(dead, (start, stop))
                scores[:, dead[first:last] - start] = -np.inf
            else:
                rows = places[start:stop]
                wanted = vectors[rows].T
                with _Turn.lock:
                    scores = queries @ wanted
            best.take(scores, rows + first_row(segment.number))

    def _rescore(
        self, segment: Segment, near: NDArray[np.int64], queries: Vectors, best: Best
    ) -> None:
        numbers, columns = np.nonzero(near >= 0)
        places = near[numbers, columns]
        vectors = segment.file.rows(segment.rows)
        scores = scores_of_pairs(queries, numbers, vectors, places)
        best.take_pairs(numbers, scores, places + first_row(segment.number))

    def _build(
        self, numbers: NDArray[np.intp], rows: Places, queries: Vectors, k: int
    ) -> list[list[Hit]]:
        """Return the hits for pairs of query and row, of which there may be more than k."""
        scores = self._scores(numbers, rows, queries)
        if len(queries) == 1 and len(rows) > k:
            # Scores are rounded anew here: keep whatever may still be among the best.
            kept = np.argsort(-scores, kind="stable")[:k]
            rows, numbers, scores = rows[kept], numbers[kept], scores[kept]
        documents = self._documents(rows)
        results: list[list[Hit]] = [[] for _ in range(len(queries))]
        for number, row, score in zip(
            numbers.tolist(), rows.tolist(), scores.tolist(), strict=True
        ):
            results[number].append(Hit(documents[row], score))
        for hits in results:
            hits.sort(key=_rank)
        return results

    def _documents(self, rows: Places) -> dict[int, Document]:
        segments = self._snapshot.segments
        select = f"SELECT {COLUMNS} FROM documents WHERE row"
        wanted = list(dict.fromkeys(rows.tolist()))
        found = list(select_in(self._connection, select, wanted))
        # One call for all: decoding them one by one takes longer than finding them.
        metadata = json.loads(f"[{','.join([values[4] for values in found])}]")
        return {
            values[0]: document_of(values, segments[values[0] >> ROW_BITS].lang, decoded)
            for values, decoded in zip(found, metadata, strict=True)
        }

    def _scores(
        self, numbers: NDArray[np.intp], rows: Places, queries: Vectors
    ) -> NDArray[np.float32]:
        scores = np.empty(len(rows), dtype=np.float32)
        owners = rows >> ROW_BITS
        for owner in set(owners.tolist()):
            segment = self._snapshot.segments[owner]
            own = np.flatnonzero(owners == owner)
            places = rows[own] - first_row(segment.number)
            vectors = segment.file.rows(segment.rows)
            scores[own] = scores_of_pairs(queries, numbers[own], vectors, places)
        return scores


def _looked_at(part: Candidates, found: tuple[NDArray[np.int64], Places] | None) -> Candidates:
    """Return those whose vectors are read: an index has its own, with a checksum of its own."""
    if found is None:
        return part
    near, rest = found
    return Candidates(part.segment, np.concatenate([np.unique(near[near >= 0]), rest]))


def _scores_of_one(part: Candidates, query: Any) -> NDArray[np.float32]:
    segment, places = part.segment, part.places
    vectors = segment.file.rows(segment.rows)
    if places is None:
        scores: NDArray[np.float32] = vectors @ query
        if len(segment.dead):
            scores[segment.dead] = -np.inf
    elif len(places) * _SPARSE < segment.rows:
        scores = vectors[places] @ query
    else:
        scores = (vectors @ query)[places]
    return scores


def _rows(part: Candidates, kept: NDArray[np.intp]) -> Places:
    places = kept if part.places is None else part.places[kept]
    return places + first_row(part.segment.number)


def _rank(hit: Hit) -> tuple[float, str]:
    return -hit.score, hit.document.id
