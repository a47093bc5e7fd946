"""A collection with one document per number, and vectors that can be told apart."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from xlingual_adapters.stores.faiss import FaissSettings, FaissStore
from xlingual_adapters.stores.faiss.collection import FaissCollection

from xlingual_qdrant.documents import Document
from xlingual_qdrant.ports import Vectors
from xlingual_qdrant.schema import CollectionSchema

DIMENSION = 32
LANGS = ("de", "en", "fr", "pt-BR")


def make_documents(count: int, version: int = 0, first: int = 0) -> list[Document]:
    return [
        Document(
            text=f"text {number} of version {version}",
            id=f"{number:05}",
            lang=LANGS[number % len(LANGS)],
            metadata={"version": version, "year": 1990 + number % 40},
        )
        for number in range(first, first + count)
    ]


def make_vectors(count: int, seed: int = 0, dimension: int = DIMENSION) -> Vectors:
    vectors = np.random.default_rng(seed).standard_normal((count, dimension), dtype=np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture
def documents() -> Callable[..., list[Document]]:
    return make_documents


@pytest.fixture
def vectors() -> Callable[..., Vectors]:
    return make_vectors


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[..., FaissCollection]]:
    """Return a function that opens (or creates) the collection "c" anew, each time called."""
    stores: list[FaissStore] = []

    def open_collection(
        index: str = "exact", dimension: int = DIMENSION, **settings: Any
    ) -> FaissCollection:
        given = {"path": tmp_path, "index": index, **settings}
        store = FaissStore(FaissSettings.model_validate(given))
        stores.append(store)
        if "c" in store.list():
            return store.open("c")
        schema = CollectionSchema(name="c", dimension=dimension, fields={"year": "integer"})
        return store.create(schema)

    yield open_collection
    for store in stores:
        store.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of the first generation of "c", where its files are."""
    return tmp_path / "c" / "1"
