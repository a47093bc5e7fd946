"""Collection: what an application holds. Texts go in, texts come out, in any language."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext, suppress
from functools import cached_property
from threading import Lock
from types import TracebackType
from typing import Any, Literal, Self, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xlingual_qdrant.asking import (
    Langs,
    MinScore,
    as_batch,
    as_condition,
    as_queries,
    checked_count,
    checked_ids,
    checked_score,
    languages_of,
    near_enough,
    saying_the_same,
)
from xlingual_qdrant.calibration import Calibration, calibration_of
from xlingual_qdrant.documents import (
    CollectionInfo,
    Document,
    Hit,
    LongTexts,
    WriteReceipt,
    WriteReport,
)
from xlingual_qdrant.errors import (
    StoreError,
    TextSuspect,
    TextTruncated,
    UsageError,
    XlingualError,
)
from xlingual_qdrant.filter_hints import why_nothing
from xlingual_qdrant.filters import Filter
from xlingual_qdrant.kept_statistics import KeptStatistics
from xlingual_qdrant.languages import UNDETERMINED
from xlingual_qdrant.learning import learned_offsets
from xlingual_qdrant.opening import open_or_create
from xlingual_qdrant.ports import (
    Embedder,
    LanguageDetector,
    ScanBatch,
    Store,
    StoredCollection,
    Vectors,
)
from xlingual_qdrant.ranking import Prefer, Ranker, Ranking
from xlingual_qdrant.schema import CollectionSchema, Comparison
from xlingual_qdrant.settings import (
    SettingsLike,
    load_detector,
    load_embedder,
    load_settings,
    load_store,
)
from xlingual_qdrant.spaces import Rescore
from xlingual_qdrant.statistics import StatisticsInfo
from xlingual_qdrant.whole_documents import WholeDocuments
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

BATCH = 4096
DEFAULT_K = 10


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
        self._documents = WholeDocuments(stored)
        self._statistics = KeptStatistics(self._documents)
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
        condition = as_condition(where, None)
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
        divided = prepared.rows.chunks > 0 or self._documents.has_chunks
        with self._dividing if divided else nullcontext():
            receipt = write(self.stored, prepared.rows, prepared.replaced)
        vectors = prepared.rows.vectors[: len(prepared.documents)]
        self._statistics.written(prepared.documents, vectors, prepared.replaced)
        return receipt

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
        condition = as_condition(where, langs)
        if ids is not None:
            if condition is not None:
                raise UsageError("delete takes either ids or a condition, not both")
            listed = checked_ids([ids] if isinstance(ids, str) else ids)
            deleted = self._documents.delete(listed)
            self._statistics.deleted(listed)
            return deleted
        if condition is None:
            raise UsageError("delete needs ids, where or langs; to remove a collection use drop()")
        deleted = self._documents.delete_where(condition)
        if deleted:
            self._statistics.deleted_somewhere()
        return deleted

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
            divide: LongTexts = "chunk" if self._documents.has_chunks else "warn"
            rows = embedded(self.schema, self._embedder(), documents, divide)
            self.stored.write(rows.rows, rows.vectors)
        return len(damaged)

    # ------------------------------------------------------------ asking

    def search(
        self,
        query: str | ArrayLike,
        *,
        k: int | None = None,
        langs: Langs | None = None,
        where: Filter | str | None = None,
        min_score: MinScore | None = None,
        exact: bool = False,
        lang: str | None = None,
        prefer: Prefer | None = None,
        rescore: Rescore | None = None,
        per_language: int | None = None,
        balance: bool = False,
        diversity: float | None = None,
        explain: bool = False,
    ) -> list[Hit]:
        """Return the documents nearest in meaning, best first.

        query: a text in any language, or a vector of shape (dimension,). k: most hits wanted,
        10 unless `per_language` is given. langs: tags wanted, or unwanted with a leading "!".
        where: a filter, or one in text form ('price < 10 and brand in (a, b)'). Both apply before
        the nearest are chosen: fewer than k hits come back only when fewer documents match.
        min_score: least score (a cosine, -1 to 1, unless it is corrected); "calibrated" keeps
        what says the same as the query by the collection's calibration. exact: no index that may
        miss some.

        lang: the language of a query, else it is detected where it matters. prefer: "neutral"
        takes off what a space has too much of for each language, "balanced" also gives each
        language its share of the first hits, "own" puts documents in the query's language nearer.
        rescore: the correction by name: "centered" (what `prefer` uses unless told otherwise),
        "csls", "lir", or "bridge", for collections that hold the same texts in several languages.
        A corrected hit has the cosine in `raw_score`. per_language: at most so many hits of each
        language, every language having its own. balance: each language as many of the k hits as
        the others. diversity: 0 to 1, against hits that repeat each other. explain: `Hit` tells
        how its score came about.

        Raises UsageError, InvalidFilter, InvalidVectors, UnknownLanguage.
        """
        [hits] = self.search_many(
            as_queries(query, self.schema),
            k=k,
            langs=langs,
            where=where,
            min_score=min_score,
            exact=exact,
            lang=lang,
            prefer=prefer,
            rescore=rescore,
            per_language=per_language,
            balance=balance,
            diversity=diversity,
            explain=explain,
        )
        return hits

    def search_many(
        self,
        queries: Iterable[str] | Iterable[ArrayLike],
        *,
        k: int | None = None,
        langs: Langs | None = None,
        where: Filter | str | None = None,
        min_score: MinScore | None = None,
        exact: bool = False,
        lang: str | Sequence[str] | None = None,
        prefer: Prefer | None = None,
        rescore: Rescore | None = None,
        per_language: int | None = None,
        balance: bool = False,
        diversity: float | None = None,
        explain: bool = False,
    ) -> list[list[Hit]]:
        """Return the hits of each query, as `search` does, faster than one by one.

        queries: texts, or vectors of shape (n, dimension). lang: of all, or one tag for each.
        """
        ranking = Ranking(
            prefer=prefer,
            rescore=rescore,
            per_language=per_language,
            balance=balance,
            diversity=diversity,
            explain=explain,
        )
        wanted = None if k is None else checked_count("k", k)
        if per_language is None:
            wanted = wanted or DEFAULT_K
        least = checked_score(min_score)
        condition = as_condition(where, langs)
        asked = as_batch(queries)
        vectors = query_vectors(asked, self.schema, self.embedder)
        if not len(vectors):
            return []
        told = ranking.corrected or explain or least == "calibrated" or lang is not None
        tags = languages_of(asked, lang, lambda: self.detector) if told else []
        if ranking.plain and wanted is not None and least != "calibrated":
            found = self._documents.nearest(vectors, wanted, condition, exact=exact)
            return found if least is None else [near_enough(hits, least) for hits in found]
        ranker = Ranker(
            self._documents,
            self._statistics.current,
            ranking,
            where=condition,
            exact=exact,
            enough=self._enough(least),
        )
        return ranker.search(vectors, tags or [UNDETERMINED] * len(vectors), wanted)

    def _enough(self, least: MinScore | None) -> Callable[[list[Hit], str], list[Hit]] | None:
        """Return what leaves out hits of a query in a language; None if all may stay."""
        if least is None:
            return None
        if least != "calibrated":
            return lambda hits, _: near_enough(hits, least)
        calibration = self._calibration()
        return lambda hits, tag: saying_the_same(hits, tag, calibration)

    def search_by_language(
        self,
        query: str | ArrayLike,
        *,
        k: int = 3,
        langs: Langs | None = None,
        where: Filter | str | None = None,
        min_score: MinScore | None = None,
        exact: bool = False,
        lang: str | None = None,
        prefer: Prefer | None = None,
        rescore: Rescore | None = None,
        explain: bool = False,
    ) -> dict[str, list[Hit]]:
        """Return the nearest documents of each language, the language of the nearest one first.

        Every language gets its share, also one whose documents are all farther away than those
        of another. k: most hits wanted of each tag; tags are apart as they are stored, `de` does
        not hold `de-AT`. All else is as in `search`; a tag without a hit is left out.
        """
        checked_count("k", k)
        groups: dict[str, list[Hit]] = {}
        for hit in self.search(
            query,
            langs=langs,
            where=where,
            min_score=min_score,
            exact=exact,
            lang=lang,
            prefer=prefer,
            rescore=rescore,
            per_language=k,
            explain=explain,
        ):
            groups.setdefault(hit.lang, []).append(hit)
        return groups

    def _calibration(self) -> Calibration:
        known = calibration_of(self.stored)
        if known is None:
            raise UsageError(
                f"collection '{self.name}' is not calibrated, so nothing is known about"
                " min_score='calibrated'; `xlingual calibrate` does that"
            )
        return known

    # ------------------------------------------------------------ learning from what is asked

    def learn_queries(
        self,
        queries: Iterable[str] | Iterable[ArrayLike],
        *,
        lang: str | Sequence[str] | None = None,
    ) -> StatisticsInfo:
        """Learn what is asked here, so that corrected searches get better; return what is known.

        queries: typical ones, texts or vectors; some dozens do, of other topics than what will be
        asked is no harm, of another kind is. lang: of all, or one tag for each; else detected. Only
        sums are kept, with the collection: no text, no vector of a single query. From 20 queries
        of a language on, the shares of languages that `prefer="balanced"` aims at are learned, too.
        """
        asked = as_batch(queries)
        vectors = query_vectors(asked, self.schema, self.embedder)
        if len(vectors):
            tags = languages_of(asked, lang, lambda: self.detector)
            self._statistics.hear(tags, vectors)
            known = self._statistics.current()
            self._statistics.learn(learned_offsets(self._documents, known, vectors, tags))
            try:
                self._statistics.save()
            except StoreError:
                self._statistics.forget_changes()
                raise
        return self.statistics()

    def forget_queries(self) -> None:
        """Forget what was learned from queries."""
        self._statistics.forget_queries()

    def statistics(self) -> StatisticsInfo:
        """Return what corrected searches rest on: sampled documents, and queries learned from."""
        return self._statistics.current().info()

    def recompute_statistics(self) -> StatisticsInfo:
        """Sample the documents again; needed only if others have changed them otherwise."""
        self._statistics.recompute()
        return self.statistics()

    def _embedder(self) -> Embedder:
        return embedder_of(self.schema, self.embedder, "vectors instead of texts")

    # ------------------------------------------------------------ reading

    def get(self, id: str) -> Document | None:
        """Return the document with this id, or None."""
        return self.get_many([id])[0]

    def get_many(self, ids: Iterable[str]) -> list[Document | None]:
        """Return the documents in the order of the ids, None where there is none."""
        return self._documents.fetch(checked_ids(ids))

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
        condition = as_condition(where, langs)
        return self._documents.scan(condition, with_vectors=with_vectors, batch=size, after=after)

    def count(self, *, langs: Langs | None = None, where: Filter | str | None = None) -> int:
        """Return how many documents match; all without a condition."""
        return self._documents.count(as_condition(where, langs))

    def languages(self) -> dict[str, int]:
        """Return the number of documents per language, most frequent first."""
        counts = self._documents.count_by_language()
        return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))

    def __len__(self) -> int:
        return self.count()

    def __bool__(self) -> bool:
        return True  # an empty collection is a collection

    def __contains__(self, id: object) -> bool:
        return isinstance(id, str) and self.get(id) is not None

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
            chunks=self._documents.chunk_count(),
        )

    def compact(self) -> None:
        """Give back the room of deleted and replaced documents, and renew indexes."""
        self.stored.compact()

    def flush(self) -> None:
        """Return when everything written is durable, and indexes that are due are built."""
        self._statistics.save()
        self.stored.flush()

    def close(self) -> None:
        """Flush, then release files, locks and connections. Closing twice is harmless."""
        if not self._closed:
            try:
                self.flush()
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
            return
        try:
            if not (self._closed or isinstance(error, StoreError)):
                with suppress(XlingualError):  # the error on its way matters more
                    self._statistics.save_in_passing()
        finally:
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
