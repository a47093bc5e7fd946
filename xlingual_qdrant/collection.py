"""Collection: what an application holds. Texts go in, texts come out, in any language."""

from __future__ import annotations

import reprlib
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from functools import cached_property
from threading import Lock
from types import TracebackType
from typing import Any, Literal, Self, TypeAlias, get_args, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xlingual_qdrant import chunks
from xlingual_qdrant.documents import (
    CollectionInfo,
    Document,
    Hit,
    LongTexts,
    WriteReceipt,
    WriteReport,
)
from xlingual_qdrant.errors import (
    InvalidFilter,
    TextSuspect,
    TextTruncated,
    UsageError,
)
from xlingual_qdrant.filter_hints import why_nothing
from xlingual_qdrant.filter_syntax import parse
from xlingual_qdrant.filters import Filter, combine, language_filter
from xlingual_qdrant.grouping import only
from xlingual_qdrant.grouping import search_by_language as nearest_by_language
from xlingual_qdrant.languages import split_langs
from xlingual_qdrant.opening import open_or_create
from xlingual_qdrant.ports import (
    Embedder,
    LanguageDetector,
    ScanBatch,
    Store,
    StoredCollection,
    Vectors,
)
from xlingual_qdrant.schema import CollectionSchema, Comparison
from xlingual_qdrant.settings import (
    SettingsLike,
    load_detector,
    load_embedder,
    load_settings,
    load_store,
)
from xlingual_qdrant.writing import (
    DocumentLike,
    IfExists,
    Prepared,
    batches,
    embedded,
    embedder_of,
    prepare,
    query_vectors,
    refuse_long,
    write,
)

Langs: TypeAlias = str | Sequence[str]
"""Language tags wanted, or with a leading "!" unwanted: `["fr", "de"]`, `"!en"`."""

BATCH = 4096


class Collection:
    """Texts in many languages, and questions to them.

    `Collection.open` takes names and settings; the constructor takes ready parts:
    stored: the place of the documents. embedder: None for a collection of ready vectors, or
    where only documents are read. load_detector: called when the first text without a language
    comes; may return None. store: lets `drop` work; it is closed with the collection if
    `owns_store`. store_name: for `info`. long_texts: what becomes of texts that are longer than
    the embedder reads, unless a call says otherwise.
    """

    def __init__(
        self,
        stored: StoredCollection,
        embedder: Embedder | None = None,
        *,
        load_detector: Callable[[], LanguageDetector | None] = lambda: None,
        store: Store | None = None,
        owns_store: bool = False,
        store_name: str = "",
        long_texts: LongTexts = "warn",
    ) -> None:
        self.stored = stored
        self.embedder = embedder
        self.long_texts: LongTexts = long_texts
        self._load_detector = load_detector
        self._store = store
        self._owns_store = owns_store
        self._closed = False
        self._dividing = Lock()
        self._chunks_seen = False  # there are none without a document, so they never go away
        self._store_name = store_name or type(stored).__name__

    @classmethod
    def open(
        cls,
        name: str | None = None,
        *,
        settings: SettingsLike | None = None,
        store: str | Store | None = None,
        embedder: str | Embedder | None = None,
        schema: CollectionSchema | Mapping[str, Any] | None = None,
        create: bool = True,
    ) -> Self:
        """Open a collection, and create it if it is missing.

        name: default `collection` of the settings. settings: a file, a dict as a file would give
        it, ready `Settings`, or found as `load_settings` does. store, embedder: a name from the
        settings, or a ready object (which stays open when the collection is closed). schema: what
        a new collection declares,
        such as `{"fields": {"priority": "integer"}}`; with a `dimension` it is a collection of
        ready vectors, without an embedder.

        Raises CollectionMissing with `create=False`, EmbedderMismatch if the collection was made
        with another embedder, SchemaMismatch, SettingsError, UnknownName, StoreError.
        """
        if isinstance(schema, CollectionSchema):
            name = name or schema.name
            schema = schema.model_dump(exclude_unset=True)
        wanted = dict(schema or {})
        known = load_settings(
            settings,
            overrides={
                "collection": name,
                "store": store if isinstance(store, str) else None,
                "embedder": embedder if isinstance(embedder, str) else None,
            },
        )
        opened = (
            load_store(None, settings=known) if store is None or isinstance(store, str) else store
        )
        owns = opened is not store
        try:
            named = isinstance(embedder, str)
            ready = load_embedder(None, settings=known) if named else embedder
            stored, ready = open_or_create(opened, known, wanted, ready, create)
        except BaseException:
            if owns:
                opened.close()
            raise
        return cls(
            stored,
            ready,
            load_detector=lambda: load_detector(None, settings=known),
            store=opened,
            owns_store=owns,
            store_name=known.store if owns else "",
            long_texts=known.long_texts,
        )

    @property
    def name(self) -> str:
        """What the collection is called in its store."""
        return self.stored.schema.name

    @property
    def schema(self) -> CollectionSchema:
        """What the collection was created with."""
        return self.stored.schema

    @property
    def embedder_fit(self) -> Comparison | None:
        """How the embedder relates to the one that made the collection; None without one of them.

        "compatible": another precision or backend of the same model, with the cosines of the
        probe sentences in `differences`. A different one is refused when the collection is opened.
        """
        if self.embedder is None or self.schema.embedder is None:
            return None
        return self.schema.embedder.compare(self.embedder.fingerprint)

    def why_nothing(self, where: Filter | str) -> list[str]:
        """Return, in words, which conditions of a filter cannot match the documents as they are.

        For when a search finds nothing: a field that no document has, a number compared with text.
        """
        condition = _condition(where, None)
        return [] if condition is None else why_nothing(self.stored, condition)

    @property
    def persistent(self) -> bool:
        """Whether its documents outlive the process, as far as the store is known."""
        return self._store is None or self._store.capabilities.persistent

    @cached_property
    def detector(self) -> LanguageDetector | None:
        """What guesses the language of texts that come without one; loaded at first use."""
        return self._load_detector()

    # ------------------------------------------------------------ writing

    def add(
        self,
        documents: DocumentLike | Iterable[DocumentLike],
        *,
        vectors: Iterable[ArrayLike] | None = None,
        if_exists: IfExists = "replace",
        batch_size: int | None = None,
        long_texts: LongTexts | None = None,
    ) -> WriteReport:
        """Insert documents, or update those whose id is known; return what was done.

        documents: Documents, dicts (`text`, and `id`, `lang`, `metadata` as far as known), texts,
        or one of them; any iterable, streamed in batches. A text without a language gets a
        detected one. What is there with the same content is neither embedded nor written.
        vectors: ready ones in the same order, shape (n, dimension), of any length but zero; they
        are normalised. if_exists: "replace", "skip" (leave what is there) or "error"
        (DocumentExists, before the batch is written). batch_size: documents embedded and written
        at once, default 4,096. long_texts: what becomes of texts that are longer than the
        embedder reads: "warn" (only the beginning is embedded), "error", or "chunk" (they are
        divided, a search finds the part and returns the document); default: the settings'.

        Raises InvalidDocument with the position of the document, and InvalidVectors; batches
        before the faulty one are stored. Warns of texts that were truncated (TextTruncated) or
        look damaged (TextSuspect).
        """
        done = WriteReport()
        size = checked_count("batch_size", batch_size or BATCH)
        for report in added_in_batches(self, documents, vectors, if_exists, size, long_texts):
            done = report
        warn_about(done, self.embedder)
        return done

    def prepare(
        self,
        documents: Sequence[Document],
        *,
        vectors: Vectors | None = None,
        if_exists: IfExists = "replace",
        long_texts: LongTexts | None = None,
    ) -> Prepared:
        """Do all that comes before writing: compare, detect languages, embed.

        documents: checked ones. vectors: unit rows. Together with `commit` this is `add` in
        two steps, which a pipeline can overlap. Safe from several threads. Long texts that are an
        error raise InvalidDocument, without a position.
        """
        return prepare(
            self.stored,
            documents,
            embedder=self.embedder,
            detector=lambda: self.detector,
            vectors=vectors,
            if_exists=if_exists,
            long_texts=long_texts or self.long_texts,
        )

    def commit(self, prepared: Prepared) -> WriteReceipt:
        """Write what was prepared; durable on return."""
        # Divided documents are written in several steps, which must not mix with another's.
        divided = prepared.rows.chunks > 0 or self._has_chunks
        with self._dividing if divided else nullcontext():
            return write(self.stored, prepared.rows, prepared.replaced)

    def delete(
        self,
        ids: str | Iterable[str] | None = None,
        *,
        where: Filter | str | None = None,
        langs: Langs | None = None,
    ) -> int:
        """Delete by ids, or all that match; return how many there were.

        Without any condition it is an error: `drop` removes a collection.
        """
        condition = _condition(where, langs)
        if ids is not None:
            if condition is not None:
                raise UsageError("delete takes either ids or a condition, not both")
            listed = _checked_ids([ids] if isinstance(ids, str) else ids)
            delete = chunks.delete if self._has_chunks else type(self.stored).delete
            return delete(self.stored, listed)
        if condition is None:
            raise UsageError("delete needs ids, where or langs; to remove a collection use drop()")
        if not self._has_chunks:
            return self.stored.delete_where(condition)
        matching = self.stored.scan(combine(condition, chunks.IS_DOCUMENT))
        doomed = [document.id for batch in matching for document in batch.documents]
        parts = range(0, len(doomed), BATCH)
        return sum(chunks.delete(self.stored, doomed[row : row + BATCH]) for row in parts)

    def drop(self) -> None:
        """Remove the collection with all its documents, for good, and close it."""
        if self._store is None:
            raise UsageError("this Collection was made without its store; use store.drop(name)")
        self._store.drop(self.name)
        self._release()

    def repair(self) -> int:
        """Embed documents again whose vectors are damaged; return how many there were."""
        damaged = self.stored.damaged_ids()
        for start in range(0, len(damaged), BATCH):
            there = self.stored.fetch(damaged[start : start + BATCH])
            documents = [document for document in there if document is not None]
            # A chunk fits the model, so it stays one row; a document is divided as it was.
            divide: LongTexts = "chunk" if self._has_chunks else "warn"
            rows = embedded(self.schema, self._embedder(), documents, divide)
            self.stored.write(rows.rows, rows.vectors)
        return len(damaged)

    # ------------------------------------------------------------ asking

    def search(
        self,
        query: str | ArrayLike,
        *,
        k: int = 10,
        langs: Langs | None = None,
        where: Filter | str | None = None,
        min_score: float | None = None,
        exact: bool = False,
    ) -> list[Hit]:
        """Return the documents nearest in meaning, best first.

        query: a text in any language, or a vector of shape (dimension,). k: most hits wanted.
        langs: tags wanted, or unwanted with a leading "!". where: a filter, or one in text form
        ('price < 10 and brand in (a, b)'). Both apply before the nearest are chosen: fewer
        than k hits come back only when fewer documents match. min_score: cosine, -1 to 1.
        exact: no index that may miss some.
        """
        [hits] = self.search_many(
            self._as_queries(query),
            k=k,
            langs=langs,
            where=where,
            min_score=min_score,
            exact=exact,
        )
        return hits

    def search_many(
        self,
        queries: Iterable[str] | Iterable[ArrayLike],
        *,
        k: int = 10,
        langs: Langs | None = None,
        where: Filter | str | None = None,
        min_score: float | None = None,
        exact: bool = False,
    ) -> list[list[Hit]]:
        """Return the hits of each query, as `search` does, faster than one by one.

        queries: texts, or vectors of shape (n, dimension).
        """
        checked_count("k", k)
        vectors = query_vectors(queries, self.schema, self.embedder)
        if not len(vectors):
            return []
        found = self._nearest(vectors, k, _condition(where, langs), exact)
        return [_near_enough(hits, min_score) for hits in found]

    def _nearest(
        self, vectors: Vectors, k: int, condition: Filter | None, exact: bool
    ) -> list[list[Hit]]:
        of_parts = self._of_parts(condition)
        found = chunks.nearest_documents(self.stored, vectors, k, where=of_parts, exact=exact)
        return self._with_parts(vectors, found)

    def _with_parts(self, vectors: Vectors, found: list[list[Hit]]) -> list[list[Hit]]:
        """Return the hits, each of a divided document with its nearest part."""
        self._chunks_seen |= any(hit.chunk is not None for hits in found for hit in hits)
        # Not asked for each time, which a server would feel: where another process divides the
        # first document meanwhile, the first hit by a part tells of it.
        if not (self._chunks_seen or self._had_chunks):
            return found
        return chunks.with_nearest_parts(self.stored, vectors, found)

    def _of_parts(self, condition: Filter | None) -> Filter | None:
        """Return a condition under which a chunk passes if its document does."""
        if condition is None:
            return None
        of_parts = chunks.with_parts(condition)
        return of_parts if of_parts != condition and self._has_chunks else condition

    def search_by_language(
        self,
        query: str | ArrayLike,
        *,
        k: int = 3,
        langs: Langs | None = None,
        where: Filter | str | None = None,
        min_score: float | None = None,
        exact: bool = False,
    ) -> dict[str, list[Hit]]:
        """Return the nearest documents of each language, the language of the nearest one first.

        Every language gets its share, also one whose documents are all farther away than those
        of another. k: most hits wanted of each tag; tags are apart as they are stored, `de` does
        not hold `de-AT`. All else is as in `search`; a tag without a hit is left out.
        """
        checked_count("k", k)
        vectors = query_vectors(self._as_queries(query), self.schema, self.embedder)
        condition = _condition(where, langs)
        of_parts = self._of_parts(condition)
        [found] = nearest_by_language(self.stored, vectors, k, where=of_parts, exact=exact)
        if any(chunks.is_chunk(hit.document) for hits in found.values() for hit in hits):
            for tag in found:
                within = combine(condition, only(tag, found))
                [found[tag]] = self._nearest(vectors, k, within, exact)
        else:
            rows = self._with_parts(np.repeat(vectors, len(found), axis=0), list(found.values()))
            found = dict(zip(found, rows, strict=True))
        groups = {tag: _near_enough(hits, min_score) for tag, hits in found.items()}
        filled = [tag for tag in groups if groups[tag]]
        return {
            tag: groups[tag] for tag in sorted(filled, key=lambda tag: (-groups[tag][0].score, tag))
        }

    def _as_queries(self, query: str | ArrayLike) -> list[str] | list[NDArray[Any]]:
        """Return a query as a batch of one; raises UsageError if it is none."""
        if isinstance(query, str):
            return [query]
        if np.ndim(query) != 1:
            raise UsageError(
                f"a query is a text, or a vector of {self.schema.dimension} numbers,"
                f" not {reprlib.repr(query)}"
            )
        return [np.asarray(query)]

    def _embedder(self) -> Embedder:
        return embedder_of(self.schema, self.embedder, "vectors instead of texts")

    # ------------------------------------------------------------ reading

    def get(self, id: str) -> Document | None:
        """Return the document with this id, or None."""
        return self.get_many([id])[0]

    def get_many(self, ids: Iterable[str]) -> list[Document | None]:
        """Return the documents in the order of the ids, None where there is none."""
        there = self.stored.fetch(_checked_ids(ids))
        return [None if each is None or chunks.is_chunk(each) else each for each in there]

    @overload
    def documents(
        self,
        *,
        langs: Langs | None = None,
        where: Filter | str | None = None,
        with_vectors: Literal[False] = False,
    ) -> Iterator[Document]: ...

    @overload
    def documents(
        self,
        *,
        langs: Langs | None = None,
        where: Filter | str | None = None,
        with_vectors: Literal[True],
    ) -> Iterator[tuple[Document, NDArray[np.float32]]]: ...

    def documents(
        self,
        *,
        langs: Langs | None = None,
        where: Filter | str | None = None,
        with_vectors: bool = False,
    ) -> Iterator[Document] | Iterator[tuple[Document, NDArray[np.float32]]]:
        """Return all documents that match, streamed in the order of the store.

        with_vectors: return pairs of document and vector, shape (dimension,).
        """
        found = self.batches(langs=langs, where=where, with_vectors=with_vectors)
        if not with_vectors:
            return (document for batch in found for document in batch.documents)
        return (
            (document, vector)
            for batch in found
            if batch.vectors is not None
            for document, vector in zip(batch.documents, batch.vectors, strict=True)
        )

    def batches(
        self,
        *,
        langs: Langs | None = None,
        where: Filter | str | None = None,
        with_vectors: bool = False,
        size: int = 1000,
        after: str | None = None,
    ) -> Iterator[ScanBatch]:
        """Return what `documents` does, `size` documents at once, for work on whole arrays.

        after: begin behind the document with this id, in the order of the store.
        """
        condition = self._documents_only(_condition(where, langs))
        return self.stored.scan(condition, with_vectors=with_vectors, batch=size, after=after)

    def count(self, *, langs: Langs | None = None, where: Filter | str | None = None) -> int:
        """Return how many documents match; all without a condition."""
        return self.stored.count(self._documents_only(_condition(where, langs)))

    def languages(self) -> dict[str, int]:
        """Return the number of documents per language, most frequent first."""
        counts = self.stored.count_by_language(self._documents_only(None))
        return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))

    def __len__(self) -> int:
        return self.count()

    def __bool__(self) -> bool:
        return True  # an empty collection is a collection

    def __contains__(self, id: object) -> bool:
        return isinstance(id, str) and self.get(id) is not None

    @property
    def _has_chunks(self) -> bool:
        self._chunks_seen = self._chunks_seen or chunks.has_chunks(self.stored)
        return self._chunks_seen

    @cached_property
    def _had_chunks(self) -> bool:
        return self._has_chunks

    def _documents_only(self, condition: Filter | None) -> Filter | None:
        """Return a condition that no chunk meets."""
        return combine(condition, chunks.IS_DOCUMENT) if self._has_chunks else condition

    # ------------------------------------------------------------ keeping house

    def info(self) -> CollectionInfo:
        """Return facts: counts, languages, dimension, embedder, place."""
        schema, languages = self.schema, self.languages()
        return CollectionInfo(
            name=schema.name,
            count=sum(languages.values()),
            languages=languages,
            dimension=schema.dimension,
            embedder=str(schema.embedder) if schema.embedder else None,
            store=self._store_name,
            fields={**schema.fields},
            format_version=schema.format_version,
            place=self.stored.describe(),
            chunks=self.stored.count(~chunks.IS_DOCUMENT) if self._has_chunks else 0,
        )

    def compact(self) -> None:
        """Give back the room of deleted and replaced documents, and renew indexes."""
        self.stored.compact()

    def flush(self) -> None:
        """Return when everything written is durable, and indexes that are due are built."""
        self.stored.flush()

    def close(self) -> None:
        """Flush, then release files, locks and connections. Closing twice is harmless."""
        if not self._closed:
            try:
                self.stored.flush()
            finally:
                self._release()

    def _release(self) -> None:
        self._closed = True
        self.stored.close()
        if self._owns_store and self._store is not None:
            self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # After an error, or Ctrl-C, nobody wants to wait for indexes: what is written is durable.
        if error is None:
            self.close()
        else:
            self._release()

    def __repr__(self) -> str:
        return f"<Collection '{self.name}' in {self._store_name}>"


def added_in_batches(
    collection: Collection,
    documents: DocumentLike | Iterable[DocumentLike],
    vectors: Iterable[ArrayLike] | None,
    if_exists: IfExists,
    size: int,
    long_texts: LongTexts | None,
) -> Iterator[WriteReport]:
    """Add documents, `size` at once; after each batch yield what was done up to there."""
    report = WriteReport()
    for checked, given in batches(documents, vectors, collection.schema, size):
        if given is None and (long_texts or collection.long_texts) == "error":
            refuse_long(checked, collection.embedder, first=report.read)
        prepared = collection.prepare(
            checked, vectors=given, if_exists=if_exists, long_texts=long_texts
        )
        report = prepared.added_to(report, collection.commit(prepared))
        yield report


def warn_about(report: WriteReport, embedder: Embedder | None) -> None:
    """Warn of what was stored, but perhaps not as it was meant."""
    if report.truncated and embedder is not None:
        warnings.warn(
            f"{report.truncated:,} of {report.read:,} texts are longer than the"
            f" {embedder.max_tokens} tokens that {embedder.fingerprint.model} reads: what comes"
            " behind has no part in their vectors; long_texts='chunk' divides them",
            TextTruncated,
            stacklevel=3,
        )
    if report.suspect:
        counts = ", ".join(f"{count:,} {name}" for name, count in report.suspect.items())
        warnings.warn(
            f"some texts look damaged ({counts}) and were stored as they are;"
            " xlingual_qdrant.hygiene says what is wrong with a text, and mends it",
            TextSuspect,
            stacklevel=3,
        )


def checked_count(name: str, value: int) -> int:
    """Return a number of things, at least 1; raises UsageError for what is none."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise UsageError(f"{name} must be a whole number of at least 1, got {value!r}")
    return value


def _near_enough(hits: list[Hit], min_score: float | None) -> list[Hit]:
    """Return the hits that have at least this score; raises UsageError if it is no score."""
    if min_score is None:
        return hits
    if not isinstance(min_score, int | float) or min_score != min_score:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise UsageError(f"min_score is a number from -1 to 1, not {min_score!r}")
    return [hit for hit in hits if hit.score >= min_score]


def _condition(where: Filter | str | None, langs: Langs | None) -> Filter | None:
    """Return both conditions as one filter; None without any."""
    tags = [langs] if isinstance(langs, str) else langs
    if tags is not None and not tags:
        raise UsageError("langs is empty: leave it out for all languages")
    condition = parse(where) if isinstance(where, str) else where
    if condition is not None and not isinstance(condition, get_args(Filter)):
        raise InvalidFilter(
            "a filter is a comparison such as F('price') < 10, or a text such as 'price < 10',"
            f" not {reprlib.repr(condition)}"
        )
    return combine(language_filter(*split_langs(tags or [])), condition)


def _checked_ids(ids: Iterable[str]) -> list[str]:
    checked = list(ids)
    for id in checked:
        if not isinstance(id, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise UsageError(f"an id is a string, not {reprlib.repr(id)}")
    return checked
