"""One collection of a Qdrant store: the port, in terms of the rooms beside it."""

from __future__ import annotations

import heapq
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from qdrant_client import models

from xlingual_adapters.stores.qdrant import writing
from xlingual_adapters.stores.qdrant.client import Connection
from xlingual_adapters.stores.qdrant.faults import IndexRequired
from xlingual_adapters.stores.qdrant.reading import Reader
from xlingual_adapters.stores.qdrant.reserved import States
from xlingual_adapters.stores.qdrant_points.filters import Translation, translate
from xlingual_adapters.stores.qdrant_points.ids import document_point
from xlingual_adapters.stores.qdrant_points.payload import HASH_ONLY, LANG, OWN, to_document
from xlingual_qdrant.documents import Document, Hit, JsonValue, WriteReceipt
from xlingual_qdrant.filters import Filter, matches
from xlingual_qdrant.ports import ScanBatch, Vectors
from xlingual_qdrant.schema import CollectionSchema
from xlingual_qdrant.vectors import check_rows

T = TypeVar("T")

_log = logging.getLogger(__name__)

_SCAN_WINDOW = 200_000
"""Ids that a scan holds at once."""
_MOST_LANGUAGES = 10_000


class QdrantCollection:
    """Documents in points; the server keeps, filters and ranks them.

    Every write waits until the server has applied it. A filter that Qdrant cannot decide
    exactly is narrowed by it and decided here.
    """

    def __init__(self, connection: Connection, schema: CollectionSchema, name: str) -> None:
        """name: what the server calls the collection."""
        self._connection = connection
        self._schema = schema
        self._name = name
        self._reader = Reader(connection, name)
        self._states = States(connection, name)
        self._indexed_only = False
        """Set when the server turns out to be in strict mode."""

    @property
    def schema(self) -> CollectionSchema:
        """As it was created."""
        return self._schema

    def write(self, documents: Sequence[Document], vectors: Vectors) -> WriteReceipt:
        """Insert or replace documents; the server has applied it when this returns.

        If it fails, some of the documents may have been written; to write all again is safe.
        """
        checked = check_rows(vectors, len(documents), self._schema)
        last = {document.id: row for row, document in enumerate(documents)}
        points = [document_point(id) for id in last]
        known = writing.existing(self._connection, self._name, points)
        rows = list(last.values())
        writing.upload(
            self._connection, self._name, (documents[row] for row in rows), checked[rows]
        )
        return WriteReceipt(len(points) - len(known), len(known))

    def fetch(self, ids: Sequence[str]) -> list[Document | None]:
        """Return the documents in the order of the ids."""
        found = self._reader.points(ids, payload=True)
        records = [found.get(document_point(id)) for id in ids]
        return [None if record is None else to_document(record.payload) for record in records]

    def fetch_vectors(self, ids: Sequence[str]) -> list[NDArray[np.float32] | None]:
        """Return the vectors in the order of the ids."""
        found = self._reader.points(ids, payload=False, with_vectors=True)
        records = [found.get(document_point(id)) for id in ids]
        return [None if record is None else _vector(record) for record in records]

    def content_hashes(self, ids: Sequence[str]) -> list[bytes | None]:
        """Return the content hashes in the order of the ids."""
        found = self._reader.points(ids, payload=HASH_ONLY)
        records = [found.get(document_point(id)) for id in ids]
        return [
            None if record is None else bytes.fromhex((record.payload or {})[OWN]["hash"])
            for record in records
        ]

    def delete(self, ids: Sequence[str]) -> int:
        """Delete documents; return how many were there."""
        points = list(dict.fromkeys(map(document_point, ids)))
        known = writing.existing(self._connection, self._name, points)
        there = [point for point in points if point in known]
        for start in range(0, len(there), writing.BATCH_POINTS):
            part = there[start : start + writing.BATCH_POINTS]
            self._delete(models.PointIdsList(points=[*part]))
        return len(there)

    def delete_where(self, where: Filter) -> int:
        """Delete the documents that match; return how many did."""

        def ask(asked: Translation) -> int:
            if not asked.exact:
                return self.delete([d.id for d in self._reader.matching(where, asked)])
            count = self._count(where, asked)
            if count:
                self._delete(models.FilterSelector(filter=asked.of_documents()))
            return count

        return self._filtered(where, ask)

    def count(self, where: Filter | None = None) -> int:
        """Return the number of documents that match."""
        return self._filtered(where, lambda asked: self._count(where, asked))

    def count_by_language(self, where: Filter | None = None) -> dict[str, int]:
        """Return the number of documents per tag; counted by the server if it can."""

        def ask(asked: Translation) -> dict[str, int]:
            if asked.condition is False:
                return {}
            if not asked.exact:
                return dict(Counter(doc.lang for doc in self._reader.matching(where, asked)))
            answer = self._connection.ask(
                lambda client: client.facet(
                    self._name, LANG, asked.of_documents(), limit=_MOST_LANGUAGES, exact=True,
                    consistency=self._connection.consistency,
                )
            )  # fmt: skip
            return {str(hit.value): hit.count for hit in answer.hits if hit.count}

        return self._filtered(where, ask)

    def scan(
        self,
        where: Filter | None = None,
        *,
        with_vectors: bool = False,
        batch: int = 1000,
        after: str | None = None,
    ) -> Iterator[ScanBatch]:
        """Yield the documents that match, ordered by id; each batch is the newest state.

        A server keeps its points in the order of their UUIDs. So the ids of all matches are
        read once for every 200,000 documents that are yielded, and the least of them sorted.
        """
        while True:
            window = self._next_ids(where, after)
            for start in range(0, len(window), batch):
                ids = window[start : start + batch]
                found = self._reader.points(ids, payload=True, with_vectors=with_vectors)
                yield from self._batch(ids, found, where, with_vectors)
            if len(window) < _SCAN_WINDOW:
                return
            after = window[-1]

    def search(
        self, queries: Vectors, k: int, *, where: Filter | None = None, exact: bool = False
    ) -> list[list[Hit]]:
        """Return the k nearest for each query; a batch of queries is one request."""
        checked = check_rows(queries, len(queries), self._schema)

        def ask(asked: Translation) -> list[list[Hit]]:
            if asked.condition is False:
                return [[] for _ in checked]
            return self._reader.nearest(checked, k, where, asked, exact=exact)

        return self._filtered(where, ask)

    def read_state(self, key: str) -> bytes | None:
        """Return what was kept under this key."""
        return self._states.read(key)

    def write_state(self, key: str, value: bytes | None) -> None:
        """Keep bytes under a key; None forgets them."""
        self._states.write(key, value)

    def damaged_ids(self) -> list[str]:
        """Return no ids: the server looks after its own checksums."""
        return []

    def describe(self) -> dict[str, JsonValue]:
        """Return the address or path, the server's version, and its status."""
        info = self._connection.ask(lambda client: client.get_collection(self._name))
        facts: dict[str, JsonValue] = {
            "path" if self._connection.settings.path else "url": self._connection.where,
            "index": "exact" if self._connection.is_local else "hnsw",
            "status": info.status.value,
        }
        if version := self._connection.version():
            facts["server"] = version
        return facts

    def compact(self) -> None:
        """Do nothing: the server's optimizers give back room by themselves."""

    def flush(self) -> None:
        """Do nothing: every write has waited; indexes are built by the server meanwhile."""

    def close(self) -> None:
        """Do nothing: the connection is the store's."""

    def _filtered(self, where: Filter | None, ask: Callable[[Translation], T]) -> T:
        """Ask with the filter translated, anew if the server wants indexed fields only."""
        if not self._indexed_only:
            try:
                return ask(translate(where, self._schema.fields))
            except IndexRequired:
                self._indexed_only = True
                _log.warning(
                    "%s is in strict mode: conditions on fields of '%s' that are not declared"
                    " are checked here, which is slow; declare them in the schema",
                    self._connection.where,
                    self._name,
                )
        return ask(translate(where, self._schema.fields, indexed_only=True))

    def _count(self, where: Filter | None, asked: Translation) -> int:
        if asked.condition is False:
            return 0
        if not asked.exact:
            return sum(1 for _ in self._reader.matching(where, asked))
        answer = self._connection.ask(
            lambda client: client.count(self._name, asked.of_documents(), exact=True)
        )
        return answer.count

    def _next_ids(self, where: Filter | None, after: str | None) -> list[str]:
        """Return the least ids behind one, at most as many as a window holds."""

        def ask(asked: Translation) -> list[str]:
            ids = (document.id for document in self._reader.matching(where, asked))
            behind = (id for id in ids if after is None or id > after)
            return heapq.nsmallest(_SCAN_WINDOW, behind)

        return self._filtered(where, ask)

    def _batch(
        self,
        ids: Sequence[str],
        found: dict[str, models.Record],
        where: Filter | None,
        with_vectors: bool,
    ) -> Iterator[ScanBatch]:
        """Yield one batch, or none if all of it has been deleted or changed meanwhile."""
        records = [r for r in (found.get(document_point(id)) for id in ids) if r is not None]
        pairs = [(record, to_document(record.payload)) for record in records]
        kept = [(r, d) for r, d in pairs if d and (where is None or matches(where, d))]
        if kept:
            vectors = np.stack([_vector(record) for record, _ in kept]) if with_vectors else None
            yield ScanBatch([document for _, document in kept], vectors)

    def _delete(self, selector: models.PointIdsList | models.FilterSelector) -> None:
        self._connection.ask(lambda client: client.delete(self._name, selector, wait=True))


def _vector(record: models.Record) -> NDArray[np.float32]:
    return np.asarray(record.vector, dtype=np.float32)
