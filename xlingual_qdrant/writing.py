"""What comes before a write: what is new, in which language, with which vector."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Literal, TypeAlias, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xlingual_qdrant.documents import Document, WriteReceipt, WriteReport, content_hash
from xlingual_qdrant.errors import (
    DocumentExists,
    InvalidDocument,
    InvalidInput,
    InvalidVectors,
    UsageError,
)
from xlingual_qdrant.ports import Embedder, LanguageDetector, StoredCollection, Vectors
from xlingual_qdrant.schema import CollectionSchema, field_problem
from xlingual_qdrant.validation import check_text, to_document
from xlingual_qdrant.vectors import unit_rows

DocumentLike: TypeAlias = Document | Mapping[str, Any] | str
IfExists: TypeAlias = Literal["replace", "skip", "error"]

UNIT_TOLERANCE = 1e-3
UNCHANGED = 1e-6
"""Ready vectors that differ by no more, in any dimension, are the stored ones."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """Documents ready to be written, with their vectors, and how they relate to what is there.

    documents: each id once. vectors: shape (len(documents), dimension). The counts cover
    all documents that were looked at: added + updated + unchanged.
    """

    documents: list[Document]
    vectors: Vectors
    added: int
    updated: int
    unchanged: int
    truncated: int

    def added_to(self, report: WriteReport, receipt: WriteReceipt) -> WriteReport:
        """Return the report with these counts added.

        What another thread added between the comparison and the write is an update by now.
        """
        overtaken = self.added - receipt.added
        return WriteReport(
            report.read + self.added + self.updated + self.unchanged,
            report.added + self.added - overtaken,
            report.updated + self.updated + overtaken,
            report.unchanged + self.unchanged,
            report.truncated + self.truncated,
        )


def batches(
    documents: DocumentLike | Iterable[DocumentLike],
    vectors: Iterable[ArrayLike] | None,
    schema: CollectionSchema,
    size: int,
) -> Iterator[tuple[list[Document], Vectors | None]]:
    """Yield checked documents, with their unit vectors if there are any, `size` at a time.

    Raises InvalidDocument with the position of the document from 0, and InvalidVectors.
    """
    if isinstance(documents, Document | Mapping | str):
        documents = cast("list[DocumentLike]", [documents])
        vectors = None if vectors is None else np.atleast_2d(np.asarray(vectors))
    if hasattr(documents, "columns"):
        raise UsageError("a table is not taken as it is; give its rows: df.to_dict('records')")
    if not isinstance(documents, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise UsageError(f"documents are texts, dicts or Documents, not {documents!r}")
    remaining = iter(documents)
    rows = None if vectors is None else iter(vectors)
    position = 0
    while batch := list(islice(remaining, size)):
        checked = [_checked(value, schema, position + i) for i, value in enumerate(batch)]
        position += len(checked)
        if rows is None:
            yield checked, None
            continue
        taken = list(islice(rows, len(checked)))
        if len(taken) < len(checked):
            raise InvalidVectors(
                f"there are more documents than the {position - len(checked) + len(taken)}"
                " vectors; give one for each"
            )
        yield checked, unit_rows(taken, schema.dimension)
    if rows is not None and next(rows, None) is not None:
        raise InvalidVectors(f"there are more vectors than the {position} documents")


def _checked(value: DocumentLike, schema: CollectionSchema, position: int) -> Document:
    try:
        return fitting(value, schema)
    except InvalidDocument as exc:
        raise InvalidDocument(exc.reason, exc.detail, position) from None


def fitting(value: DocumentLike, schema: CollectionSchema) -> Document:
    """Return a checked document that fits the declared fields; raises InvalidDocument."""
    document = to_document(value)
    if problem := field_problem(schema.fields, document.metadata):
        raise InvalidDocument("type", problem)
    return document


def prepare(
    stored: StoredCollection,
    documents: Sequence[Document],
    *,
    embedder: Embedder | None,
    detector: Callable[[], LanguageDetector | None],
    vectors: Vectors | None,
    if_exists: IfExists,
) -> Prepared:
    """Leave out what is unchanged, then detect languages and embed the rest.

    Of an id that comes twice the last document wins; each counts. Raises DocumentExists.
    """
    if if_exists not in ("replace", "skip", "error"):
        raise UsageError(f"if_exists is 'replace', 'skip' or 'error', not {if_exists!r}")
    ids = [document.id for document in documents]
    there = stored.content_hashes(ids)
    if if_exists == "error":
        twice = [id for id, times in Counter(ids).items() if times > 1]
        if taken := twice + [id for id, known in zip(ids, there, strict=True) if known]:
            raise DocumentExists(taken)
    hashes = dict(zip(ids, there, strict=True))
    same = _same_vectors(stored, ids, vectors)
    pending: dict[str, int] = {}
    added = updated = 0
    for row, document in enumerate(documents):
        known = hashes[document.id]
        if known is not None and if_exists == "skip":
            continue
        digest = content_hash(document)
        if known == digest and (same is None or (same[row] and document.id not in pending)):
            continue
        added += known is None
        updated += known is not None
        hashes[document.id] = digest
        pending[document.id] = row
    rows = list(pending.values())
    kept = with_languages([documents[row] for row in rows], detector)
    truncated = 0
    if vectors is not None:
        made = vectors[rows]
    else:
        made, truncated = embedded(stored.schema, embedder, [document.text for document in kept])
    unchanged = len(documents) - added - updated
    return Prepared(kept, made, added, updated, unchanged, truncated)


def _same_vectors(
    stored: StoredCollection, ids: list[str], vectors: Vectors | None
) -> list[bool] | None:
    """Say of each ready vector whether it is the stored one; None if none are given."""
    if vectors is None:
        return None
    there = stored.fetch_vectors(ids)
    missing = np.full(stored.schema.dimension, np.nan, dtype=np.float32)
    olds = np.array([missing if old is None else old for old in there]).reshape(vectors.shape)
    same: NDArray[np.bool_] = np.all(np.abs(olds - vectors) <= UNCHANGED, axis=1)
    return same.tolist()


def with_languages(
    documents: list[Document], detector: Callable[[], LanguageDetector | None]
) -> list[Document]:
    """Return the documents, with a detected language for each that has none.

    detector: called only if there is one such.
    """
    untagged = [row for row, document in enumerate(documents) if document.lang_source is None]
    loaded = detector() if untagged else None
    if loaded is None:
        return documents
    found = loaded.detect([documents[row].text for row in untagged])
    tagged = list(documents)
    for row, (lang, confidence) in zip(untagged, found, strict=True):
        tagged[row] = replace(
            documents[row], lang=lang, lang_source="detected", lang_confidence=float(confidence)
        )
    return tagged


def embedded(
    schema: CollectionSchema, embedder: Embedder | None, texts: list[str]
) -> tuple[Vectors, int]:
    """Return the checked vectors of texts, and how many texts the embedder cut.

    Raises UsageError without an embedder, InvalidVectors if it breaks its promises.
    """
    if not texts:
        return np.empty((0, schema.dimension), dtype=np.float32), 0
    embedder = embedder_of(schema, embedder, "a vector for each document (vectors=...)")
    vectors = embedder.embed_documents(texts)
    if vectors.shape != (len(texts), schema.dimension):
        raise InvalidVectors(
            f"the embedder returned shape {vectors.shape} for {len(texts)} texts,"
            f" wanted ({len(texts)}, {schema.dimension})"
        )
    off = np.abs(np.einsum("ij,ij->i", vectors, vectors) - 1)
    if not off.max() < UNIT_TOLERANCE:  # NaN must not pass
        raise InvalidVectors(
            f"the embedder's vector of {texts[int(off.argmax())][:60]!r} is not"
            " of length 1; adapters must normalise"
        )
    return vectors, int(embedder.truncated(texts).sum())


def embedder_of(schema: CollectionSchema, embedder: Embedder | None, instead: str) -> Embedder:
    """Return the embedder; raises UsageError, which says what is needed instead, if none is."""
    if embedder is None:
        # Made of ready vectors, which no embedder here is known to fit.
        remedy = "" if schema.embedder else "; or let `xlingual reembed` embed its texts"
        raise UsageError(
            f"collection '{schema.name}' is open without an embedder: give {instead},"
            f" of {schema.dimension} dimensions{remedy}"
        )
    return embedder


def query_vectors(
    queries: Iterable[str] | Iterable[ArrayLike],
    schema: CollectionSchema,
    embedder: Embedder | None,
) -> Vectors:
    """Return unit vectors of queries that are texts, or vectors of any length but zero."""
    if isinstance(queries, str):
        raise UsageError("search_many takes several queries; for one text use search")
    if isinstance(queries, np.ndarray):
        return unit_rows(cast("NDArray[np.float32]", queries), schema.dimension)
    items = list(queries)
    texts = [_checked_query(item) for item in items if isinstance(item, str)]
    if len(texts) < len(items) or not items:
        return unit_rows(items, schema.dimension)
    return embedder_of(schema, embedder, "vectors instead of texts").embed_queries(texts)


def _checked_query(text: str) -> str:
    """Return a query that has something in it; raises InvalidInput with what is wrong."""
    try:
        return check_text(text)
    except InvalidDocument as exc:
        raise InvalidInput(f"the query cannot be searched: {exc.detail}") from None
