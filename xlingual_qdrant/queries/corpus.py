"""Texts with their vectors, side by side in memory: where pairs are looked for."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xlingual_qdrant.collection import Collection, Langs
from xlingual_qdrant.documents import Document
from xlingual_qdrant.filters import Filter
from xlingual_qdrant.hygiene import composed
from xlingual_qdrant.ingest.fields import FieldMapping
from xlingual_qdrant.ingest.opening import checked_format
from xlingual_qdrant.ingest.records import Rejection
from xlingual_qdrant.ingest.windows import WindowReader
from xlingual_qdrant.ports import Vectors
from xlingual_qdrant.writing import DocumentLike, batches, embedder_of, vectors_of, with_languages

Source = str | os.PathLike[str]

_AT_ONCE = 4096


@dataclass(frozen=True, slots=True)
class Corpus:
    """Documents by their row: ids, languages, vectors; their texts and metadata when asked for.

    ids: one for each row; unique. langs: canonical tags, `und` for unknown. vectors: shape
    (len(ids), dimension), unit rows. read: returns the documents of some rows.
    """

    ids: list[str]
    langs: NDArray[np.str_]
    vectors: Vectors
    read: Callable[[Sequence[int]], list[Document]]

    def __len__(self) -> int:
        return len(self.ids)

    def texts(self, rows: Iterable[int]) -> list[str]:
        """Return the texts of rows, in their order."""
        return [document.text for document in self.read(list(rows))]

    def rows_of(self, lang: str) -> NDArray[np.intp]:
        """Return the rows of one language; `de` takes `de-AT`."""
        return np.flatnonzero((self.langs == lang) | np.char.startswith(self.langs, f"{lang}-"))


def corpus_of_collection(
    collection: Collection, *, langs: Langs | None = None, where: Filter | str | None = None
) -> Corpus:
    """Return the documents of a collection that match, with the vectors that they have there.

    Only ids, languages and vectors are held in memory; texts are fetched when they are asked for.
    """
    count = collection.count(langs=langs, where=where)
    vectors = np.empty((count, collection.schema.dimension), dtype=np.float32)
    ids: list[str] = []
    tags: list[str] = []
    for batch in collection.batches(langs=langs, where=where, with_vectors=True):
        documents = batch.documents[: count - len(ids)]  # what came after the count is left out
        if batch.vectors is not None:
            vectors[len(ids) : len(ids) + len(documents)] = batch.vectors[: len(documents)]
        ids += [document.id for document in documents]
        tags += [document.lang for document in documents]

    def read(rows: Sequence[int]) -> list[Document]:
        wanted = [ids[row] for row in rows]
        there = collection.get_many(wanted)
        # One that was deleted meanwhile has no text any more.
        return [
            Document("", id) if doc is None else doc for id, doc in zip(wanted, there, strict=True)
        ]

    return Corpus(ids, _tags(tags), vectors[: len(ids)], read)


def corpus_of_documents(
    collection: Collection, documents: DocumentLike | Iterable[DocumentLike]
) -> Corpus:
    """Embed documents, dicts or texts as the collection would; nothing is written.

    A text without a language gets a detected one. Of an id that comes twice the first stays.
    """
    return _embedded(
        collection, (batch for batch, _ in batches(documents, None, collection.schema, _AT_ONCE))
    )


def corpus_of_files(
    collection: Collection,
    sources: Source | Sequence[Source],
    *,
    mapping: FieldMapping | None = None,
    format: str | None = None,
    on_reject: Callable[[Rejection], None] | None = None,
) -> Corpus:
    """Read files as an ingestion would, and embed their texts; nothing is written.

    Of an id that comes twice the first stays; on_reject is told of one with another text.

    Raises FileUnavailable, UnknownColumn, UnreadableFile if a file cannot be read to its end.
    """
    listed = [sources] if isinstance(sources, str | os.PathLike) else list(sources)
    reader = WindowReader(
        listed,
        mapping or FieldMapping(),
        format=checked_format(format),
        declared=collection.schema.fields,
    )
    reader.check()

    def checked() -> Iterator[list[Document]]:
        texts: dict[str, int] = {}
        for window in reader.windows():
            rejections = [*window.rejections]
            for document, place in zip(window.documents, window.places, strict=True):
                there = texts.setdefault(document.id, hash(document.text))
                if there != hash(document.text):
                    detail = f"the id {document.id!r} came before, with another text"
                    rejections.append(Rejection(*place, "duplicate", detail, document.text))
            for rejection in rejections:
                if on_reject is not None:
                    on_reject(rejection)
            yield window.documents
        for outcome in reader.outcomes:
            if outcome.error is not None:
                raise outcome.error

    return _embedded(collection, checked())


def _embedded(collection: Collection, groups: Iterable[list[Document]]) -> Corpus:
    embedder = embedder_of(collection.schema, collection.embedder, "a collection of vectors")
    known: dict[str, Document] = {}
    parts: list[Vectors] = []
    for group in groups:
        fresh = {document.id: document for document in reversed(group) if document.id not in known}
        documents = [document for document in group if fresh.get(document.id) is document]
        documents = with_languages(documents, lambda: collection.detector)
        if documents:
            texts = composed([document.text for document in documents])
            parts.append(vectors_of(collection.schema, embedder, texts))
            known.update((document.id, document) for document in documents)
    held = list(known.values())
    empty = np.empty((0, collection.schema.dimension), dtype=np.float32)
    return Corpus(
        list(known),
        _tags([document.lang for document in held]),
        np.concatenate([empty, *parts]),
        lambda rows: [held[row] for row in rows],
    )


def _tags(tags: list[str]) -> NDArray[np.str_]:
    made: NDArray[Any] = np.array(tags, dtype=np.str_)
    return made
