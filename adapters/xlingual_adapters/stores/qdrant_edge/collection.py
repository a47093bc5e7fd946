"""One collection of an Edge store: the port, in terms of the rooms beside it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import qdrant_edge as edge
from numpy.typing import NDArray

from xlingual_adapters.stores.qdrant_edge import kept, reading, shards, writing
from xlingual_adapters.stores.qdrant_edge.settings import QdrantEdgeSettings
from xlingual_adapters.stores.qdrant_edge.shape import configuration
from xlingual_adapters.stores.qdrant_points.filters import Translation, translate
from xlingual_adapters.stores.qdrant_points.ids import document_point
from xlingual_adapters.stores.qdrant_points.payload import HASH_ONLY, LANG, OWN, WITHOUT_TEXT
from xlingual_qdrant.documents import Document, Hit, JsonValue, WriteReceipt
from xlingual_qdrant.errors import StoreUnavailable
from xlingual_qdrant.filters import Filter, matches
from xlingual_qdrant.folders import CollectionFolders
from xlingual_qdrant.ports import ScanBatch, Vectors
from xlingual_qdrant.schema import CollectionSchema
from xlingual_qdrant.vectors import check_rows

_MOST_LANGUAGES = 10_000
_SCROLLED_AT_ONCE = 2_000
_UNIT = 1e-3
"""How far from 1 the length of a sound vector may be."""


class QdrantEdgeCollection:
    """Documents in the points of a shard, which this process alone has open.

    Every write is flushed before its receipt. A filter that the engine cannot decide exactly
    is narrowed by it and decided here.
    """

    def __init__(
        self, folders: CollectionFolders, folder: Path, name: str, settings: QdrantEdgeSettings
    ) -> None:
        """folder: that of the generation."""
        self._folders = folders
        self._folder = folder
        self._settings = settings
        self._schema = schema = kept.read_schema(folder, name)
        self._opened: shards.Shard | None = shards.attach(
            folder, lambda: configuration(schema, settings)
        )

    @property
    def schema(self) -> CollectionSchema:
        """As it was created."""
        return self._schema

    def write(self, documents: Sequence[Document], vectors: Vectors) -> WriteReceipt:
        """Insert or replace documents; they are on disk when this returns.

        If it fails, some of the documents may have been written; to write all again is safe.
        """
        checked = check_rows(vectors, len(documents), self._schema)
        if not documents:
            return WriteReceipt(0, 0)
        last = {document.id: row for row, document in enumerate(documents)}
        rows = list(last.values())
        if len(rows) < len(documents):
            documents, checked = [documents[row] for row in rows], checked[rows]
        points = [document_point(id) for id in last]
        operations = list(writing.upserts(documents, points, checked))
        shard = self._shard
        with shard.writing():
            known = reading.existing(shard, points)
            writing.apply(shard, operations)
        return WriteReceipt(len(points) - len(known), len(known))

    def fetch(self, ids: Sequence[str]) -> list[Document | None]:
        """Return the documents in the order of the ids."""
        found = reading.points(self._shard, ids, payload=True)
        documents = {id: reading.document_of(found[id], str(self._folder.parent)) for id in found}
        return [documents.get(id) for id in ids]

    def fetch_vectors(self, ids: Sequence[str]) -> list[NDArray[np.float32] | None]:
        """Return the vectors in the order of the ids."""
        found = reading.points(self._shard, ids, payload=False, with_vectors=True)
        return [reading.vector_of(found[id]) if id in found else None for id in ids]

    def content_hashes(self, ids: Sequence[str]) -> list[bytes | None]:
        """Return the content hashes in the order of the ids."""
        found = reading.points(self._shard, ids, payload=HASH_ONLY)
        hashes = {
            id: bytes.fromhex((record.payload or {})[OWN]["hash"]) for id, record in found.items()
        }
        return [hashes.get(id) for id in ids]

    def delete(self, ids: Sequence[str]) -> int:
        """Delete documents; return how many were there."""
        shard = self._shard
        with shard.writing():
            wanted = list(dict.fromkeys(map(document_point, ids)))
            return writing.remove(shard, reading.existing(shard, wanted))

    def delete_where(self, where: Filter) -> int:
        """Delete the documents that match; return how many did."""
        shard = self._shard
        with shard.writing():
            matching = [document_point(document.id) for document in self._matching(where)]
            return writing.remove(shard, matching)

    def count(self, where: Filter | None = None) -> int:
        """Return the number of documents that match."""
        asked = self._translated(where)
        if asked.condition is False:
            return 0
        if not asked.exact:
            return sum(1 for _ in self._matching(where))
        request = edge.CountRequest(exact=True, filter=reading.edge_filter(asked))
        return self._shard.ask(lambda engine: engine.count(request))

    def count_by_language(self, where: Filter | None = None) -> dict[str, int]:
        """Return the number of documents per tag; counted by the engine if it can."""
        asked = self._translated(where)
        if asked.condition is False:
            return {}
        if not asked.exact:
            return dict(Counter(document.lang for document in self._matching(where)))
        request = edge.FacetRequest(
            LANG, limit=_MOST_LANGUAGES, exact=True, filter=reading.edge_filter(asked)
        )
        answer = self._shard.ask(lambda engine: engine.facet(request))
        return {str(hit.value): hit.count for hit in answer.hits if hit.count}

    def scan(
        self,
        where: Filter | None = None,
        *,
        with_vectors: bool = False,
        batch: int = 1000,
        after: str | None = None,
    ) -> Iterator[ScanBatch]:
        """Yield the documents that match, in the order of their points.

        Each batch is the newest state; an id that is deleted meanwhile ends nothing.
        """
        asked = self._translated(where)
        pages = reading.scroll(
            self._shard, asked, True, batch=batch, with_vectors=with_vectors,
            after=None if after is None else document_point(after),
        )  # fmt: skip
        for page in pages:
            pairs = [(each, reading.document_of(each, str(self._folder.parent))) for each in page]
            if not asked.exact and where is not None:
                pairs = [pair for pair in pairs if matches(where, pair[1])]
            if pairs:
                vectors = (
                    np.stack([reading.vector_of(r) for r, _ in pairs]) if with_vectors else None
                )
                yield ScanBatch([document for _, document in pairs], vectors)

    def search(
        self, queries: Vectors, k: int, *, where: Filter | None = None, exact: bool = False
    ) -> list[list[Hit]]:
        """Return the k nearest for each query; a batch of queries is planned as one."""
        checked = check_rows(queries, len(queries), self._schema)
        asked = self._translated(where)
        if asked.condition is False:
            return [[] for _ in checked]
        return reading.nearest(self._shard, checked, k, where, asked, self._settings, exact=exact)

    def read_state(self, key: str) -> bytes | None:
        """Return what was kept under this key."""
        with self._shard.reading():
            return kept.read_state(self._folder, key)

    def write_state(self, key: str, value: bytes | None) -> None:
        """Keep bytes under a key; None forgets them."""
        with self._shard.writing():
            kept.write_state(self._folder, key, value)

    def states(self) -> list[str]:
        """Return the keys, sorted."""
        with self._shard.reading():
            return kept.states(self._folder)

    def damaged_ids(self) -> list[str]:
        """Return the ids whose vectors have not the length 1: the engine has no checksums."""
        everything = self._translated(None)
        return [
            reading.document_of(record, str(self._folder.parent)).id
            for page in reading.scroll(
                self._shard, everything, WITHOUT_TEXT, batch=_SCROLLED_AT_ONCE, with_vectors=True
            )
            for record in page
            if not abs(float(np.linalg.norm(reading.vector_of(record))) - 1) < _UNIT
        ]

    def describe(self) -> dict[str, JsonValue]:
        """Return path, bytes on disk, the index, and how many documents are in it."""
        info = self._shard.ask(lambda engine: engine.info())
        return {
            "path": str(self._folder.parent),
            "bytes": _bytes_in(self._folder),
            "index": "hnsw" if info.indexed_vectors_count else "exact",
            "indexed": info.indexed_vectors_count,
            "segments": info.segments_count,
        }

    def compact(self) -> None:
        """Give back the room of what was deleted, build an index that is due; may take long.

        The engine holds up the other threads of the process meanwhile.
        """
        shard = self._shard
        with shard.writing():
            shard.ask(lambda engine: engine.optimize())
            shard.ask(lambda engine: engine.flush())
            self._folders.remove_replaced(self._folder)

    def flush(self) -> None:
        """Build an index if it is due, which may take long; documents are on disk already."""
        shard = self._shard
        with shard.reading():
            info = shard.ask(lambda engine: engine.info())
            if info.points_count - info.indexed_vectors_count < self._settings.index_from:
                return
        with shard.writing():
            shard.ask(lambda engine: engine.optimize())
            shard.ask(lambda engine: engine.flush())

    def keep_writing(self) -> None:
        """Let nobody else write to the collection of this name until this is closed."""
        self._shard.keep_writing()

    @property
    def is_closed(self) -> bool:
        """It was closed, by itself or by its store."""
        return self._opened is None

    def close(self) -> None:
        """Give back the shard, which the last of its handles closes."""
        shard, self._opened = self._opened, None
        if shard is not None:
            shards.detach(shard)

    @property
    def _shard(self) -> shards.Shard:
        if self._opened is None:
            where = str(self._folder.parent)
            raise StoreUnavailable(where, "the collection is closed; open it again")
        return self._opened

    def _translated(self, where: Filter | None) -> Translation:
        return translate(where, self._schema.fields)

    def _matching(self, where: Filter | None) -> Iterator[Document]:
        """Yield the documents that match, without their texts."""
        asked = self._translated(where)
        for page in reading.scroll(self._shard, asked, WITHOUT_TEXT, batch=_SCROLLED_AT_ONCE):
            for record in page:
                document = reading.document_of(record, str(self._folder.parent))
                if asked.exact or where is None or matches(where, document):
                    yield document


def _bytes_in(folder: Path) -> int:
    """Return the room on disk, which is less than the lengths of the engine's sparse files."""
    total = 0
    for path, _, names in os.walk(folder):
        for name in names:
            found = Path(path, name).stat()
            total += getattr(found, "st_blocks", found.st_size / 512) * 512
    return int(total)
