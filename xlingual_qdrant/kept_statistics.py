"""The statistics of a stored collection: read, kept up to date, made again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from threading import RLock
from time import monotonic

from xlingual_qdrant.calibration import embedder_name
from xlingual_qdrant.documents import Document
from xlingual_qdrant.ports import Vectors
from xlingual_qdrant.statistics import STATE, Asked, Statistics
from xlingual_qdrant.whole_documents import WholeDocuments

SCANNED = 100_000
"""Documents that are looked at to make samples on the way, unless that is asked for."""
FRESH_S = 60.0
"""Seconds after which is looked for what other processes have kept."""
_AT_ONCE = 4096
_MANY = 100_000  # deleted ids that are remembered, until it is looked which of them matter


class KeptStatistics:
    """Statistics that follow what is written and deleted through one `Collection`.

    Changes are collected, and kept with the collection by `save`; what other processes have kept
    meanwhile is joined, not overwritten. Reading writes nothing.
    """

    def __init__(self, documents: WholeDocuments) -> None:
        self._documents = documents
        self._lock = RLock()
        self._known: Statistics | None = None
        self._read_at = monotonic()
        self._forget_changes()

    def _forget_changes(self) -> None:
        self._newer = self._empty()
        self._gone: set[str] = set()
        self._changed = False
        self._added = 0
        self._scanned: Statistics | None = None

    def _empty(self) -> Statistics:
        stored = self._documents.stored
        return Statistics(embedder_name(stored), stored.schema.dimension)

    # ------------------------------------------------------------ following

    def written(
        self, documents: Sequence[Document], vectors: Vectors, replaced: Sequence[str]
    ) -> None:
        """Follow a write. vectors: shape (len(documents), dimension). replaced: were there."""
        with self._lock:
            self.deleted(replaced)
            ids = [document.id for document in documents]
            tags = [document.lang for document in documents]
            if self._newer.take(ids, tags, vectors):
                self._changed, self._known = True, None
            self._added += len(documents)

    def deleted(self, ids: Iterable[str]) -> None:
        """Follow a deletion by ids."""
        with self._lock:
            gone = set(ids)
            if not gone:
                return
            self._newer.forget(gone)
            self._gone |= gone
            if len(self._gone) > _MANY:
                self._gone &= self._base_ids()
            self._added -= len(gone)
            self._changed, self._known = True, None

    def deleted_somewhere(self) -> None:
        """Follow a deletion of which the ids are not known: look which sampled ones are left."""
        with self._lock:
            ids = sorted({*self._newer.sampled_ids(), *self._base_ids()})
            there = self._documents.stored.content_hashes(ids)
            self.deleted(id for id, known in zip(ids, there, strict=True) if known is None)

    def hear(self, tags: Sequence[str], queries: Vectors) -> None:
        """Learn from queries. queries: shape (len(tags), dimension), unit rows."""
        with self._lock:
            self._newer.hear(tags, queries)
            self._changed, self._known = True, None

    def learn(self, asked: Mapping[str, Asked]) -> None:
        """Take over what was found out about the shares of languages in what was asked."""
        with self._lock:
            for tag, each in asked.items():
                known = self._newer.asked
                known[tag] = known[tag].joined(each) if tag in known else each
            self._changed, self._known = True, None

    # ------------------------------------------------------------ reading

    def current(self) -> Statistics:
        """Return the statistics as of now; samples that are missing are made of the documents."""
        with self._lock:
            if self._known is None or monotonic() - self._read_at > FRESH_S:
                self._read_at = monotonic()
                base = self._read()
                if base is None:
                    base = self._fresh()
                self._known = base.merged(self._newer, self._gone)
            return self._known

    def _read(self) -> Statistics | None:
        kept = self._documents.stored.read_state(STATE)
        found = None if kept is None else Statistics.from_bytes(kept)
        usable = found is not None and (found.embedder, found.dimension) == (
            self._newer.embedder,
            self._newer.dimension,
        )
        return found if usable else None

    def _base_ids(self) -> set[str]:
        base = self._read() or self._scanned
        return set() if base is None else base.sampled_ids()

    def _fresh(self) -> Statistics:
        """Return samples of what is there, unless all of it came through here."""
        if self._scanned is None:
            if self._documents.count(None) <= self._added:
                return self._empty()
            self._scanned = self._sampled(SCANNED)
        return self._scanned

    def _sampled(self, most: int | None = None) -> Statistics:
        made, seen = self._empty(), 0
        for batch in self._documents.scan(None, with_vectors=True, batch=_AT_ONCE):
            if batch.vectors is not None:
                ids = [document.id for document in batch.documents]
                made.take(ids, [document.lang for document in batch.documents], batch.vectors)
            seen += len(batch.documents)
            if most is not None and seen >= most:
                break
        return made

    # ------------------------------------------------------------ keeping

    def save(self) -> None:
        """Keep what has changed with the collection."""
        with self._lock:
            if not self._changed:
                return
            base = self._read()
            made = (self._fresh() if base is None else base).merged(self._newer, self._gone)
            self._keep(made)

    def save_in_passing(self) -> None:
        """Keep what has changed if that is done at once, as on the way out of an error.

        Where nothing is kept yet, nothing is lost: the samples are made when they are needed.
        """
        with self._lock:
            if self._changed and self._read() is not None:
                self.save()

    def recompute(self) -> None:
        """Make the samples again from the documents; what was learned from queries stays."""
        with self._lock:
            asked = self.current().asked
            made = self._sampled()
            made.asked = dict(asked)
            self._keep(made)

    def forget_queries(self) -> None:
        """Forget what was learned from queries; the samples stay."""
        with self._lock:
            made = self.current().merged(self._empty(), ())
            made.asked = {}
            self._keep(made)

    def forget_changes(self) -> None:
        """Drop what was not kept yet, as where nothing can be kept."""
        with self._lock:
            self._forget_changes()
            self._known = None

    def _keep(self, made: Statistics) -> None:
        self._documents.stored.write_state(STATE, made.to_bytes())
        self._forget_changes()
        self._known = made
