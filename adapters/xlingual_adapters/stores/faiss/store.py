"""The local store: a folder that holds a folder per collection."""

from __future__ import annotations

import builtins
import threading
from pathlib import Path

from xlingual_adapters.stores.faiss import catalog
from xlingual_adapters.stores.faiss.collection import FaissCollection
from xlingual_adapters.stores.faiss.faults import translated
from xlingual_adapters.stores.faiss.settings import FaissSettings
from xlingual_adapters.stores.faiss.vectors import FOLDER
from xlingual_qdrant.errors import CollectionDamaged, StoreError
from xlingual_qdrant.folders import CollectionFolders, Fill
from xlingual_qdrant.ports import Capabilities
from xlingual_qdrant.schema import CollectionSchema


class FaissStore:
    """Collections in the folders below `settings.path`, which is made when one is created."""

    def __init__(self, settings: FaissSettings) -> None:
        self._settings = settings
        self._folders = CollectionFolders(settings.path, marker=catalog.DATABASE)
        self._opening = threading.Lock()
        self._opened: builtins.list[FaissCollection] = []

    @property
    def capabilities(self) -> Capabilities:
        """On disk, one writer at a time; approximate where the settings allow an index."""
        return Capabilities(
            persistent=True,
            approximate=self._settings.index != "exact",
            concurrent_writers=False,
            aliases=True,
        )

    @property
    def location(self) -> str:
        """The folder."""
        return str(self._folders.place)

    def create(self, schema: CollectionSchema) -> FaissCollection:
        """Create a collection, all of it or nothing; raises CollectionExists."""
        self._folders.create(schema.name, self._fill(schema))
        return self.open(schema.name)

    def open(self, name: str) -> FaissCollection:
        """Open a collection; raises CollectionMissing, FormatTooNew or CollectionDamaged."""
        failed = None
        while True:
            generation = self._folders.current(name)
            try:
                return self._open(generation)
            except StoreError:
                if generation == failed:
                    raise
                failed = generation  # once more: it was replaced, or made anew, perhaps

    def drop(self, name: str) -> None:
        """Remove a collection for good; raises CollectionMissing, or CollectionLocked.

        Its folder gets another name first, so that nothing half removed is ever found.
        """
        for collection in self._mine(name):
            collection.close()
        self._folders.drop(name)

    def begin_replacement(self, schema: CollectionSchema) -> FaissCollection:
        """Return the collection that is to take the place of the one of this name.

        It is the writer from now on, so that nothing is written into the collection meanwhile
        that the replacement would lack; who was the writer through this store is it no more.
        Raises CollectionMissing, or CollectionLocked if another is the writer.
        """
        self._stop_writing(schema.name)
        while True:
            begun = self._begun(schema)
            if begun is None:
                made = self._folders.begin_replacement(schema.name, self._fill(schema))
                begun = self._open(made)
            try:
                begun.start_writing()
                if begun.generation == self._folders.replacement(schema.name):
                    return begun
            except StoreError:
                begun.close()
                raise
            begun.close()  # another process has just finished it

    def finish_replacement(self, name: str) -> None:
        """Put the replacement in the place of the collection.

        If the replacement is still open it hands its lock over: nobody writes in between.
        Raises CollectionMissing, ReplacementMissing, or CollectionLocked if another is the writer.
        """
        held = [lock for each in self._mine(name) if (lock := each.hand_over()) is not None]
        self._folders.finish_replacement(name, lock=held[0] if held else None)

    def discard_replacement(self, name: str) -> None:
        """Remove a replacement that was begun, if there is one; raises CollectionMissing."""
        self._stop_writing(name)
        self._folders.discard_replacement(name)

    def list(self) -> builtins.list[str]:
        """Return the names of the collections, sorted."""
        return self._folders.list()

    def close(self) -> None:
        """Close the collections that were opened here."""
        with self._opening:
            opened, self._opened = self._opened, []
        for collection in opened:
            collection.close()

    def _open(self, generation: Path) -> FaissCollection:
        collection = FaissCollection(generation, self._settings, self._folders)
        with self._opening:
            self._opened = [each for each in self._opened if not each.is_closed]
            self._opened.append(collection)
        return collection

    def _begun(self, schema: CollectionSchema) -> FaissCollection | None:
        """Return the replacement that was begun with the same schema, if there is one."""
        generation = self._folders.replacement(schema.name)
        if generation is None:
            return None
        try:
            begun = self._open(generation)
        except CollectionDamaged:
            return None  # nobody has seen it, and nothing of it can be read: it is begun anew
        if begun.schema == schema:
            return begun
        begun.close()
        return None

    def _mine(self, name: str) -> builtins.list[FaissCollection]:
        with self._opening:
            return [each for each in self._opened if each.schema.name == name]

    def _stop_writing(self, name: str) -> None:
        for collection in self._mine(name):
            if (lock := collection.hand_over()) is not None:
                lock.release()

    def _fill(self, schema: CollectionSchema) -> Fill:
        def fill(folder: Path) -> None:
            with translated(self.location):
                (folder / FOLDER).mkdir()
                catalog.create(folder, schema)

        return fill
