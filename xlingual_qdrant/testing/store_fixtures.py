"""What the two halves of the store contract stand on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from xlingual_qdrant.documents import Document, WriteReceipt
from xlingual_qdrant.ports import Store, StoredCollection, Vectors
from xlingual_qdrant.schema import CollectionSchema
from xlingual_qdrant.testing.corpus import FIELDS, random_vectors

DIMENSION = 16

SCHEMA = CollectionSchema(name="contract", dimension=DIMENSION, fields=FIELDS)


class StoreFixtures:
    """An open store, and an empty collection in it."""

    def open_store(self, place: Path) -> Store:
        """Return the store under test at this place, opened as a user would open it."""
        raise NotImplementedError("override open_store")

    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[Store]:
        """Return an empty store."""
        store = self.open_store(tmp_path)
        yield store
        store.close()

    @pytest.fixture
    def collection(self, store: Store) -> Iterator[StoredCollection]:
        """Return an empty collection of 16 dimensions."""
        collection = store.create(SCHEMA)
        yield collection
        collection.close()


def put(collection: StoredCollection, *documents: Document, seed: int = 0) -> WriteReceipt:
    """Write documents with random vectors."""
    return collection.write(documents, random_vectors(len(documents), DIMENSION, seed))


def write_all(
    collection: StoredCollection, documents: Sequence[Document], vectors: Vectors
) -> None:
    """Write in batches of 1,000."""
    for start in range(0, len(documents), 1000):
        part = slice(start, start + 1000)
        collection.write(documents[part], vectors[part])
