"""Reads: points by id, all that match, and the nearest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from qdrant_client import models

from xlingual_adapters.stores.qdrant.client import Connection
from xlingual_adapters.stores.qdrant.settings import QdrantSettings
from xlingual_adapters.stores.qdrant_points.filters import Translation
from xlingual_adapters.stores.qdrant_points.ids import document_point
from xlingual_adapters.stores.qdrant_points.payload import ID_ONLY, WITHOUT_TEXT, to_document
from xlingual_qdrant.documents import Document, Hit
from xlingual_qdrant.filters import Filter, matches
from xlingual_qdrant.ports import Vectors

_FETCHED_AT_ONCE = 256
_SCROLLED_AT_ONCE = 2_000
_QUERIES_AT_ONCE = 64
_WIDER = 4
"""How many times more candidates are asked for when too few of them match."""

Payload: TypeAlias = "dict[str, Any]"


class Reader:
    """The requests of one collection that change nothing."""

    def __init__(self, connection: Connection, collection: str) -> None:
        self._connection = connection
        self._collection = collection
        self._consistency = connection.consistency

    def points(
        self, ids: Sequence[str], payload: bool | list[str], *, with_vectors: bool = False
    ) -> dict[str, models.Record]:
        """Return the points of documents, by point id."""
        found: dict[str, models.Record] = {}
        wanted = list(dict.fromkeys(map(document_point, ids)))
        for start in range(0, len(wanted), _FETCHED_AT_ONCE):
            part = wanted[start : start + _FETCHED_AT_ONCE]
            records = self._connection.ask(
                lambda client, part=part: client.retrieve(
                    self._collection, part, with_payload=payload, with_vectors=with_vectors,
                    consistency=self._consistency,
                )
            )  # fmt: skip
            found.update((str(record.id), record) for record in records)
        return found

    def matching(self, where: Filter | None, asked: Translation) -> Iterator[Document]:
        """Yield the documents that match, without their texts, in the order of the points."""
        if asked.condition is False:
            return
        wanted = asked.of_documents()
        payload = ID_ONLY if asked.exact else WITHOUT_TEXT
        offset: Any = None
        while True:
            records, offset = self._connection.ask(
                lambda client, offset=offset: client.scroll(
                    self._collection, wanted, limit=_SCROLLED_AT_ONCE, offset=offset,
                    with_payload=payload, consistency=self._consistency,
                )
            )  # fmt: skip
            for record in records:
                document = to_document(record.payload)
                if document is not None and (
                    asked.exact or where is None or matches(where, document)
                ):
                    yield document
            if offset is None:
                return

    def nearest(
        self, queries: Vectors, k: int, where: Filter | None, asked: Translation, *, exact: bool
    ) -> list[list[Hit]]:
        """Return the hits of each query; `asked` is the translation of `where`."""
        found: list[list[Hit]] = []
        for start in range(0, len(queries), _QUERIES_AT_ONCE):
            rows = queries[start : start + _QUERIES_AT_ONCE]
            searches = [_Search(row, k, exact) for row in rows]
            while pending := [search for search in searches if not search.done]:
                answers = self._answers([search.request(asked, self._connection.settings)
                                         for search in pending])  # fmt: skip
                for search, answer in zip(pending, answers, strict=True):
                    search.take(answer, where, asked)
            found += [search.hits for search in searches]
        return found

    def _answers(self, requests: list[models.QueryRequest]) -> list[list[models.ScoredPoint]]:
        responses = self._connection.ask(
            lambda client: client.query_batch_points(
                self._collection, requests, consistency=self._consistency
            )
        )
        return [response.points for response in responses]


class _Search:
    """One query, asked until k hits are there or no more can be.

    Points of others are left out only when some were met: as long as there are none, the
    search is spared a condition that everything fulfils. An index that gives fewer than k
    may have missed some, so the last word is an exact search.
    """

    def __init__(self, query: NDArray[np.float32], k: int, exact: bool) -> None:
        self._query: list[float] = query.tolist()
        self._k = self._limit = k
        self._exact = exact
        self._among_others = False
        self.hits: list[Hit] = []
        self.done = False

    def request(self, asked: Translation, settings: QdrantSettings) -> models.QueryRequest:
        """Return the request to make next."""
        return models.QueryRequest(
            query=self._query,
            filter=asked.of_documents() if self._among_others else asked.of_points(),
            limit=self._limit,
            params=_search_params(settings, self._exact),
            with_payload=True,
        )

    def take(
        self, points: list[models.ScoredPoint], where: Filter | None, asked: Translation
    ) -> None:
        """Take an answer in, and see whether another is needed."""
        documents = [to_document(point.payload) for point in points]
        if None in documents and not self._among_others:
            self._among_others = True
            return
        self.hits = sorted(
            (
                Hit(document, min(1.0, max(-1.0, float(point.score))))
                for document, point in zip(documents, points, strict=True)
                if document is not None
                and (asked.exact or where is None or matches(where, document))
            ),
            key=lambda hit: (-hit.score, hit.id),
        )[: self._k]
        if len(self.hits) == self._k:
            self.done = True
        elif len(points) == self._limit:
            self._limit *= _WIDER
        elif self._exact:
            self.done = True
        else:
            self._exact = True


def _search_params(settings: QdrantSettings, exact: bool) -> models.SearchParams | None:
    """Return how to search; local mode knows one way only."""
    if settings.is_local:
        return None
    rescored = models.QuantizationSearchParams(rescore=True, oversampling=settings.oversampling)
    return models.SearchParams(
        exact=exact,
        hnsw_ef=settings.search_ef,
        quantization=None if exact or settings.quantisation == "none" else rescored,
    )
