"""The local store: a folder that holds a folder per collection."""

from __future__ import annotations

import builtins
import os
import shutil
from pathlib import Path

from xlingual_adapters.stores.faiss import catalog
from xlingual_adapters.stores.faiss.collection import FaissCollection
from xlingual_adapters.stores.faiss.faults import translated
from xlingual_adapters.stores.faiss.lock import WriteLock
from xlingual_adapters.stores.faiss.settings import FaissSettings
from xlingual_adapters.stores.faiss.vectors import FOLDER
from xlingual_adapters.stores.faiss.writing import sync_folder
from xlingual_qdrant.errors import CollectionExists, CollectionMissing
from xlingual_qdrant.ports import Capabilities
from xlingual_qdrant.schema import CollectionSchema, check_name


class FaissStore:
    """Collections in the folders below `settings.path`, which is made when one is created."""

    def __init__(self, settings: FaissSettings) -> None:
        self._settings = settings
        self._path = settings.path.absolute()
        self._opened: builtins.list[FaissCollection] = []

    @property
    def capabilities(self) -> Capabilities:
        """On disk, one writer at a time; approximate where the settings allow an index."""
        return Capabilities(
            persistent=True,
            approximate=self._settings.index != "exact",
            concurrent_writers=False,
            aliases=False,
        )

    @property
    def location(self) -> str:
        """The folder."""
        return str(self._path)

    def create(self, schema: CollectionSchema) -> FaissCollection:
        """Create a collection, all of it or nothing; raises CollectionExists."""
        folder = self._folder(schema.name)
        with translated(self.location):
            if folder.exists():
                raise CollectionExists(schema.name, self.location)
            self._path.mkdir(parents=True, exist_ok=True)
            made = self._path / f".{schema.name}.{os.getpid()}.new"
            shutil.rmtree(made, ignore_errors=True)
            try:
                (made / FOLDER).mkdir(parents=True)
                catalog.create(made, schema)
                sync_folder(made)
                try:
                    made.rename(folder)
                except OSError as exc:
                    if folder.exists():
                        raise CollectionExists(schema.name, self.location) from exc
                    raise
            finally:
                shutil.rmtree(made, ignore_errors=True)
            sync_folder(self._path)
        return self.open(schema.name)

    def open(self, name: str) -> FaissCollection:
        """Open a collection; raises CollectionMissing, FormatTooNew or CollectionDamaged."""
        collection = FaissCollection(self._existing(name), self._settings)
        self._opened.append(collection)
        return collection

    def drop(self, name: str) -> None:
        """Remove a collection for good; raises CollectionMissing, or CollectionLocked.

        Its folder gets another name first, so that nothing half removed is ever found.
        """
        folder = self._existing(name)
        mine = [c for c in self._opened if c.schema.name == name]
        for collection in mine:
            collection.close()
            self._opened.remove(collection)
        with translated(str(folder)):
            lock = WriteLock(folder)
            try:
                doomed = self._path / f".{name}.{os.getpid()}.dropped"
                folder.rename(doomed)
                sync_folder(self._path)
            finally:
                lock.release()
            shutil.rmtree(doomed)

    def list(self) -> builtins.list[str]:
        """Return the names of the collections, sorted."""
        with translated(self.location):
            if not self._path.is_dir():
                return []
            return sorted(
                path.name
                for path in self._path.iterdir()
                if not path.name.startswith(".") and (path / catalog.DATABASE).is_file()
            )

    def close(self) -> None:
        """Close the collections that were opened here."""
        while self._opened:
            self._opened.pop().close()

    def _existing(self, name: str) -> Path:
        folder = self._folder(name)
        if not (folder / catalog.DATABASE).is_file():
            raise CollectionMissing(name, self.location, self.list())
        return folder

    def _folder(self, name: str) -> Path:
        return self._path / check_name(name)
