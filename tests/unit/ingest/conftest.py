from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from xlingual_qdrant import Collection, CollectionSchema, Document, EmbedderFingerprint
from xlingual_qdrant.errors import InvalidDocument
from xlingual_qdrant.ingest.fields import FieldMapping
from xlingual_qdrant.ingest.opening import open_source
from xlingual_qdrant.ingest.reading import read_records
from xlingual_qdrant.ingest.records import Rejection, rejected
from xlingual_qdrant.memory import MemoryStore
from xlingual_qdrant.ports import Vectors


@dataclass
class Read:
    """What came out of a file."""

    documents: list[Document]
    rejections: list[Rejection]

    @property
    def texts(self) -> list[str]:
        return [document.text for document in self.documents]

    @property
    def reasons(self) -> list[str]:
        return [rejection.reason for rejection in self.rejections]


@pytest.fixture(scope="session")
def read() -> Callable[..., Read]:
    """Read and validate a file: `read(path, text="body")`."""
    return _read


def _read(path: Path, **mapping: str) -> Read:
    fields = FieldMapping(**mapping)
    document = fields.reader()
    result = Read([], [])
    with open_source(path) as opened:
        for record in read_records(opened, fields):
            if isinstance(record, Rejection):
                result.rejections.append(record)
                continue
            try:
                result.documents.append(document(record.fields))
            except InvalidDocument as exc:
                result.rejections.append(rejected(str(path), record, exc.reason, exc.detail))
    return result


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, bytes | str], Path]:
    def write_file(name: str, content: bytes | str) -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write_file


class CountingEmbedder:
    """Eight dimensions out of the bytes of a text; keeps count of what it was asked."""

    dimension = 8
    max_tokens = 50
    fingerprint = EmbedderFingerprint(
        kind="counting", model="test", dimension=8, probes=[[1.0] + [0.0] * 7]
    )

    def __init__(self) -> None:
        self.texts: list[str] = []

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        self.texts += texts
        return self.embed_queries(texts)

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        vectors = np.ones((len(texts), self.dimension), dtype=np.float32)
        for row, text in enumerate(texts):
            data = np.frombuffer(text.encode()[:64], dtype=np.uint8)
            vectors[row] += np.bincount(data % self.dimension, minlength=self.dimension)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    def truncated(self, texts: Sequence[str]) -> NDArray[np.bool_]:
        return np.array([len(text) > self.max_tokens for text in texts], dtype=np.bool_)


@pytest.fixture
def embedder() -> CountingEmbedder:
    return CountingEmbedder()


@pytest.fixture
def collection(embedder: CountingEmbedder) -> Collection:
    schema = CollectionSchema(name="t", dimension=8, embedder=embedder.fingerprint)
    return Collection(MemoryStore().create(schema), embedder)
