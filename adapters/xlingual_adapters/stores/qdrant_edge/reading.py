"""Reads: points by id, all that match, and the nearest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import qdrant_edge as edge
from numpy.typing import NDArray

from xlingual_adapters.stores.qdrant_edge.conditions import to_edge
from xlingual_adapters.stores.qdrant_edge.settings import QdrantEdgeSettings
from xlingual_adapters.stores.qdrant_edge.shards import Shard
from xlingual_adapters.stores.qdrant_points.filters import Translation
from xlingual_adapters.stores.qdrant_points.ids import document_point
from xlingual_adapters.stores.qdrant_points.payload import to_document
from xlingual_qdrant.documents import Document, Hit
from xlingual_qdrant.errors import CollectionDamaged
from xlingual_qdrant.filters import Filter, matches
from xlingual_qdrant.ports import Vectors

FETCHED_AT_ONCE = 2_000
_QUERIES_AT_ONCE = 64
_WIDER = 4
"""How many times more candidates are asked for when too few of them match."""


def points(
    shard: Shard, ids: Sequence[str], payload: bool | list[str], *, with_vectors: bool = False
) -> dict[str, edge.Record]:
    """Return the points of documents, by id."""
    found: dict[str, edge.Record] = {}
    for part, names in _parts(ids):
        records = shard.ask(
            lambda engine, part=part: engine.retrieve([*part], payload, with_vectors)
        )
        found.update((names[str(record.id)], record) for record in records)
    return found


def existing(shard: Shard, wanted: Sequence[str]) -> set[str]:
    """Return those of the point ids that are taken."""
    records = shard.ask(lambda engine: engine.retrieve([*wanted], False, False))
    return {str(record.id) for record in records}


def scroll(
    shard: Shard,
    asked: Translation,
    payload: bool | list[str],
    *,
    batch: int,
    after: str | None = None,
    with_vectors: bool = False,
) -> Iterator[list[edge.Record]]:
    """Yield the points that a translation lets in, in the order of their UUIDs.

    after: begin behind this point, whether or not it is there.
    """
    if asked.condition is False:
        return
    wanted = edge_filter(asked)
    offset: edge.PointId | None = after
    while True:
        request = edge.ScrollRequest(
            offset=offset,
            limit=batch + 1 if offset is not None else batch,
            filter=wanted,
            with_payload=payload,
            with_vector=with_vectors,
        )
        records, following = shard.ask(lambda engine, request=request: engine.scroll(request))
        found = [record for record in records if str(record.id) != after][:batch]
        if found:
            yield found
            after = str(found[-1].id)
        if following is None and len(records) - len(found) <= 1:
            return
        offset = after


def edge_filter(asked: Translation) -> edge.Filter | None:
    """Return the filter for the engine: all points of its folder are documents of ours."""
    where = asked.of_points()
    return None if where is None else to_edge(where)


def nearest(
    shard: Shard,
    queries: Vectors,
    k: int,
    where: Filter | None,
    asked: Translation,
    settings: QdrantEdgeSettings,
    *,
    exact: bool,
) -> list[list[Hit]]:
    """Return the hits of each query; `asked` is the translation of `where`."""
    wanted = edge_filter(asked)
    with shard.reading():
        most = shard.ask(lambda engine: engine.info().points_count)
        if not most:
            return [[] for _ in queries]
        searches = [_Search(row, min(k, most), most, exact, shard.where) for row in queries]
        for start in range(0, len(searches), _QUERIES_AT_ONCE):
            part = searches[start : start + _QUERIES_AT_ONCE]
            while pending := [search for search in part if not search.done]:
                requests = [search.request(wanted, settings) for search in pending]
                for search, found in zip(pending, _answers(shard, requests), strict=True):
                    search.take(found, where, asked)
        return [search.hits for search in searches]


def _answers(shard: Shard, requests: list[edge.QueryRequest]) -> list[list[edge.ScoredPoint]]:
    if len(requests) == 1:
        return [shard.ask(lambda engine: engine.query(requests[0]))]
    return shard.ask(lambda engine: engine.query_batch(edge.QueryBatchRequest(requests)))


class _Search:
    """One query, asked until k hits are there or no more can be.

    An index that gives fewer than k may have missed some, so the last word is an exact search.
    """

    def __init__(
        self, query: NDArray[np.float32], k: int, most: int, exact: bool, where: str
    ) -> None:
        self._query = edge.Query.Nearest(query.tolist())
        self._k = self._limit = k
        self._most = most
        self._exact = exact
        self._where = where
        self.hits: list[Hit] = []
        self.done = False

    def request(
        self, wanted: edge.Filter | None, settings: QdrantEdgeSettings
    ) -> edge.QueryRequest:
        """Return the request to make next."""
        return edge.QueryRequest(
            query=self._query,
            filter=wanted,
            limit=self._limit,
            params=_search_params(settings, self._exact, self._limit),
            with_payload=True,
        )

    def take(self, found: list[edge.ScoredPoint], where: Filter | None, asked: Translation) -> None:
        """Take an answer in, and see whether another is needed."""
        hits = [
            Hit(document_of(point, self._where), min(1.0, max(-1.0, point.score)))
            for point in found
        ]
        if not asked.exact and where is not None:
            hits = [hit for hit in hits if matches(where, hit.document)]
        self.hits = sorted(hits, key=lambda hit: (-hit.score, hit.id))[: self._k]
        if len(self.hits) == self._k:
            self.done = True
        elif len(found) == self._limit < self._most:
            self._limit = min(self._most, self._limit * _WIDER)
        elif self._exact:
            self.done = True
        else:
            self._exact = True


def document_of(point: edge.Record | edge.ScoredPoint, where: str) -> Document:
    """Return the document of a point; raises CollectionDamaged if it is of another make."""
    document = to_document(point.payload)
    if document is None:
        raise CollectionDamaged(where, f"the point {point.id} in it holds no document")
    return document


def vector_of(record: edge.Record) -> NDArray[np.float32]:
    """Return the vector of a point, shape (dimension,)."""
    return np.asarray(record.vector, dtype=np.float32)


def _search_params(settings: QdrantEdgeSettings, exact: bool, limit: int) -> edge.SearchParams:
    if exact:
        full = edge.QuantizationSearchParams(ignore=True)
        return edge.SearchParams(exact=True, quantization=full)
    rescored = edge.QuantizationSearchParams(rescore=True, oversampling=settings.oversampling)
    return edge.SearchParams(
        hnsw_ef=max(settings.search_ef, limit),
        quantization=None if settings.quantisation == "none" else rescored,
    )


def _parts(ids: Sequence[str]) -> Iterator[tuple[list[str], dict[str, str]]]:
    """Yield the ids some at a time, as points, and what each point is called."""
    different = list(dict.fromkeys(ids))
    for start in range(0, len(different), FETCHED_AT_ONCE):
        names = {document_point(id): id for id in different[start : start + FETCHED_AT_ONCE]}
        yield list(names), names
