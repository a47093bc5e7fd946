"""A collection whose documents and vectors can be told apart."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from xlingual_adapters.stores.qdrant_edge import QdrantEdgeSettings, QdrantEdgeStore
from xlingual_adapters.stores.qdrant_edge.collection import QdrantEdgeCollection

from xlingual_qdrant.schema import CollectionSchema

DIMENSION = 32


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[..., QdrantEdgeCollection]]:
    """Return a function that opens (or creates) the collection "c" anew, each time called."""
    stores: list[QdrantEdgeStore] = []

    def open_collection(**settings: Any) -> QdrantEdgeCollection:
        given = {"path": tmp_path, **settings}
        store = QdrantEdgeStore(QdrantEdgeSettings.model_validate(given))
        stores.append(store)
        if "c" in store.list():
            return store.open("c")
        schema = CollectionSchema(name="c", dimension=DIMENSION, fields={"year": "integer"})
        return store.create(schema)

    yield open_collection
    for store in stores:
        store.close()
