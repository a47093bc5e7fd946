"""What comes before a write: what is new, in which language, with which vector."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, Literal, TypeAlias, cast, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xlingual_qdrant import chunks
from xlingual_qdrant.documents import (
    Document,
    LongTexts,
    WriteReceipt,
    WriteReport,
    content_hash,
)
from xlingual_qdrant.errors import (
    DocumentExists,
    InvalidDocument,
    InvalidInput,
    InvalidVectors,
    TextTruncated,
    UsageError,
)
from xlingual_qdrant.hygiene import Ailment, ailments, composed
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
class Embedded:
    """Rows for a store: documents, then the chunks of the long ones.

    vectors: shape (len(rows), dimension). truncated: the ids of documents of which the embedder
    reads only the beginning. chunks: how many of the rows, the last ones, are chunks; chunked:
    of how many documents.
    """

    rows: list[Document]
    vectors: Vectors
    truncated: list[str] = field(default_factory=list[str])
    chunks: int = 0
    chunked: int = 0


@dataclass(frozen=True, slots=True)
class Prepared:
    """Documents ready to be written, with their vectors, and how they relate to what is there.

    documents: each id once. rows: what is to be written, with its vectors. replaced: the ids of
    those that are there already. The counts cover all documents that were looked at: added +
    updated + unchanged.
    """

    documents: list[Document]
    rows: Embedded
    added: int
    updated: int
    unchanged: int
    replaced: list[str]
    suspect: Counter[Ailment]

    @property
    def truncated(self) -> list[str]:
        """The ids of documents of which the embedder reads only the beginning."""
        return self.rows.truncated

    @property
    def chunked(self) -> int:
        """How many documents were divided into chunks."""
        return self.rows.chunked

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
            report.truncated + len(self.truncated),
            report.chunked + self.chunked,
            dict(Counter(report.suspect) + self.suspect),
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
    if isinstance(documents, Document | Mapping | str | bytes | bytearray):
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
        return unreserved(fitting(value, schema))
    except InvalidDocument as exc:
        raise InvalidDocument(exc.reason, exc.detail, position) from None


def unreserved(document: Document) -> Document:
    """Return a document that keeps off the library's own keys; raises InvalidDocument."""
    if chunks.CHUNK_OF in document.metadata:
        raise InvalidDocument(
            "field",
            f"metadata key '{chunks.CHUNK_OF}' marks the chunks of long texts; rename it",
        )
    return document


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
    long_texts: LongTexts,
) -> Prepared:
    """Leave out what is unchanged, then detect languages and embed the rest.

    Of an id that comes twice the last document wins; each counts. Raises DocumentExists, and
    InvalidDocument with `long_texts="error"`.
    """
    if long_texts not in get_args(LongTexts):
        raise UsageError(f"long_texts is 'warn', 'error' or 'chunk', not {long_texts!r}")
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
    if vectors is not None:
        made = Embedded(kept, vectors[rows])
    else:
        made = embedded(stored.schema, embedder, kept, long_texts)
    unchanged = len(documents) - added - updated
    known = dict(zip(ids, there, strict=True))
    replaced = [document.id for document in kept if known[document.id] is not None]
    suspect = ailments(document.text for document in kept)
    return Prepared(kept, made, added, updated, unchanged, replaced, suspect)


def without(prepared: Prepared, ids: Collection[str]) -> Prepared:
    """Return what was prepared without some new documents, and without their chunks."""
    if not ids:
        return prepared
    rows = prepared.rows
    left = [
        row
        for row, each in enumerate(rows.rows)
        if each.id not in ids and each.metadata.get(chunks.CHUNK_OF) not in ids
    ]
    kept = [rows.rows[row] for row in left]
    documents = [document for document in prepared.documents if document.id not in ids]
    parts = [each.metadata.get(chunks.CHUNK_OF) for each in kept[len(documents) :]]
    truncated = [id for id in rows.truncated if id not in ids]
    made = Embedded(kept, rows.vectors[left], truncated, len(parts), len({*map(str, parts)}))
    suspect = ailments(document.text for document in documents)
    return replace(
        prepared, documents=documents, rows=made, added=prepared.added - len(ids), suspect=suspect
    )


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
    schema: CollectionSchema,
    embedder: Embedder | None,
    documents: list[Document],
    long_texts: LongTexts = "warn",
) -> Embedded:
    """Return the documents, and the chunks of long ones if that is wanted, with their vectors.

    Raises UsageError without an embedder, InvalidVectors if it breaks its promises, and
    InvalidDocument if long texts are an error.
    """
    if not documents:
        return Embedded([], np.empty((0, schema.dimension), dtype=np.float32))
    ready = embedder_of(schema, embedder, "a vector for each document (vectors=...)")
    texts = composed([document.text for document in documents])
    if long_texts == "error":
        refuse_long(documents, ready)
    if long_texts != "chunk":
        # In this order, because an embedder may remember the lengths of what it has just read.
        vectors = vectors_of(schema, ready, texts)
        ids = [documents[row].id for row in np.flatnonzero(ready.truncated(texts)).tolist()]
        return Embedded(documents, vectors, ids)
    long = ready.truncated(texts)
    if not long.any():
        return Embedded(documents, vectors_of(schema, ready, texts))

    def fits(parts: Sequence[str]) -> NDArray[np.bool_]:
        return ~ready.truncated(composed(parts))

    divided = chunks.chunked(documents, long, fits)
    vectors = divided.vectors(vectors_of(schema, ready, composed(divided.texts)))
    rows = [*documents, *divided.chunks]
    return Embedded(rows, vectors, [], len(divided.chunks), int(long.sum()))


def refuse_long(
    documents: Sequence[Document], embedder: Embedder | None, *, first: int | None = None
) -> None:
    """Raise InvalidDocument for a text of which the embedder would read only the beginning.

    first: the position of the first document, if positions are to be named.
    """
    if embedder is None:
        return
    long = embedder.truncated(composed([document.text for document in documents]))
    if long.any():
        row = int(long.argmax())
        raise InvalidDocument(
            "too-long",
            f"the text has {len(documents[row].text):,} characters, more than the"
            f" {embedder.max_tokens} tokens that {embedder.fingerprint.model} reads;"
            " long_texts = 'chunk' divides such texts",
            None if first is None else first + row,
        )


def vectors_of(schema: CollectionSchema, embedder: Embedder, texts: list[str]) -> Vectors:
    """Return the checked vectors of texts as documents; raises InvalidVectors."""
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
    return vectors


def write(stored: StoredCollection, embedded: Embedded, replaced: Sequence[str]) -> WriteReceipt:
    """Write rows, and remove what chunks the replaced documents had; the receipt knows no chunks.

    replaced: ids of documents that may be there in another form.
    """
    if not embedded.rows:
        return WriteReceipt(0, 0)
    if replaced and chunks.has_chunks(stored):
        stored.delete(chunks.chunk_ids(stored, replaced))
    if embedded.chunks and not chunks.has_chunks(stored):
        stored.write_state(chunks.STATE, b"1")
    count = len(embedded.rows) - embedded.chunks
    if embedded.chunks:
        # Before the documents: one that is there counts as done, also after an interruption.
        stored.write(embedded.rows[count:], embedded.vectors[count:])
    return stored.write(embedded.rows[:count], embedded.vectors[:count])


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
    texts = composed([_checked_query(item) for item in items if isinstance(item, str)])
    if len(texts) < len(items) or not items:
        return unit_rows(items, schema.dimension)
    ready = embedder_of(schema, embedder, "vectors instead of texts")
    # In this order, because an embedder may remember the lengths of what it has just read.
    vectors = ready.embed_queries(texts)
    cut = ready.truncated(texts)
    if cut.any():
        warnings.warn(
            f"the query {texts[int(cut.argmax())][:60]!r}... is longer than the"
            f" {ready.max_tokens} tokens that {ready.fingerprint.model} reads; only its beginning"
            " was searched for",
            TextTruncated,
            stacklevel=3,
        )
    return vectors


def _checked_query(text: str) -> str:
    """Return a query that has something in it; raises InvalidInput with what is wrong."""
    try:
        return check_text(text)
    except InvalidDocument as exc:
        raise InvalidInput(f"the query cannot be searched: {exc.detail}") from None
