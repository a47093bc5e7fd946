"""The Edge store: a folder that holds a folder per collection."""

from __future__ import annotations

import builtins
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import qdrant_edge as edge

from xlingual_adapters.stores.qdrant_edge import kept, shards
from xlingual_adapters.stores.qdrant_edge.collection import QdrantEdgeCollection
from xlingual_adapters.stores.qdrant_edge.faults import engine_faults
from xlingual_adapters.stores.qdrant_edge.settings import QdrantEdgeSettings
from xlingual_adapters.stores.qdrant_edge.shape import configuration, create_indexes
from xlingual_qdrant.errors import StoreError
from xlingual_qdrant.folders import CollectionFolders
from xlingual_qdrant.ports import Capabilities
from xlingual_qdrant.schema import CollectionSchema


class QdrantEdgeStore:
    """Collections in the folders below `settings.path`, which is made when one is created."""

    def __init__(self, settings: QdrantEdgeSettings) -> None:
        self._settings = settings
        self._folders = CollectionFolders(settings.path)
        self._opening = threading.Lock()
        self._opened: builtins.list[QdrantEdgeCollection] = []

    @property
    def capabilities(self) -> Capabilities:
        """On disk, with an index for large collections; one process at a time."""
        return Capabilities(
            persistent=True, approximate=True, concurrent_writers=False, aliases=True
        )

    @property
    def location(self) -> str:
        """The folder."""
        return str(self._folders.place)

    def create(self, schema: CollectionSchema) -> QdrantEdgeCollection:
        """Create a collection, all of it or nothing; raises CollectionExists."""
        folder = self._folders.create(schema.name, lambda made: self._fill(made, schema))
        return self._open(folder, schema.name)

    def open(self, name: str) -> QdrantEdgeCollection:
        """Open a collection; raises CollectionMissing, CollectionLocked, FormatTooNew,
        CollectionDamaged, or StoreUnavailable if it is of another kind of store.
        """
        return self._open(self._folders.current(name), name)

    def drop(self, name: str) -> None:
        """Remove a collection for good; raises CollectionMissing, CollectionLocked.

        Who has it open in this process has it no more.
        """
        folder = self._ours(name)
        with shards.turn(folder.parent):
            shards.close_all_below(folder.parent)
            lock = shards.use_lock(folder)
            try:
                self._folders.drop(name)
            finally:
                lock.release()

    def list(self) -> builtins.list[str]:
        """Return the names of the collections, sorted; those of other stores are left out."""
        return [
            name
            for name in self._folders.list()
            if (self._folders.current(name) / kept.SCHEMA).is_file()
        ]

    def begin_replacement(self, schema: CollectionSchema) -> QdrantEdgeCollection:
        """Return the collection that is to take the place of the one of this name.

        Until it is closed or finished nothing is written into the collection, by whatever
        handle, that the replacement would lack: CollectionLocked is raised.
        """
        with self._stopped(schema.name):
            begun = self._folders.replacement(schema.name)
            if begun is None or kept.read_schema(begun, schema.name) != schema:
                begun = self._folders.begin_replacement(
                    schema.name, lambda made: self._fill(made, schema)
                )
            collection = self._open(begun, schema.name)
            try:
                collection.keep_writing()
            except StoreError:
                collection.close()
                raise
            return collection

    def finish_replacement(self, name: str) -> None:
        """Put the replacement in the place of the collection.

        If the replacement is still open it hands its right to write over: nobody writes in
        between.
        """
        collection = self._ours(name).parent
        with shards.turn(collection):
            self._folders.finish_replacement(name, lock=shards.hand_over(collection))

    def discard_replacement(self, name: str) -> None:
        """Remove a replacement that was begun, if there is one."""
        with self._stopped(name):
            self._folders.discard_replacement(name)

    def close(self) -> None:
        """Close the collections that were opened here."""
        with self._opening:
            opened, self._opened = self._opened, []
        for collection in opened:
            collection.close()

    @contextmanager
    def _stopped(self, name: str) -> Generator[None]:
        """Let nobody in this process write to a collection, not even one that kept the right."""
        collection = self._ours(name).parent
        with shards.turn(collection):
            if (right := shards.hand_over(collection)) is not None:
                right.release()
            yield

    def _ours(self, name: str) -> Path:
        """Return the current generation; raises CollectionMissing, or what `open` raises."""
        folder = self._folders.current(name)
        kept.read_schema(folder, name)
        return folder

    def _open(self, folder: Path, name: str) -> QdrantEdgeCollection:
        collection = QdrantEdgeCollection(self._folders, folder, name, self._settings)
        with self._opening:
            self._opened = [each for each in self._opened if not each.is_closed]
            self._opened.append(collection)
        return collection

    def _fill(self, folder: Path, schema: CollectionSchema) -> None:
        kept.write_schema(folder, schema)
        shards.check_room(folder, shards.ROOM_TO_WRITE, self.location)
        with engine_faults(self.location):
            shard = edge.EdgeShard.create(
                str(folder / shards.FOLDER), configuration(schema, self._settings)
            )
            try:
                create_indexes(shard, schema)
                shard.flush()
            finally:
                shard.close()
