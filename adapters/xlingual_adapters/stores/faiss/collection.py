"""One collection in its folder: the port, in terms of the rooms beside it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import astuple
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xlingual_adapters.stores.faiss import compaction, reading, writing
from xlingual_adapters.stores.faiss.catalog import rows_of_ids
from xlingual_adapters.stores.faiss.connections import Connections, View
from xlingual_adapters.stores.faiss.filtering import Candidates, Filtering, living
from xlingual_adapters.stores.faiss.indexes import Indexes
from xlingual_adapters.stores.faiss.settings import FaissSettings
from xlingual_adapters.stores.faiss.snapshot import IndexEntry, Segment, Snapshot
from xlingual_adapters.stores.faiss.vectors import FOLDER
from xlingual_adapters.stores.faiss.writing import Transaction
from xlingual_qdrant.documents import Document, Hit, JsonValue, WriteReceipt
from xlingual_qdrant.errors import CollectionDamaged, StoreError
from xlingual_qdrant.filters import Filter
from xlingual_qdrant.folders import CollectionFolders
from xlingual_qdrant.lock import WriteLock
from xlingual_qdrant.ports import ScanBatch, Vectors
from xlingual_qdrant.schema import CollectionSchema
from xlingual_qdrant.vectors import check_rows

_log = logging.getLogger(__name__)


class FaissCollection:
    """Documents in SQLite, vectors in a file per language, indexes as caches.

    The first write takes the writer's lock, `close` gives it back. Any number of processes
    and threads may read meanwhile; every call sees one committed state, the newest.

    folder: of one generation. When another one takes its place this one can be read until
    compaction removes it, but not be written any more.
    """

    def __init__(
        self, folder: Path, settings: FaissSettings, collections: CollectionFolders
    ) -> None:
        self._connections = Connections(folder)
        self.generation = folder
        """The folder of all files of this opening."""
        self._collections = collections
        self._filtering = Filtering(self.schema.fields)
        self._indexes = Indexes(folder, settings)
        self._building = threading.Lock()

    @property
    def schema(self) -> CollectionSchema:
        """As it was created."""
        return self._connections.schema

    def write(self, documents: Sequence[Document], vectors: Vectors) -> WriteReceipt:
        """Insert or replace documents; they are on disk when this returns."""
        checked = check_rows(vectors, len(documents), self.schema)
        if not documents:
            return WriteReceipt(0, 0)
        receipt = self._connections.write(lambda tx: writing.write(tx, documents, checked))
        if receipt.updated:
            self._compact_overdue()
        return receipt

    def fetch(self, ids: Sequence[str]) -> list[Document | None]:
        """Return the documents in the order of the ids."""
        return self._connections.read(
            lambda view: reading.fetch(view.connection, view.snapshot, ids)
        )

    def fetch_vectors(self, ids: Sequence[str]) -> list[NDArray[np.float32] | None]:
        """Return the vectors in the order of the ids; raises CollectionDamaged."""
        return self._connections.read(
            lambda view: reading.fetch_vectors(view.searching, view.connection, view.snapshot, ids)
        )

    def content_hashes(self, ids: Sequence[str]) -> list[bytes | None]:
        """Return the content hashes in the order of the ids."""
        return self._connections.read(lambda view: reading.hashes(view.connection, ids))

    def delete(self, ids: Sequence[str]) -> int:
        """Delete documents; return how many were there."""
        found = self._connections.read(lambda view: rows_of_ids(view.connection, ids))
        if not found:
            return 0
        count = self._connections.write(
            lambda tx: writing.bury(tx.connection, rows_of_ids(tx.connection, ids).values())
        )
        self._compact_overdue()
        return count

    def delete_where(self, where: Filter) -> int:
        """Delete the documents that match; return how many did."""

        def bury(tx: Transaction) -> int:
            candidates = self._filtering.candidates(tx.connection, tx.snapshot, where)
            return sum(writing.bury(tx.connection, part.rows()) for part in candidates)

        if not self.count(where):
            return 0
        count = self._connections.write(bury)
        self._compact_overdue()
        return count

    def count(self, where: Filter | None = None) -> int:
        """Return the number of documents that match."""
        return sum(self.count_by_language(where).values())

    def count_by_language(self, where: Filter | None = None) -> dict[str, int]:
        """Return the number of documents per tag."""
        candidates = self._connections.read(lambda view: self._candidates(view, where))
        return {part.segment.lang: part.count for part in candidates}

    def scan(
        self,
        where: Filter | None = None,
        *,
        with_vectors: bool = False,
        batch: int = 1000,
        after: str | None = None,
    ) -> Iterator[ScanBatch]:
        """Yield the documents that match, ordered by id; each batch is the newest state."""

        def read(view: View) -> ScanBatch:
            candidates = None if where is None else self._candidates(view, where)
            rows, documents = reading.next_documents(
                view.connection, view.snapshot, candidates, batch, after
            )
            vectors = None
            if with_vectors:
                vectors = reading.gather(view.searching, view.snapshot, rows)
            return ScanBatch(documents, vectors)

        while (found := self._connections.read(read)).documents:
            yield found
            after = found.documents[-1].id
            if len(found.documents) < batch:
                return

    def search(
        self, queries: Vectors, k: int, *, where: Filter | None = None, exact: bool = False
    ) -> list[list[Hit]]:
        """Return the k nearest for each query; raises CollectionDamaged."""
        checked = check_rows(queries, len(queries), self.schema)
        approximate = None if exact or self._indexes.setting == "exact" else self._indexes.near
        return self._connections.read(
            lambda view: view.searching.hits(self._candidates(view, where), checked, k, approximate)
        )

    def read_state(self, key: str) -> bytes | None:
        """Return what was kept under this key."""
        return self._connections.read(lambda view: reading.state(view.connection, key))

    def write_state(self, key: str, value: bytes | None) -> None:
        """Keep bytes under a key; None forgets them."""
        self._connections.write(
            lambda tx: writing.keep_state(tx.connection, key, value), visible=False
        )

    def states(self) -> list[str]:
        """Return the keys under which something is kept, sorted."""
        return self._connections.read(lambda view: reading.states(view.connection))

    def describe(self) -> dict[str, JsonValue]:
        """Return path, bytes, dead rows, and per language what a search uses.

        The bytes are those of all generations, as `compact` may give some of them back.
        """
        snapshot = self._snapshot()
        segments = sorted(snapshot.segments.values(), key=lambda segment: segment.lang)
        return {
            "path": self._connections.where,
            "bytes": reading.bytes_in(self.generation.parent),
            "index": self._indexes.setting,
            "indexes": {s.lang: self._indexes.describe(s) for s in segments if s.alive},
            "dead": sum(len(segment.dead) for segment in segments),
            "commits": snapshot.tick,
        }

    def damaged_ids(self) -> list[str]:
        """Read all vectors, and return the ids of those that do not match their checksums."""

        def read(view: View) -> list[str]:
            for segment in view.snapshot.segments.values():
                segment.file.forget_checks()
            return view.searching.damaged(self._candidates(view, None))

        return self._connections.read(read)

    def compact(self) -> None:
        """Give back the room of dead rows and of what was replaced; build indexes that are due.

        Raises CollectionDamaged if a living vector is damaged.
        """
        # First, because it only gives back room, and all else needs some.
        with self._connections.writing_alone():
            self._collections.remove_replaced(self.generation)
        segments = self._snapshot().segments.values()
        self._compact([segment.number for segment in segments if segment.dead.size])
        self._connections.vacuum()
        self._build_indexes()
        self._remove_unused_files()

    def flush(self) -> None:
        """Build indexes that are due, if this opening has written; documents are on disk."""
        if self._connections.is_writer:
            self._build_indexes()

    @property
    def is_closed(self) -> bool:
        """It was closed, by itself or by its store."""
        return self._connections.is_closed

    def start_writing(self) -> None:
        """Take the writer's lock, as the first write does otherwise."""
        with self._connections.writing_alone():
            pass

    def hand_over(self) -> WriteLock | None:
        """Stop writing, and return the lock if this holds it; the next write takes it again."""
        return self._connections.hand_over()

    def close(self) -> None:
        """Give back the lock and all files; indexes that are due are left to a `flush`."""
        self._connections.close()

    def _candidates(self, view: View, where: Filter | None) -> list[Candidates]:
        return self._filtering.candidates(view.connection, view.snapshot, where)

    def _snapshot(self) -> Snapshot:
        return self._connections.read(lambda view: view.snapshot)

    def _compact_overdue(self) -> None:
        """Compact what is overdue after a write; the write is kept whatever comes of this."""
        try:
            segments = self._snapshot().segments.values()
            overdue = [segment.number for segment in segments if compaction.overdue(segment)]
            if overdue:
                self._compact(overdue)
                self._remove_unused_files()
        except CollectionDamaged:
            pass  # the next reader's news
        except StoreError as exc:
            _log.warning("the write is kept, but the compaction that was due failed: %s", exc)

    def _compact(self, numbers: Sequence[int]) -> None:
        for number in numbers:

            def compact(tx: Transaction, number: int = number) -> None:
                segment = tx.snapshot.segments.get(number)
                if segment is not None:  # else another thread was quicker
                    self._connections.check(tx, segment)
                    compaction.compact(tx, segment)

            self._connections.write(compact)

    def _build_indexes(self) -> None:
        # Two threads never build the same one; writing goes on meanwhile.
        with self._building:
            for segment in self._snapshot().segments.values():
                if self._indexes.due(segment):
                    self._build_index(segment)

    def _build_index(self, segment: Segment) -> None:
        def build(view: View) -> IndexEntry | None:
            newest = view.snapshot.segments.get(segment.number)
            if newest is None:  # compacted meanwhile
                return None
            view.searching.check([living(newest)])
            return self._indexes.build(newest)

        try:
            entry = self._connections.read(build)
            if entry is not None:
                values = (segment.number, *astuple(entry))
                self._connections.write(partial(_register, values=values))
        except CollectionDamaged as exc:
            _log.warning("no index for '%s': %s", segment.lang, exc)
        finally:
            self._indexes.end_build()
        self._remove_unused_files()

    def _remove_unused_files(self) -> None:
        """Delete files that the newest state does not name; who reads them has them open.

        No write is open meanwhile: the files of one are not named before it is committed.
        """
        with self._connections.writing_alone():
            segments = self._snapshot().segments.values()
            self._indexes.remove_all_but({s.index.file for s in segments if s.index})
            vectors = {segment.file.path.name for segment in segments}
            for path in (self.generation / FOLDER).iterdir():
                if path.name not in vectors:
                    # Windows keeps a file that is mapped: a later round gets it.
                    with suppress(PermissionError):
                        path.unlink(missing_ok=True)


def _register(tx: Transaction, values: tuple[Any, ...]) -> None:
    if values[0] in tx.snapshot.segments:
        tx.connection.execute("INSERT OR REPLACE INTO indexes VALUES (?, ?, ?, ?, ?, ?)", values)
