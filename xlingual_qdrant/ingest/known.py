"""New documents that say what another one says: how ingestion asks, and what it writes down."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from xlingual_qdrant.documents import Document
from xlingual_qdrant.ingest.records import Rejection
from xlingual_qdrant.ports import Vectors


@dataclass(frozen=True, slots=True)
class Known:
    """The document that says what a new one says. kind: in which way; score: their cosine."""

    id: str
    kind: str
    score: float


Skip: TypeAlias = Callable[[Sequence[Document], Vectors], list[Known | None]]
"""Takes new documents with their vectors, and returns for each the one that makes it needless.

It is called before they are written, when all earlier ones are in the store.
"""


def as_duplicate(document: Document, same: Known, place: tuple[str, int]) -> Rejection:
    """Return the dead letter of a document that was not stored. place: its file and line."""
    detail = f"{same.kind} duplicate of '{same.id}' (cosine {same.score:.3f})"
    fields = {"id": document.id, "text": document.text, "lang": document.lang}
    record = json.dumps({**fields, "metadata": document.metadata}, ensure_ascii=False)
    return Rejection(*place, "duplicate", detail, record)
