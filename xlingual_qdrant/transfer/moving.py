"""Moving a collection to another store with its vectors: nothing is embedded again."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xlingual_qdrant.asking import checked_count
from xlingual_qdrant.chunks import chunk_ids, has_chunks, is_chunk
from xlingual_qdrant.documents import Document, JsonValue
from xlingual_qdrant.errors import (
    CollectionExists,
    CollectionMissing,
    EmbedderMismatch,
    InvalidDocument,
    SchemaMismatch,
    TransferIncomplete,
)
from xlingual_qdrant.ports import (
    Embedder,
    LanguageDetector,
    ScanBatch,
    Store,
    StoredCollection,
    Vectors,
)
from xlingual_qdrant.schema import COMPATIBLE_COSINE, CollectionSchema
from xlingual_qdrant.transfer.comparing import (
    MOVE_STATE,
    SAME_VECTOR,
    Comparison,
    check_comparable,
    compare,
    differing,
    digest_of,
)
from xlingual_qdrant.transfer.sources import (
    BATCH,
    OnProgress,
    Source,
    ahead,
    check_apart,
    opened,
    read_with,
)
from xlingual_qdrant.writing import fitting

_REMEMBER_EVERY_S = 0.5
_SAMPLE = 32


@dataclass(frozen=True, slots=True)
class MoveReport:
    """What a move did: the source has `read` documents, of which `written` were not there yet.

    resumed: it went on where an earlier one was interrupted, behind `read - written` documents
    or fewer. comparison: of both collections as they are now.
    """

    read: int
    written: int
    resumed: bool
    comparison: Comparison
    seconds: float

    def to_json(self) -> dict[str, JsonValue]:
        """Return the facts as a JSON object."""
        return {
            "read": self.read,
            "written": self.written,
            "resumed": self.resumed,
            "seconds": self.seconds,
            "comparison": self.comparison.to_json(),
        }


def move(
    source: Store | str,
    target: Store | str,
    name: str,
    *,
    to: str | None = None,
    embedder: Embedder | None = None,
    detector: LanguageDetector | None = None,
    batch_size: int = BATCH,
    on_progress: OnProgress | None = None,
) -> MoveReport:
    """Copy a collection with its vectors into another store, and verify the copy.

    source, target: stores, or their names in the settings. to: what the collection is called
    there, default `name`; made with the same schema if it is missing. The source stays as it is.
    An interrupted move goes on where it was; a move that has been done writes only what has
    changed since. What else the target holds is left alone, also what the source has deleted.
    embedder: of a source that does not know it, such as another program's: what its vectors
    were made with, which is checked on a sample. detector: finds the language of documents
    that come without one.

    Raises CollectionMissing, EmbedderMismatch, SchemaMismatch, InvalidDocument,
    TransferIncomplete if the verification finds a difference, and the errors of both stores.
    """
    began = time.monotonic()
    checked_count("batch_size", batch_size)
    to = name if to is None else to
    with ExitStack() as stack:
        here, there = opened(source, stack), opened(target, stack)
        check_apart(here, name, there, to)
        one = stack.enter_context(closing(here.open(name)))
        if embedder is not None:
            _check_made_by(one, embedder)
        other = stack.enter_context(closing(_target(one.schema, there, to, embedder)))
        # Two stores in memory are told apart by nothing that outlives this process.
        origin = f"{here.location}/{name}" if here.capabilities.persistent else None
        mover = _Move(read_with(one, detector), other, origin, batch_size, on_progress)
        comparison = mover.run()
        if mover.resumed and not comparison.complete:
            # What was copied before the interruption has changed since.
            comparison = mover.run()
        if not comparison.complete:
            raise TransferIncomplete(to, there.location, comparison.differences())
    seconds = time.monotonic() - began
    return MoveReport(
        comparison.source.count, mover.written, mover.resumed, comparison, round(seconds, 3)
    )


class _Move:
    """One run; what it has done is in the target."""

    def __init__(
        self,
        source: Source,
        target: StoredCollection,
        origin: str | None,
        batch_size: int,
        on_progress: OnProgress | None,
    ) -> None:
        self._source, self._target, self._origin = source, target, origin
        self._batch_size, self._on_progress = batch_size, on_progress
        self._total = source.count()
        self._compares = target.count() > 0
        self._read = self.written = 0
        self.resumed = False

    def run(self) -> Comparison:
        """Carry documents, vectors and states over, and compare both sides.

        What the target holds already is compared first, and only differences are written;
        unless it remembers how far this very move has come: then all behind that is written.
        """
        after = self._remembered()
        self.resumed |= after is not None
        self._compares &= after is None
        self._carry(after)
        self._tell("building indexes")
        self._target.flush()
        found = compare(
            self._source, self._target, on_progress=self._on_progress, but_state=MOVE_STATE
        )
        self._target.write_state(MOVE_STATE, None)
        self._compares = True
        return found

    def _carry(self, after: str | None) -> None:
        # First, because one of them tells chunks from documents; again, as they may have changed.
        self._carry_states()
        remembered_at = time.monotonic()
        batches = self._source.scan(with_vectors=True, batch=self._batch_size, after=after)
        for batch in ahead(batches):
            self._write(batch)
            if time.monotonic() - remembered_at > _REMEMBER_EVERY_S:
                self._remember(batch.documents[-1].id)
                remembered_at = time.monotonic()
            self._tell("moving")
        self._carry_states()

    def _carry_states(self) -> None:
        for key in set(self._source.states()) - {MOVE_STATE}:
            value = self._source.read_state(key)
            if value != self._target.read_state(key):
                self._target.write_state(key, value)

    def _tell(self, what: str) -> None:
        if self._on_progress:
            self._on_progress(what, self._read, self._total)

    def _write(self, batch: ScanBatch) -> None:
        if batch.vectors is None:
            raise TypeError("the store gave no vectors for a scan with vectors")
        documents, vectors = batch.documents, batch.vectors
        self._read += len(documents)
        if self._compares:
            rows = _new_or_changed(documents, vectors, self._target)
            documents, vectors = [documents[row] for row in rows], vectors[rows]
            self._remove_old_chunks(documents)
        if documents:
            checked = [_checked(document, self._target.schema) for document in documents]
            self._target.write(checked, np.ascontiguousarray(vectors))
            self.written += sum(not is_chunk(document) for document in documents)

    def _remove_old_chunks(self, documents: Sequence[Document]) -> None:
        """Remove what chunks of changed documents are in the target alone."""
        if not has_chunks(self._target):
            return
        there = chunk_ids(self._target, [each.id for each in documents if not is_chunk(each)])
        known = self._source.content_hashes(there)
        self._target.delete([id for id, mine in zip(there, known, strict=True) if mine is None])

    def _remember(self, after: str) -> None:
        if self._origin is None:
            return
        state = {"source": self._origin, "after": after, "read": self._read}
        self._target.write_state(MOVE_STATE, json.dumps(state).encode())

    def _remembered(self) -> str | None:
        """Return the id behind which to go on; None to begin."""
        kept = self._target.read_state(MOVE_STATE)
        state: dict[str, Any] = {} if kept is None else json.loads(kept)
        self._read = 0
        if self._origin is None or state.get("source") != self._origin:
            return None
        self._read = int(state["read"])
        return str(state["after"])


def _new_or_changed(
    documents: Sequence[Document], vectors: Vectors, target: StoredCollection
) -> list[int]:
    ids = [document.id for document in documents]
    off = differing(vectors, target.fetch_vectors(ids))
    there = target.fetch(ids)
    return [
        row
        for row, (mine, other) in enumerate(zip(documents, there, strict=True))
        if other is None or off[row] > SAME_VECTOR or digest_of(mine) != digest_of(other)
    ]


def _checked(document: Document, schema: CollectionSchema) -> Document:
    try:
        return fitting(document, schema)
    except InvalidDocument as exc:
        raise InvalidDocument(exc.reason, f"{document.id!r}: {exc.detail}") from None


def _target(
    schema: CollectionSchema, store: Store, name: str, embedder: Embedder | None
) -> StoredCollection:
    """Open the target, or create it; its vectors have to mean the same as the source's."""
    made_with = embedder.fingerprint if embedder is not None else schema.embedder
    wanted = schema.model_copy(update={"name": name, "embedder": made_with})
    try:
        found = store.open(name)
    except CollectionMissing:
        try:
            return store.create(wanted)
        except CollectionExists:  # another process was quicker
            found = store.open(name)
    try:
        _check_fits(wanted, found.schema)
    except BaseException:
        found.close()
        raise
    return found


def _check_fits(wanted: CollectionSchema, there: CollectionSchema) -> None:
    check_comparable(wanted, there)
    if (there.embedder is None) != (wanted.embedder is None):
        side = "the target" if there.embedder is None else "the source"
        raise SchemaMismatch(
            there.name,
            f"{side} does not know its embedder, so its vectors may mean something else",
            "name another collection as the target, or the embedder that made the vectors",
        )


def _check_made_by(source: StoredCollection, embedder: Embedder) -> None:
    """Raise EmbedderMismatch unless the embedder gives the vectors that the source has."""
    name, given = source.schema.name, str(embedder.fingerprint)
    remedy = "name the embedder that made the vectors, or none, and embed the copy again"
    if source.schema.embedder is not None:
        verdict, differences = source.schema.embedder.compare(embedder.fingerprint)
        if verdict == "different":
            raise EmbedderMismatch(name, str(source.schema.embedder), given, differences, remedy)
        return
    if embedder.dimension != source.schema.dimension:
        differences = f"{source.schema.dimension} and {embedder.dimension} dimensions"
        raise EmbedderMismatch(name, "another embedder", given, differences, remedy)
    sample = next(source.scan(with_vectors=True, batch=_SAMPLE), None)
    if sample is None or sample.vectors is None:
        return
    made = embedder.embed_documents([document.text for document in sample.documents])
    cosines: NDArray[np.float32] = np.einsum("ij,ij->i", made, sample.vectors)
    if cosines.min() <= COMPATIBLE_COSINE:
        shown = ", ".join(f"{cosine:.3f}" for cosine in cosines[:6])
        differences = f"its vectors and those made now of the same texts have cosines {shown}"
        raise EmbedderMismatch(name, "another embedder", given, differences, remedy)
