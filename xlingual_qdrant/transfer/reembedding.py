"""Embedding a collection again with another model, while everybody goes on reading it."""

from __future__ import annotations

import time
from contextlib import ExitStack, closing
from dataclasses import dataclass

from xlingual_qdrant.documents import Document, JsonValue, content_hash
from xlingual_qdrant.errors import NotSupported, TransferIncomplete
from xlingual_qdrant.ports import Embedder, Store, StoredCollection
from xlingual_qdrant.transfer.batches import OnProgress, ahead
from xlingual_qdrant.writing import embedded

WINDOW = 4096
"""Documents embedded and written at once."""

_ROUNDS = 5
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
    store: Store,
    name: str,
    embedder: Embedder,
    *,
    batch_size: int = WINDOW,
    on_progress: OnProgress | None = None,
) -> ReembedReport:
    """Embed all texts again with this embedder, then switch to the new vectors in one step.

    A second collection is filled, unseen; an interrupted filling goes on when called again
    with the same embedder. Whoever has the collection open reads the old one to the end, and
    gets the new one by opening it again, with the new embedder. The old one is kept until
    `compact`. States, such as statistics of the old vectors, are not carried over.

    On a store with one writer nobody else can write meanwhile. On a server what others write
    until shortly before the switch is carried over; stop them to be sure of all.

    Raises CollectionMissing, NotSupported if the store cannot replace a collection,
    TransferIncomplete if documents are written faster than they are embedded.
    """
    began = time.monotonic()
    if not store.capabilities.aliases:
        raise NotSupported(
            store.location,
            "replace a collection behind its name",
            "move it to a store that can, or ingest its texts into a new collection",
        )
    with ExitStack() as stack:
        old = stack.enter_context(closing(store.open(name)))
        schema = old.schema.model_copy(
            update={"dimension": embedder.dimension, "embedder": embedder.fingerprint}
        )
        new = stack.enter_context(closing(store.begin_replacement(schema)))
        filling = _Filling(old, new, embedder, batch_size, on_progress)
        filling.run(store.location)
        if on_progress:
            on_progress("building indexes", filling.done, filling.done)
        new.flush()
        count = new.count()
        # While `new` is open nobody else writes to a store with one writer.
        store.finish_replacement(name)
    before = old.schema.embedder
    return ReembedReport(
        count=count,
        embedded=filling.embedded,
        truncated=filling.truncated,
        before=None if before is None else str(before),
        after=str(embedder.fingerprint),
        seconds=round(time.monotonic() - began, 3),
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
        self.done = self.embedded = self.truncated = 0

    def run(self, where: str) -> None:
        """Fill until a round finds nothing to do: others may write to the old one meanwhile."""
        for _ in range(_ROUNDS):
            if not self._add_what_differs() and not self._remove_what_is_gone():
                return
        raise TransferIncomplete(
            self._old.schema.name, where, ["others write faster than its texts are embedded"]
        )

    def _add_what_differs(self) -> int:
        total, changed = self._old.count(), 0
        self.done = 0
        for batch in ahead(self._old.scan(batch=self._batch_size)):
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
            texts = [document.text for document in documents]
            vectors, truncated = embedded(self._new.schema, self._embedder, texts)
            self._new.write(documents, vectors)
            self.embedded += len(documents)
            self.truncated += truncated

    def _remove_what_is_gone(self) -> int:
        if self._new.count() == self._old.count():
            return 0
        removed = 0
        for batch in self._new.scan(batch=self._batch_size):
            ids = [document.id for document in batch.documents]
            known = self._old.content_hashes(ids)
            gone = [id for id, there in zip(ids, known, strict=True) if there is None]
            removed += self._new.delete(gone)
        return removed
