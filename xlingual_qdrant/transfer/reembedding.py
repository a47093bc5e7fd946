"""Embedding a collection again with another model, while everybody goes on reading it."""

from __future__ import annotations

import time
from contextlib import ExitStack, closing
from dataclasses import dataclass

from xlingual_qdrant import chunks
from xlingual_qdrant.asking import checked_count
from xlingual_qdrant.documents import Document, JsonValue, LongTexts, content_hash
from xlingual_qdrant.errors import NotSupported, TransferIncomplete
from xlingual_qdrant.filters import Filter
from xlingual_qdrant.ports import Embedder, Store, StoredCollection
from xlingual_qdrant.settings import load_embedder
from xlingual_qdrant.transfer.sources import OnProgress, ahead, opened
from xlingual_qdrant.writing import embedded as embedded_rows
from xlingual_qdrant.writing import write

WINDOW = 4096
"""Documents embedded and written at once."""

_ROUNDS = 3
"""Times that documents are looked for that were written meanwhile."""


@dataclass(frozen=True, slots=True)
class ReembedReport:
    """What a re-embedding did.

    before, after: the embedders, in words; before is None if it was not known. embedded: by
    this run; those of an interrupted one are not done again. truncated: of these, texts of
    which the embedder read only the beginning.
    """

    count: int
    embedded: int
    truncated: int
    before: str | None
    after: str
    seconds: float

    def to_json(self) -> dict[str, JsonValue]:
        """Return the facts as a JSON object."""
        return {
            "count": self.count,
            "embedded": self.embedded,
            "truncated": self.truncated,
            "before": self.before,
            "after": self.after,
            "seconds": self.seconds,
        }


def reembed(
    store: Store | str,
    name: str,
    embedder: Embedder | str,
    *,
    batch_size: int = WINDOW,
    on_progress: OnProgress | None = None,
) -> ReembedReport:
    """Embed all texts again with this embedder, then switch to the new vectors in one step.

    store, embedder: ready ones, or their names in the settings. A second collection is filled,
    unseen; an interrupted filling goes on when called again with the same embedder. Whoever has
    the collection open reads the old one to the end, and gets the new one by opening it again,
    with the new embedder. The old one is kept until `compact`. States, such as statistics of the
    old vectors, are not carried over. A collection of this embedder is left as it is.

    On a store with one writer nobody else can write meanwhile. On a server what others write
    until shortly before the switch is carried over; stop them to be sure of all.

    Raises CollectionMissing, NotSupported if the store cannot replace a collection,
    TransferIncomplete if documents are written faster than they are embedded.
    """
    began = time.monotonic()
    checked_count("batch_size", batch_size)
    with ExitStack() as stack:
        place = opened(store, stack)
        model = load_embedder(embedder) if isinstance(embedder, str) else embedder
        old = stack.enter_context(closing(place.open(name)))
        before, after = old.schema.embedder, model.fingerprint
        embedded = truncated = 0
        if before is None or before.compare(after).verdict != "same":
            _check_replaces(place)
            changed = {"dimension": model.dimension, "embedder": after}
            begun = place.begin_replacement(old.schema.model_copy(update=changed))
            new = stack.enter_context(closing(begun))
            filling = _Filling(old, new, model, batch_size, on_progress)
            filling.run(place.location)
            embedded, truncated = filling.embedded, filling.truncated
            # While `new` is open nobody else writes to a store with one writer.
            place.finish_replacement(name)
            count = new.count(filling.only)
        else:
            count = old.count(chunks.only_documents(old))
    return ReembedReport(
        count=count,
        embedded=embedded,
        truncated=truncated,
        before=None if before is None else str(before),
        after=str(after),
        seconds=round(time.monotonic() - began, 3),
    )


def _check_replaces(store: Store) -> None:
    if not store.capabilities.aliases:
        raise NotSupported(
            store.location,
            "replace a collection behind its name",
            "move it to a store that can, or ingest its texts into a new collection",
        )


class _Filling:
    """The new collection on its way to having what the old one has."""

    def __init__(
        self,
        old: StoredCollection,
        new: StoredCollection,
        embedder: Embedder,
        batch_size: int,
        on_progress: OnProgress | None,
    ) -> None:
        self._old, self._new, self._embedder = old, new, embedder
        self._batch_size, self._on_progress = batch_size, on_progress
        self.only: Filter | None = chunks.only_documents(old)
        self._divide: LongTexts = "warn" if self.only is None else "chunk"
        self.done = self.embedded = self.truncated = 0

    def run(self, where: str) -> None:
        """Fill until a round finds nothing to do: others may write to the old one meanwhile.

        Indexes are built before the last round, so that it is a short way from there to the switch.
        """
        for _ in range(_ROUNDS):
            self._round()
            if self._on_progress:
                self._on_progress("building indexes", self.done, self.done)
            self._new.flush()
            if self._round() == 0 and self._counts_agree():
                return
        raise TransferIncomplete(
            self._old.schema.name, where, ["others write faster than its texts are embedded"]
        )

    def _round(self) -> int:
        return self._add_what_differs() + self._remove_what_is_gone()

    def _add_what_differs(self) -> int:
        total, changed = self._old.count(self.only), 0
        self.done = 0
        for batch in ahead(self._old.scan(self.only, batch=self._batch_size)):
            ids = [document.id for document in batch.documents]
            there = zip(batch.documents, self._new.content_hashes(ids), strict=True)
            differing = [doc for doc, other in there if other != content_hash(doc)]
            self._write(differing)
            changed += len(differing)
            self.done += len(ids)
            if self._on_progress:
                self._on_progress("embedding", self.done, total)
        return changed

    def _write(self, documents: list[Document]) -> None:
        if documents:
            rows = embedded_rows(self._new.schema, self._embedder, documents, self._divide)
            write(self._new, rows, [document.id for document in documents])
            self.embedded += len(documents)
            self.truncated += len(rows.truncated)

    def _counts_agree(self) -> bool:
        return self._new.count(self.only) == self._old.count(self.only)

    def _remove_what_is_gone(self) -> int:
        if self._counts_agree():
            return 0
        removed = 0
        for batch in self._new.scan(self.only, batch=self._batch_size):
            ids = [document.id for document in batch.documents]
            known = self._old.content_hashes(ids)
            gone = [id for id, there in zip(ids, known, strict=True) if there is None]
            removed += chunks.delete(self._new, gone)
        return removed
