"""One collection of a Qdrant store: the port, in terms of the rooms beside it."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from qdrant_client import models

from xlingual_adapters.stores.qdrant import creation, generations, writing
from xlingual_adapters.stores.qdrant.client import Connection
from xlingual_adapters.stores.qdrant.faults import IndexRequired
from xlingual_adapters.stores.qdrant.held import Held
from xlingual_adapters.stores.qdrant.reading import Reader, Scanned, vector_of
from xlingual_adapters.stores.qdrant.reserved import States
from xlingual_adapters.stores.qdrant.searching import Question, Searcher
from xlingual_adapters.stores.qdrant.shards import Shards
from xlingual_adapters.stores.qdrant_points.filters import Translation, translate
from xlingual_adapters.stores.qdrant_points.ids import document_point
from xlingual_adapters.stores.qdrant_points.payload import HASH_ONLY, LANG, OWN, to_document
from xlingual_qdrant.documents import Document, Hit, JsonValue, WriteReceipt
from xlingual_qdrant.filters import Filter
from xlingual_qdrant.ports import ScanBatch, Vectors
from xlingual_qdrant.schema import CollectionSchema
from xlingual_qdrant.vectors import check_rows

T = TypeVar("T")

_log = logging.getLogger(__name__)

_MOST_LANGUAGES = 10_000


class QdrantCollection:
    """Documents in points; the server keeps, filters and ranks them.

    Every write waits until the server has applied it. A filter that Qdrant cannot decide
    exactly is narrowed by it and decided here.
    """

    def __init__(
        self,
        connection: Connection,
        schema: CollectionSchema,
        *,
        alias: str,
        on_server: str,
        config: models.CollectionConfig,
        made: str | None,
    ) -> None:
        """alias: its name on the server; on_server: what that led to when it was opened.

        made: what tells it from others that get the latter name, if it is known.
        """
        self._connection = connection
        self._schema = schema
        self._alias, self._name = alias, on_server
        self._held = Held(connection, name=schema.name, alias=alias, on_server=on_server, made=made)
        by_language = creation.is_sharded_by_language(config.params)
        self._shards = Shards(self._held, on_server, by_language=by_language)
        self._reader = Reader(self._held, on_server)
        self._searcher = Searcher(self._held, on_server, quantised=creation.is_quantised(config))
        self._states = States(self._held, on_server, shard_key=self._shards.reserved)
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
        rows = list(last.values())
        kept = [documents[row] for row in rows]
        with self._held.writing():
            known = writing.write(self._held, self._name, kept, checked[rows], self._shards)
        return WriteReceipt(len(rows) - known, known)

    def fetch(self, ids: Sequence[str]) -> list[Document | None]:
        """Return the documents in the order of the ids."""
        found = self._reader.points(ids, payload=True)
        records = [found.get(document_point(id)) for id in ids]
        return [None if record is None else to_document(record.payload) for record in records]

    def fetch_vectors(self, ids: Sequence[str]) -> list[NDArray[np.float32] | None]:
        """Return the vectors in the order of the ids."""
        found = self._reader.points(ids, payload=False, with_vectors=True)
        records = [found.get(document_point(id)) for id in ids]
        return [None if record is None else vector_of(record) for record in records]

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
        with self._held.writing():
            return self._delete_known(ids)

    def delete_where(self, where: Filter) -> int:
        """Delete the documents that match; return how many did."""

        def ask(asked: Translation) -> int:
            if not asked.exact:
                return self._delete_known([d.id for d in self._reader.matching(where, asked)])
            count = self._count(where, asked)
            if count:
                self._delete(models.FilterSelector(filter=asked.of_documents()))
            return count

        with self._held.writing():
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
            answer = self._held.ask(
                lambda client: client.facet(
                    self._name, LANG, asked.of_documents(), limit=_MOST_LANGUAGES, exact=True,
                    consistency=self._held.consistency,
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
        """Yield the documents that match, in the order of their points, in one pass."""

        def begin(asked: Translation) -> Iterator[Scanned]:
            found = self._reader.scan(
                where, asked, after=after, with_vectors=with_vectors, at_once=batch
            )
            # The first page tells whether the server takes the filter.
            return chain(list(islice(found, 1)), found)

        found = self._filtered(where, begin)
        while part := list(islice(found, batch)):
            vectors = [each.vector for each in part if each.vector is not None]
            yield ScanBatch(
                [each.document for each in part], np.stack(vectors) if with_vectors else None
            )

    def search(
        self, queries: Vectors, k: int, *, where: Filter | None = None, exact: bool = False
    ) -> list[list[Hit]]:
        """Return the k nearest for each query; a batch of queries is one request."""
        checked = check_rows(queries, len(queries), self._schema)

        def ask(asked: Translation) -> list[list[Hit]]:
            if asked.condition is False:
                return [[] for _ in checked]
            return self._searcher.nearest(checked, Question(k, where, asked, exact))

        return self._filtered(where, ask)

    def search_by_language(
        self, queries: Vectors, k: int, *, where: Filter | None = None, exact: bool = False
    ) -> list[dict[str, list[Hit]]]:
        """Return for each query the k nearest of each tag, as far as it can in groups."""
        checked = check_rows(queries, len(queries), self._schema)
        counts = self.count_by_language(where)
        if not counts:
            return [{} for _ in checked]

        def ask(asked: Translation) -> list[dict[str, list[Hit]]]:
            question = Question(k, where, asked, exact)
            return self._searcher.nearest_by_language(checked, question, counts)

        return self._filtered(where, ask)

    def read_state(self, key: str) -> bytes | None:
        """Return what was kept under this key."""
        return self._states.read(key)

    def write_state(self, key: str, value: bytes | None) -> None:
        """Keep bytes under a key; None forgets them."""
        with self._held.writing():
            self._states.write(key, value)

    def states(self) -> list[str]:
        """Return the keys, sorted."""
        return self._states.keys()

    def damaged_ids(self) -> list[str]:
        """Return no ids: the server looks after its own checksums."""
        return []

    def describe(self) -> dict[str, JsonValue]:
        """Return the address or path, the name there, the server's version, and its status."""
        info = self._held.ask(lambda client: client.get_collection(self._name))
        facts: dict[str, JsonValue] = {
            "path" if self._connection.settings.path else "url": self._connection.where,
            "collection": self._name,
            "index": "exact" if self._connection.is_local else "hnsw",
            "status": info.status.value,
        }
        if version := self._connection.version():
            facts["server"] = version
        return facts

    def compact(self) -> None:
        """Remove what this collection replaced; the server gives back other room by itself."""
        generations.remove_older(self._connection, self._alias, self._name)

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
        answer = self._held.ask(
            lambda client: client.count(self._name, asked.of_documents(), exact=True)
        )
        return answer.count

    def _delete_known(self, ids: Sequence[str]) -> int:
        points = list(dict.fromkeys(map(document_point, ids)))
        known = writing.existing(self._held, self._name, points)
        there = [point for point in points if point in known]
        for start in range(0, len(there), writing.BATCH_POINTS):
            part = there[start : start + writing.BATCH_POINTS]
            self._delete(models.PointIdsList(points=[*part]))
        return len(there)

    def _delete(self, selector: models.PointIdsList | models.FilterSelector) -> None:
        keys = self._shards.everywhere()
        self._held.ask(
            lambda client: client.delete(self._name, selector, wait=True, shard_key_selector=keys)
        )
