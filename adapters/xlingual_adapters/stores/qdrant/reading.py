"""Reads: points by id, and all that match, in the order of the points."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from qdrant_client import models

from xlingual_adapters.stores.qdrant.asking import Asks
from xlingual_adapters.stores.qdrant_points.filters import Translation
from xlingual_adapters.stores.qdrant_points.ids import document_point
from xlingual_adapters.stores.qdrant_points.payload import ID_ONLY, WITHOUT_TEXT, to_document
from xlingual_qdrant.documents import Document
from xlingual_qdrant.filters import Filter, matches

_FETCHED_AT_ONCE = 256
_SCROLLED_AT_ONCE = 2_000
_PAGE_BYTES = 4 << 20
"""About what an answer to a scan may weigh."""
_FIRST_PAGE = 100
"""Documents of a scan's first page, when nothing is known yet of their size."""
_NUMBER_BYTES = 14
"""Characters of a component of a vector, with its comma."""


class Scanned(NamedTuple):
    """One document of a scan, and its vector if it was asked for."""

    document: Document
    vector: NDArray[np.float32] | None


class Reader:
    """The requests of one collection that look points up or run through them."""

    def __init__(self, connection: Asks, collection: str) -> None:
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
        payload = ID_ONLY if asked.exact else WITHOUT_TEXT
        offset: Any = None
        while True:
            records, offset = self._page(asked, payload, offset, _SCROLLED_AT_ONCE)
            for record in records:
                document = to_document(record.payload)
                if document is not None and _decided(where, asked, document):
                    yield document
            if offset is None:
                return

    def scan(
        self,
        where: Filter | None,
        asked: Translation,
        *,
        after: str | None,
        with_vectors: bool,
        at_once: int,
    ) -> Iterator[Scanned]:
        """Yield whole documents that match, in the order of the points, behind one of them.

        at_once: how many the caller takes at a time. Pages are as large as what came before
        lets expect to be good: texts of a line, or of a book.
        """
        if asked.condition is False:
            return
        last = None if after is None else document_point(after)
        offset: Any = last
        limit = min(_SCROLLED_AT_ONCE, max(_FIRST_PAGE, at_once))
        if not self._connection.is_local:
            limit = _FIRST_PAGE
        while True:
            records, offset = self._page(asked, True, offset, limit, with_vectors)
            weight = 0
            for record in records:
                # A page begins with the point that it begins behind, if that is still there;
                # and of a document that is moving to another shard there are two copies.
                if str(record.id) == last:
                    continue
                last = str(record.id)
                document = to_document(record.payload)
                if document is None:
                    continue
                weight += _weight(document, record)
                if _decided(where, asked, document):
                    yield Scanned(document, vector_of(record) if with_vectors else None)
            if offset is None:
                return
            if not self._connection.is_local:
                limit = _next_limit(len(records), weight, at_once)

    def _page(
        self, asked: Translation, payload: bool | list[str], offset: Any, limit: int,
        with_vectors: bool = False,
    ) -> tuple[list[models.Record], Any]:  # fmt: skip
        return self._connection.ask(
            lambda client: client.scroll(
                self._collection, asked.of_documents(), limit=limit, offset=offset,
                with_payload=payload, with_vectors=with_vectors, consistency=self._consistency,
            )
        )  # fmt: skip


def vector_of(record: models.Record) -> NDArray[np.float32]:
    """Return the vector of a point, shape (dimension,)."""
    return np.asarray(record.vector, dtype=np.float32)


def _decided(where: Filter | None, asked: Translation, document: Document) -> bool:
    return asked.exact or where is None or matches(where, document)


def _weight(document: Document, record: models.Record) -> int:
    """Return about how many bytes a point is on the wire."""
    vector = record.vector
    numbers = len(vector) if isinstance(vector, list) else 0
    # The payload has the text once, and metadata up to twice; it is not worth a serialisation.
    return 2 * len(document.text) + 2 * len(str(document.metadata)) + _NUMBER_BYTES * numbers + 500


def _next_limit(count: int, weight: int, at_once: int) -> int:
    """Return how many points to ask for, after so many of that weight."""
    fitting = _PAGE_BYTES * max(1, count) // max(1, weight)
    return max(1, min(fitting, _SCROLLED_AT_ONCE, max(_FIRST_PAGE, at_once)))
