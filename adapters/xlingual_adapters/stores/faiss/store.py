"""The local store: a folder that holds a folder per collection."""

from __future__ import annotations

import builtins
import shutil
import tempfile
import threading
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
        self._opening = threading.Lock()
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
            made = self._beside(schema.name)
            try:
                made.mkdir()
                (made / FOLDER).mkdir()
                catalog.create(made, schema)
                sync_folder(made)
                try:
                    made.rename(folder)
                except OSError as exc:
                    if folder.exists():
                        raise CollectionExists(schema.name, self.location) from exc
                    raise
            finally:
                shutil.rmtree(made.parent, ignore_errors=True)
            sync_folder(self._path)
        return self.open(schema.name)

    def open(self, name: str) -> FaissCollection:
        """Open a collection; raises CollectionMissing, FormatTooNew or CollectionDamaged."""
        collection = FaissCollection(self._existing(name), self._settings)
        with self._opening:
            self._opened = [each for each in self._opened if not each.is_closed]
            self._opened.append(collection)
        return collection

    def drop(self, name: str) -> None:
        """Remove a collection for good; raises CollectionMissing, or CollectionLocked.

        Its folder gets another name first, so that nothing half removed is ever found.
        """
        folder = self._existing(name)
        with self._opening:
            mine = [each for each in self._opened if each.schema.name == name]
        for collection in mine:
            collection.close()
        with translated(str(folder)):
            lock = WriteLock(folder)
            doomed = self._beside(name)
            try:
                folder.rename(doomed)
                sync_folder(self._path)
            finally:
                lock.release()
                shutil.rmtree(doomed.parent)

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
        with self._opening:
            opened, self._opened = self._opened, []
        for collection in opened:
            collection.close()

    def _beside(self, name: str) -> Path:
        """Return a place for the folder of a collection in the making, or in its removal.

        It lies in a new folder of its own: no other thread or process has the same.
        """
        return Path(tempfile.mkdtemp(dir=self._path, prefix=f".{name}.")) / name

    def _existing(self, name: str) -> Path:
        folder = self._folder(name)
        if not (folder / catalog.DATABASE).is_file():
            raise CollectionMissing(name, self.location, self.list())
        return folder

    def _folder(self, name: str) -> Path:
        return self._path / check_name(name)
