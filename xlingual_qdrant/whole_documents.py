"""A stored collection as its documents: whoever asks here never meets a chunk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property

from xlingual_qdrant import chunks
from xlingual_qdrant.documents import Document, Hit
from xlingual_qdrant.filters import Filter, combine
from xlingual_qdrant.grouping import search_by_language
from xlingual_qdrant.ports import ScanBatch, StoredCollection, Vectors

_AT_ONCE = 4096


class WholeDocuments:
    """Documents of a stored collection, of which some may lie there in parts.

    Asking whether there are parts costs a look into the store, so it is asked once they matter.
    """

    def __init__(self, stored: StoredCollection) -> None:
        self.stored = stored
        self._chunks_seen = False  # there are none without a document, so they never go away

    @property
    def has_chunks(self) -> bool:
        """Whether any document was ever divided here."""
        self._chunks_seen = self._chunks_seen or chunks.has_chunks(self.stored)
        return self._chunks_seen

    @cached_property
    def _had_chunks(self) -> bool:
        return self.has_chunks

    # ------------------------------------------------------------ reading

    def fetch(self, ids: Sequence[str]) -> list[Document | None]:
        """Return the documents in the order of the ids, None where there is none."""
        there = self.stored.fetch(ids)
        return [None if each is None or chunks.is_chunk(each) else each for each in there]

    def scan(
        self,
        where: Filter | None,
        *,
        with_vectors: bool = False,
        batch: int = 1000,
        after: str | None = None,
    ) -> Iterator[ScanBatch]:
        """Yield the documents that match, in the order of the store."""
        return self.stored.scan(
            self.only(where), with_vectors=with_vectors, batch=batch, after=after
        )

    def count(self, where: Filter | None) -> int:
        """Return how many documents match."""
        return self.stored.count(self.only(where))

    def count_by_language(self, where: Filter | None = None) -> dict[str, int]:
        """Return the number of documents per tag."""
        return self.stored.count_by_language(self.only(where))

    def chunk_count(self) -> int:
        """Return how many parts there are."""
        return self.stored.count(~chunks.IS_DOCUMENT) if self.has_chunks else 0

    def only(self, where: Filter | None) -> Filter | None:
        """Return a condition that no chunk meets."""
        return combine(where, chunks.IS_DOCUMENT) if self.has_chunks else where

    # ------------------------------------------------------------ deleting

    def delete(self, ids: Sequence[str]) -> int:
        """Delete documents with their parts; return how many documents there were."""
        return chunks.delete(self.stored, ids) if self.has_chunks else self.stored.delete(ids)

    def delete_where(self, where: Filter) -> int:
        """Delete the documents that match, with their parts; return how many did."""
        if not self.has_chunks:
            return self.stored.delete_where(where)
        matching = self.stored.scan(combine(where, chunks.IS_DOCUMENT))
        doomed = [document.id for batch in matching for document in batch.documents]
        parts = range(0, len(doomed), _AT_ONCE)
        return sum(chunks.delete(self.stored, doomed[row : row + _AT_ONCE]) for row in parts)

    # ------------------------------------------------------------ searching

    def nearest(
        self, queries: Vectors, k: int, where: Filter | None, *, exact: bool
    ) -> list[list[Hit]]:
        """Return the k nearest documents of each query, with the nearest parts of divided ones."""
        found = chunks.nearest_documents(
            self.stored, queries, k, where=self.of_parts(where), exact=exact
        )
        return self.with_parts(queries, found)

    def nearest_rows(
        self,
        queries: Vectors,
        k: int,
        where: Filter | None,
        *,
        exact: bool,
        each_language: bool = False,
    ) -> list[list[Hit]]:
        """Return the k nearest rows of each query, or of each language; a row may be a chunk."""
        condition = self.of_parts(where)
        if not each_language:
            return self.stored.search(queries, k, where=condition, exact=exact)
        groups = search_by_language(self.stored, queries, k, where=condition, exact=exact)
        return [[hit for hits in group.values() for hit in hits] for group in groups]

    def of_parts(self, where: Filter | None) -> Filter | None:
        """Return a condition under which a chunk passes if its document does."""
        if where is None:
            return None
        widened = chunks.with_parts(where)
        return widened if widened != where and self.has_chunks else where

    def of_rows(self, rows: list[list[Hit]]) -> list[list[Hit]]:
        """Return the hits with each chunk replaced by its document, each document once."""
        return list(chunks.of_documents(self.stored, rows))

    def with_parts(self, queries: Vectors, found: list[list[Hit]]) -> list[list[Hit]]:
        """Return the hits, each of a divided document with its nearest part."""
        self._chunks_seen |= any(hit.chunk is not None for hits in found for hit in hits)
        # Not asked for each time, which a server would feel: where another process divides the
        # first document meanwhile, the first hit by a part tells of it.
        if not (self._chunks_seen or self._had_chunks):
            return found
        return chunks.with_nearest_parts(self.stored, queries, found)
