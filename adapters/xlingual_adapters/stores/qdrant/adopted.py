"""A collection that another program made, opened as if it were ours; it is never changed.

Filters are decided here, by `filters.matches`: a foreign payload says too little of what its
values are to leave that to the server. So counting and filtering read the points; that is for
looking around, and for copying the collection into one of this library.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from qdrant_client import models

from xlingual_adapters.stores.qdrant.adopted_points import AdoptedPoints
from xlingual_adapters.stores.qdrant.adoption import Adoption
from xlingual_adapters.stores.qdrant.client import Connection
from xlingual_qdrant.documents import Document, Hit, JsonValue, content_hash
from xlingual_qdrant.errors import InvalidDocument
from xlingual_qdrant.filters import Filter, matches
from xlingual_qdrant.foreign import ForeignCollection
from xlingual_qdrant.ports import ScanBatch, Vectors
from xlingual_qdrant.schema import CollectionSchema, check_name
from xlingual_qdrant.vectors import check_rows

_WIDER = 4
"""How many times more candidates are asked for when too few of them match."""
_UNKNOWN_SHOWN = 20


class AdoptedCollection(ForeignCollection):
    """Points with a text are documents; what is no document is left out, and counted."""

    def __init__(
        self, connection: Connection, name: str, adoption: Adoption, config: models.CollectionConfig
    ) -> None:
        """name: what it is called here. Raises NotSupported if its vectors give no cosines."""
        super().__init__(name, connection.where)
        self._connection = connection
        self._on_server = adoption.collection or name
        self._points = AdoptedPoints(connection, self._on_server, adoption, config)
        self._schema = CollectionSchema(name=check_name(name), dimension=self._points.dimension)

    @property
    def schema(self) -> CollectionSchema:
        """The dimension; which embedder made the vectors, the collection does not say."""
        return self._schema

    def fetch(self, ids: Sequence[str]) -> list[Document | None]:
        """Return the documents in the order of the ids."""
        found = self._points.named(ids)
        return [found[id][1] if id in found else None for id in ids]

    def fetch_vectors(self, ids: Sequence[str]) -> list[NDArray[np.float32] | None]:
        """Return the vectors, of length 1, in the order of the ids."""
        found = self._points.named(ids)
        vectors = self._points.vectors([record for record, _ in found.values()])
        rows = dict(zip(found, vectors, strict=True))
        return [rows.get(id) for id in ids]

    def content_hashes(self, ids: Sequence[str]) -> list[bytes | None]:
        """Return the content hashes in the order of the ids."""
        return [None if found is None else content_hash(found) for found in self.fetch(ids)]

    def count(self, where: Filter | None = None) -> int:
        """Return the number of documents that match; all points are read."""
        return sum(1 for _ in self._documents(where))

    def count_by_language(self, where: Filter | None = None) -> dict[str, int]:
        """Return the number of documents per tag; all points are read."""
        return dict(Counter(document.lang for document in self._documents(where)))

    def scan(
        self,
        where: Filter | None = None,
        *,
        with_vectors: bool = False,
        batch: int = 1000,
        after: str | None = None,
    ) -> Iterator[ScanBatch]:
        """Yield the documents that match, ordered by id; each batch is the newest state.

        The ids are read once for every 200,000 documents, and the least of them sorted.
        Raises NotSupported if two points have one id.
        """
        step = batch * max(1, self._points.at_once // batch)
        is_last = False
        while not is_last:
            window, is_last = self._points.next_ids(after)
            for start in range(0, len(window), step):
                part = [point for _, point in window[start : start + step]]
                found = self._points.read(self._points.at(part, with_vectors=with_vectors))
                pairs = [pair for pair in found if where is None or matches(where, pair[1])]
                pairs.sort(key=lambda pair: pair[1].id)
                for at in range(0, len(pairs), batch):
                    records, documents = zip(*pairs[at : at + batch], strict=True)
                    vectors = self._points.vectors(records) if with_vectors else None
                    yield ScanBatch([*documents], vectors)
            if window:
                after = window[-1][0]

    def search(
        self, queries: Vectors, k: int, *, where: Filter | None = None, exact: bool = False
    ) -> list[list[Hit]]:
        """Return the k nearest for each query; more are asked for until k of them match."""
        checked = check_rows(queries, len(queries), self._schema)
        return [self._nearest(row.tolist(), k, where, exact) for row in checked]

    def describe(self) -> dict[str, JsonValue]:
        """Return the address, and how many points are left out and why; all are read."""
        left_out: Counter[str] = Counter()
        unknown: Counter[str] = Counter()
        for record in self._points.all():
            try:
                read = self._points.reader.read(record.id, record.payload)
            except InvalidDocument as exc:
                left_out[exc.reason] += 1
            else:
                unknown.update([read.unknown_lang] if read.unknown_lang else [])
        if without := self._points.without_vector():
            left_out["no vector"] = without
        facts: dict[str, JsonValue] = {
            "path" if self._connection.settings.path else "url": self._connection.where,
            "adopted": self._on_server,
            "left_out": dict(sorted(left_out.items())),
        }
        if unknown:
            facts["unknown_languages"] = dict(unknown.most_common(_UNKNOWN_SHOWN))
        return facts

    def close(self) -> None:
        """Do nothing: the connection is the store's."""

    def _documents(self, where: Filter | None) -> Iterator[Document]:
        for _, document in self._points.read(self._points.all()):
            if where is None or matches(where, document):
                yield document

    def _nearest(self, query: list[float], k: int, where: Filter | None, exact: bool) -> list[Hit]:
        limit = k
        while True:
            points = self._points.nearest(query, limit, exact=exact)
            hits: dict[str, Hit] = {}
            for point in points:
                try:
                    document = self._points.reader.read(point.id, point.payload).document
                except InvalidDocument:
                    continue
                if where is None or matches(where, document):
                    score = min(1.0, max(-1.0, float(point.score)))
                    hits.setdefault(document.id, Hit(document, score))
            if len(hits) >= k or (len(points) < limit and exact):
                return sorted(hits.values(), key=lambda hit: (-hit.score, hit.id))[:k]
            if len(points) == limit:
                limit *= _WIDER
            else:
                # An index that gives fewer than it was asked for may have missed some.
                exact = True
