"""Stores of every kind that can be had here, and a collection with odd things in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from xlingual_adapters.stores.faiss import FaissSettings, FaissStore
from xlingual_adapters.stores.qdrant import QdrantSettings, QdrantStore
from xlingual_adapters.stores.qdrant_edge import QdrantEdgeSettings, QdrantEdgeStore

from xlingual_qdrant.documents import Document
from xlingual_qdrant.memory import MemoryStore
from xlingual_qdrant.ports import Store
from xlingual_qdrant.schema import CollectionSchema
from xlingual_qdrant.testing.corpus import (
    FIELDS,
    ODD_METADATA,
    ODD_STRINGS,
    random_documents,
    random_vectors,
)

KINDS: dict[str, Callable[[Path], Store]] = {
    "memory": lambda place: MemoryStore(),
    "faiss": lambda place: FaissStore(FaissSettings(path=place / "faiss", index="exact")),
    "qdrant": lambda place: QdrantStore(QdrantSettings(path=place / "qdrant")),
    "edge": lambda place: QdrantEdgeStore(QdrantEdgeSettings(path=place / "edge")),
}
DIMENSION = 8
SCHEMA = CollectionSchema(name="support", dimension=DIMENSION, fields=FIELDS)


@pytest.fixture
def open_store(tmp_path: Path) -> Iterator[Callable[[str], Store]]:
    """Open an empty store of a kind; it is closed after the test."""
    opened: list[Store] = []

    def made(kind: str) -> Store:
        opened.append(KINDS[kind](tmp_path / str(len(opened))))
        return opened[-1]

    yield made
    for store in opened:
        store.close()


def documents() -> list[Document]:
    """Return documents with all that is hard to carry."""
    odd = [Document("odd", id=f"m{n}", metadata=each) for n, each in enumerate(ODD_METADATA)]
    odd += [
        Document(f"x{text}", id=f"s{n}{text}", lang="fr", metadata={"v": text})
        for n, text in enumerate(ODD_STRINGS)
    ]
    odd += [
        Document("une phrase", id="d", lang="fr", lang_source="detected", lang_confidence=0.1 + 0.2)
    ]
    return random_documents(200, seed=1) + odd


def filled(store: Store, schema: CollectionSchema = SCHEMA) -> list[Document]:
    """Create the collection with the documents and a state; return the documents."""
    kept = documents()
    collection = store.create(schema)
    collection.write(kept, random_vectors(len(kept), schema.dimension, seed=2))
    collection.write_state("calibration", bytes(range(256)))
    collection.close()
    return kept
