"""The exact in-memory store: the judge of all others.

It is a few lines of NumPy and `filters.matches`, so that one can see that it is right.
Nothing outlives the process.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from threading import RLock

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from xlingual_qdrant.documents import Document, Hit, JsonValue, WriteReceipt, content_hash
from xlingual_qdrant.errors import (
    CollectionExists,
    CollectionMissing,
    ReplacementMissing,
    StoreUnavailable,
)
from xlingual_qdrant.filters import Filter, matches
from xlingual_qdrant.ports import Capabilities, ScanBatch, StorePlugin, Vectors
from xlingual_qdrant.schema import CollectionSchema
from xlingual_qdrant.vectors import check_rows

_SCORES_AT_ONCE = 1 << 24
"""Scores held in memory during a search; bounds how many queries are multiplied at once."""


class MemorySettings(BaseModel):
    """There is nothing to set."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class MemoryCollection:
    """Documents in a list, their vectors in the rows of one array, without gaps."""

    def __init__(self, schema: CollectionSchema) -> None:
        self._schema = schema
        self._lock = RLock()
        self._documents: list[Document] = []
        self._rows: dict[str, int] = {}
        self._vectors: Vectors = np.empty((0, schema.dimension), dtype=np.float32)
        """Its first len(_documents) rows are in use; it grows by doubling."""
        self._state: dict[str, bytes] = {}
        self._fate = ""

    @property
    def schema(self) -> CollectionSchema:
        """As it was created."""
        return self._schema

    def write(self, documents: Sequence[Document], vectors: Vectors) -> WriteReceipt:
        """Insert or replace; of an id that comes twice the last document wins."""
        vectors = check_rows(vectors, len(documents), self._schema)
        kept = [_detached(document) for document in documents]
        last = {document.id: position for position, document in enumerate(kept)}
        with self._lock:
            self._check_kept()
            added = [id for id in last if id not in self._rows]
            self._reserve(len(self._documents) + len(added))
            for id in added:
                self._rows[id] = len(self._documents)
                self._documents.append(kept[last[id]])
            for id, position in last.items():
                self._documents[self._rows[id]] = kept[position]
            self._vectors[[self._rows[id] for id in last]] = vectors[list(last.values())]
        return WriteReceipt(len(added), len(last) - len(added))

    def fetch(self, ids: Sequence[str]) -> list[Document | None]:
        """Return the documents in the order of the ids."""
        with self._lock:
            rows = [self._rows.get(id) for id in ids]
            return [None if row is None else _copy(self._documents[row]) for row in rows]

    def fetch_vectors(self, ids: Sequence[str]) -> list[NDArray[np.float32] | None]:
        """Return the vectors in the order of the ids."""
        with self._lock:
            rows = [self._rows.get(id) for id in ids]
            return [None if row is None else self._vectors[row].copy() for row in rows]

    def delete(self, ids: Sequence[str]) -> int:
        """Delete; the last document moves into the gap."""
        with self._lock:
            self._check_kept()
            there = [id for id in dict.fromkeys(ids) if id in self._rows]
            for id in there:
                row, last = self._rows.pop(id), self._documents.pop()
                if last.id != id:
                    self._documents[row], self._rows[last.id] = last, row
                    self._vectors[row] = self._vectors[len(self._documents)]
            return len(there)

    def delete_where(self, where: Filter) -> int:
        """Delete the documents that match."""
        with self._lock:
            return self.delete([self._documents[row].id for row in self._matching(where)])

    def count(self, where: Filter | None = None) -> int:
        """Return the number of documents that match."""
        with self._lock:
            return len(self._matching(where))

    def count_by_language(self, where: Filter | None = None) -> dict[str, int]:
        """Return the number of documents per tag."""
        with self._lock:
            return dict(Counter(self._documents[row].lang for row in self._matching(where)))

    def scan(
        self,
        where: Filter | None = None,
        *,
        with_vectors: bool = False,
        batch: int = 1000,
        after: str | None = None,
    ) -> Iterator[ScanBatch]:
        """Yield what is there when the first batch is asked for, ordered by id."""
        with self._lock:
            documents, rows = self._documents, self._matching(where)
            rows = [row for row in rows if after is None or documents[row].id > after]
            rows.sort(key=lambda row: documents[row].id)
            found = [documents[row] for row in rows]
            vectors = self._vectors[rows] if with_vectors else None
        for start in range(0, len(found), batch):
            part = slice(start, start + batch)
            yield ScanBatch(
                [_copy(document) for document in found[part]],
                None if vectors is None else vectors[part],
            )

    def search(
        self, queries: Vectors, k: int, *, where: Filter | None = None, exact: bool = False
    ) -> list[list[Hit]]:
        """Return the k nearest; always exact."""
        queries = check_rows(queries, len(queries), self._schema)
        with self._lock:
            documents, vectors = self._documents, self._vectors[: len(self._documents)]
            if where is not None:
                rows = self._matching(where)
                documents, vectors = [documents[row] for row in rows], vectors[rows]
            at_once = max(1, _SCORES_AT_ONCE // max(1, len(documents)))
            return [
                _best(documents, scores, k)
                for start in range(0, len(queries), at_once)
                for scores in np.clip(queries[start : start + at_once] @ vectors.T, -1.0, 1.0)
            ]

    def content_hashes(self, ids: Sequence[str]) -> list[bytes | None]:
        """Return the content hashes in the order of the ids."""
        found = self.fetch(ids)
        return [None if document is None else content_hash(document) for document in found]

    def read_state(self, key: str) -> bytes | None:
        """Return what was kept under this key."""
        with self._lock:
            return self._state.get(key)

    def write_state(self, key: str, value: bytes | None) -> None:
        """Keep bytes under a key; None forgets them."""
        with self._lock:
            self._check_kept()
            if value is None:
                self._state.pop(key, None)
            else:
                self._state[key] = bytes(value)

    def states(self) -> list[str]:
        """Return the keys, sorted."""
        with self._lock:
            return sorted(self._state)

    def damaged_ids(self) -> list[str]:
        """Return no ids: memory has no checksums."""
        return []

    def describe(self) -> dict[str, JsonValue]:
        """Return the kind of index, and the bytes that the vectors take."""
        return {"index": "exact", "bytes": self._vectors.nbytes}

    def compact(self) -> None:
        """Give back the rows that are not in use."""
        with self._lock:
            self._vectors = self._vectors[: len(self._documents)].copy()

    def flush(self) -> None:
        """Do nothing: nothing outlives the process."""

    def close(self) -> None:
        """Do nothing: the collection lives as long as its store."""

    def leave(self, fate: str) -> None:
        """Be read only from now on, by who has it open: the store has it no more."""
        with self._lock:
            self._fate = fate

    def _check_kept(self) -> None:
        if self._fate:
            name = self._schema.name
            raise StoreUnavailable(
                "memory", f"collection '{name}' was {self._fate} after it was opened; open it again"
            )

    def _reserve(self, count: int) -> None:
        if count > len(self._vectors):
            grown = np.empty((max(count, 2 * len(self._vectors)), self._schema.dimension), "f4")
            grown[: len(self._documents)] = self._vectors[: len(self._documents)]
            self._vectors = grown

    def _matching(self, where: Filter | None) -> list[int]:
        """Return the rows whose documents match."""
        rows = range(len(self._documents))
        return [r for r in rows if where is None or matches(where, self._documents[r])]


class MemoryStore:
    """Collections that live as long as this object."""

    def __init__(self) -> None:
        self._collections: dict[str, MemoryCollection] = {}
        self._replacements: dict[str, MemoryCollection] = {}
        self._lock = RLock()

    @property
    def capabilities(self) -> Capabilities:
        """Exact, and gone with the process."""
        return Capabilities(
            persistent=False, approximate=False, concurrent_writers=False, aliases=True
        )

    @property
    def location(self) -> str:
        """The word for messages."""
        return "memory"

    def create(self, schema: CollectionSchema) -> MemoryCollection:
        """Create a collection; raises CollectionExists."""
        with self._lock:
            if schema.name in self._collections:
                raise CollectionExists(schema.name, self.location)
            return self._collections.setdefault(schema.name, MemoryCollection(schema))

    def open(self, name: str) -> MemoryCollection:
        """Return the collection; raises CollectionMissing."""
        with self._lock:
            if name not in self._collections:
                raise CollectionMissing(name, self.location, self.list())
            return self._collections[name]

    def drop(self, name: str) -> None:
        """Remove a collection; raises CollectionMissing."""
        with self._lock:
            self.open(name)
            self._collections.pop(name).leave("removed")
            self._forget_replacement(name)

    def begin_replacement(self, schema: CollectionSchema) -> MemoryCollection:
        """Return the collection that is to take the place of the one of this name."""
        with self._lock:
            self.open(schema.name)
            begun = self._replacements.get(schema.name)
            if begun is None or begun.schema != schema:
                self._forget_replacement(schema.name)
                begun = self._replacements[schema.name] = MemoryCollection(schema)
            return begun

    def finish_replacement(self, name: str) -> None:
        """Put the replacement in the place of the collection."""
        with self._lock:
            self.open(name)
            if name not in self._replacements:
                raise ReplacementMissing(name, self.location)
            self._collections[name].leave("replaced")
            self._collections[name] = self._replacements.pop(name)

    def discard_replacement(self, name: str) -> None:
        """Forget a replacement that was begun, if there is one."""
        with self._lock:
            self.open(name)
            self._forget_replacement(name)

    def close(self) -> None:
        """Do nothing: what it holds goes with the object."""

    def list(self) -> list[str]:
        """Return the names, sorted."""
        with self._lock:
            return sorted(self._collections)

    def _forget_replacement(self, name: str) -> None:
        if begun := self._replacements.pop(name, None):
            begun.leave("discarded")


def _best(documents: Sequence[Document], scores: NDArray[np.float32], k: int) -> list[Hit]:
    """Return the k best, equal scores ordered by id, also at the cut."""
    cut = len(scores) - k  # so many are too far away
    worst_kept = np.partition(scores, cut)[cut] if cut > 0 else -1.0
    rows = [int(row) for row in np.flatnonzero(scores >= worst_kept)]
    ranked = sorted((-float(scores[row]), documents[row].id, row) for row in rows)
    return [Hit(_copy(documents[row]), -negative) for negative, _, row in ranked[:k]]


def _detached(document: Document) -> Document:
    """Return the document with metadata as JSON gives it back: no tuples, shared with nobody."""
    return replace(document, metadata=json.loads(json.dumps(document.metadata)))


def _copy(document: Document) -> Document:
    """Return the document with metadata that its receiver may change."""
    return replace(document, metadata={k: _copied(v) for k, v in document.metadata.items()})


def _copied(value: JsonValue) -> JsonValue:
    match value:
        case dict():
            return {key: _copied(element) for key, element in value.items()}
        case list():
            return [_copied(element) for element in value]
        case _:
            return value


def _open(_: MemorySettings) -> MemoryStore:
    return MemoryStore()


plugin = StorePlugin(
    settings=MemorySettings,
    open=_open,
    summary="exact search in memory; nothing is kept when the process ends",
)
