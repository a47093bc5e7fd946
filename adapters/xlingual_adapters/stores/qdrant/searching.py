"""Searches: the nearest of all, and the nearest of each language.

A server ranks first and reads the payloads of the best afterwards, whatever is asked for. So
a hit on a document that is replaced at that moment is whole, but its score may be the old one's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from qdrant_client import models

from xlingual_adapters.stores.qdrant.asking import Asks
from xlingual_adapters.stores.qdrant.settings import QdrantSettings
from xlingual_adapters.stores.qdrant_points.bounds import equals
from xlingual_adapters.stores.qdrant_points.filters import Translation
from xlingual_adapters.stores.qdrant_points.payload import LANG, to_document
from xlingual_qdrant.documents import Document, Hit
from xlingual_qdrant.filters import Filter, matches
from xlingual_qdrant.ports import Vectors

_QUERIES_AT_ONCE = 64
_HITS_AT_ONCE = 10_000
"""Hits that one request may ask for: they come with their texts."""
_WIDER = 4
"""How many times more candidates are asked for when too few of them match."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is common to the queries of one call.

    asked: the translation of `where`; exact: no index that may miss some.
    """

    k: int
    where: Filter | None
    asked: Translation
    exact: bool


class Searcher:
    """The requests of one collection that rank."""

    def __init__(self, connection: Asks, collection: str, *, quantised: bool) -> None:
        """quantised: the server searches in smaller copies of the vectors."""
        self._connection = connection
        self._collection = collection
        self._quantised = quantised

    def nearest(self, queries: Vectors, question: Question) -> list[list[Hit]]:
        """Return the hits of each query."""
        searches = [_Search(row, question) for row in queries]
        self._run(searches)
        return [search.hits for search in searches]

    def nearest_by_language(
        self, queries: Vectors, question: Question, counts: Mapping[str, int]
    ) -> list[dict[str, list[Hit]]]:
        """Return the hits of each query for each language.

        counts: the documents of each language that match. The server's groups are whole, or
        they are not taken: it stops looking for what is far away after some attempts.
        """
        found = [self._groups(row, question, counts) for row in queries]
        wanted = {tag: min(question.k, count) for tag, count in counts.items()}
        missing = [
            (groups, tag, _Search(row, question, tag))
            for groups, row in zip(found, queries, strict=True)
            for tag, count in wanted.items()
            if len(groups.get(tag, ())) < count
        ]
        self._run([search for _, _, search in missing])
        for groups, tag, search in missing:
            groups[tag] = search.hits
        return [{tag: groups[tag] for tag in wanted if groups.get(tag)} for groups in found]

    def _groups(
        self, query: NDArray[np.float32], question: Question, counts: Mapping[str, int]
    ) -> dict[str, list[Hit]]:
        """Return what the server groups by itself; nothing where that would not do."""
        if not question.asked.exact or question.k * len(counts) > _HITS_AT_ONCE:
            return {}
        answer = self._connection.ask(
            lambda client: client.query_points_groups(
                self._collection,
                group_by=LANG,
                query=query.tolist(),
                query_filter=question.asked.of_documents(),
                search_params=self._params(question.exact),
                limit=len(counts),
                group_size=question.k,
                with_payload=True,
                consistency=self._connection.consistency,
            )
        )
        return {str(group.id): _hits(group.hits, question) for group in answer.groups}

    def _run(self, searches: list[_Search]) -> None:
        """Ask until all searches are done, many in one request."""
        while pending := [search for search in searches if not search.done]:
            for part in _parts(pending):
                requests = [search.request(self._params(search.exact)) for search in part]
                responses = self._connection.ask(
                    lambda client, requests=requests: client.query_batch_points(
                        self._collection, requests, consistency=self._connection.consistency
                    )
                )
                for search, response in zip(part, responses, strict=True):
                    search.take(response.points)

    def _params(self, exact: bool) -> models.SearchParams | None:
        return search_params(self._connection.settings, exact=exact, quantised=self._quantised)


class _Search:
    """One query, asked until k hits are there or no more can be.

    Points of others are left out only when some were met: as long as there are none, the
    search is spared a condition that everything fulfils. An index that gives fewer than k
    may have missed some, so the last word is an exact search.
    """

    def __init__(
        self, query: NDArray[np.float32], question: Question, tag: str | None = None
    ) -> None:
        """tag: the language that is looked for, and no narrower one."""
        self._query: list[float] = query.tolist()
        self._question = question
        self._tag = tag
        self.limit = question.k
        self.exact = question.exact
        self._among_others = False
        self.hits: list[Hit] = []
        self.done = False

    def request(self, params: models.SearchParams | None) -> models.QueryRequest:
        """Return the request to make next."""
        return models.QueryRequest(
            query=self._query,
            filter=self._filter(),
            limit=self.limit,
            params=params,
            with_payload=True,
        )

    def take(self, points: list[models.ScoredPoint]) -> None:
        """Take an answer in, and see whether another is needed."""
        if not self._among_others and any(to_document(point.payload) is None for point in points):
            self._among_others = True
            return
        self.hits = _hits(points, self._question)
        if len(self.hits) == self._question.k:
            self.done = True
        elif len(points) == self.limit:
            self.limit *= _WIDER
        elif self.exact:
            self.done = True
        else:
            self.exact = True

    def _filter(self) -> models.Filter | None:
        asked = self._question.asked
        wanted = asked.of_documents() if self._among_others else asked.of_points()
        if self._tag is None:
            return wanted
        in_language = equals(LANG, self._tag)
        return models.Filter(must=[in_language] if wanted is None else [in_language, wanted])


def search_params(
    settings: QdrantSettings, *, exact: bool, quantised: bool
) -> models.SearchParams | None:
    """Return how to search; local mode knows one way only."""
    if settings.is_local:
        return None
    rescored = models.QuantizationSearchParams(rescore=True, oversampling=settings.oversampling)
    return models.SearchParams(
        exact=exact,
        hnsw_ef=settings.search_ef,
        quantization=rescored if quantised and not exact else None,
    )


def _hits(points: Iterable[models.ScoredPoint], question: Question) -> list[Hit]:
    """Return the best k of those that match, no id twice."""
    best: dict[str, Hit] = {}
    for point in points:
        document = to_document(point.payload)
        if document is None or not _is_match(question, document):
            continue
        hit = Hit(document, min(1.0, max(-1.0, float(point.score))))
        if document.id not in best or best[document.id].score < hit.score:
            best[document.id] = hit
    return sorted(best.values(), key=lambda hit: (-hit.score, hit.id))[: question.k]


def _is_match(question: Question, document: Document) -> bool:
    return question.asked.exact or question.where is None or matches(question.where, document)


def _parts(searches: list[_Search]) -> Iterable[list[_Search]]:
    """Yield the searches in parts that one request can answer."""
    part: list[_Search] = []
    room = _HITS_AT_ONCE
    for search in searches:
        if part and (len(part) == _QUERIES_AT_ONCE or search.limit > room):
            yield part
            part, room = [], _HITS_AT_ONCE
        part.append(search)
        room -= search.limit
    if part:
        yield part
