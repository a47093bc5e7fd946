"""The store of one LangChain FAISS folder: it holds one collection, and only reads."""

from __future__ import annotations

import builtins
import re

from xlingual_adapters.stores.langchain_faiss.collection import (
    LangchainFaissCollection,
    docstore_file,
    index_file,
)
from xlingual_adapters.stores.langchain_faiss.settings import LangchainFaissSettings
from xlingual_qdrant.errors import (
    CollectionMissing,
    CollectionReadOnly,
    FileUnavailable,
    NotSupported,
)
from xlingual_qdrant.ports import Capabilities
from xlingual_qdrant.schema import CollectionSchema


class LangchainFaissStore:
    """The collection is called after the index: `index`, unless `save_local` was told otherwise."""

    def __init__(self, settings: LangchainFaissSettings) -> None:
        self._settings = settings
        # LangChain takes any file name.
        safe = re.sub(r"[^A-Za-z0-9_.-]", "_", settings.index_name)[:128]
        self._name = safe if safe[0].isalnum() or safe[0] == "_" else f"_{safe[:127]}"

    @property
    def capabilities(self) -> Capabilities:
        """Exact, and only for reading."""
        return Capabilities(
            persistent=True, approximate=False, concurrent_writers=False, aliases=False
        )

    @property
    def location(self) -> str:
        """The folder."""
        return str(self._settings.path.absolute())

    def open(self, name: str) -> LangchainFaissCollection:
        """Read the folder; raises CollectionMissing, FileUnavailable, UnreadableFile, and more.

        What is read is kept in memory until the collection is closed.
        """
        for file in (index_file(self._settings), docstore_file(self._settings)):
            if not file.is_file():
                there = sorted(found.stem for found in self._settings.path.glob("*.faiss"))
                hint = f"; index_name may be: {', '.join(there)}" if there else ""
                raise FileUnavailable(
                    str(file),
                    "there is no such file; path has to name the folder that FAISS.save_local of"
                    f" LangChain wrote, with an index.faiss and an index.pkl{hint}",
                )
        if name != self._name:
            raise CollectionMissing(name, self.location, [self._name])
        return LangchainFaissCollection(self._settings, self._name)

    def list(self) -> builtins.list[str]:
        """Return the one name, or none if the files are not there."""
        files = (index_file(self._settings), docstore_file(self._settings))
        return [self._name] if all(file.is_file() for file in files) else []

    def create(self, schema: CollectionSchema) -> LangchainFaissCollection:
        """Raise NotSupported."""
        raise NotSupported(
            self.location,
            "take a new collection: it belongs to LangChain and is only read here",
            "create it in a store of kind 'faiss' or 'qdrant'",
        )

    def drop(self, name: str) -> None:
        """Raise CollectionReadOnly."""
        raise CollectionReadOnly(name, self.location)

    def begin_replacement(self, schema: CollectionSchema) -> LangchainFaissCollection:
        """Raise CollectionReadOnly."""
        raise CollectionReadOnly(schema.name, self.location)

    def finish_replacement(self, name: str) -> None:
        """Raise CollectionReadOnly."""
        raise CollectionReadOnly(name, self.location)

    def discard_replacement(self, name: str) -> None:
        """Raise CollectionReadOnly."""
        raise CollectionReadOnly(name, self.location)

    def close(self) -> None:
        """Do nothing: nothing is held but what a collection has read."""
