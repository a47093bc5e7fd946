"""Verifying that two collections hold the same, document by document."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from xlingual_qdrant.chunks import is_chunk
from xlingual_qdrant.documents import Document, JsonValue, content_hash
from xlingual_qdrant.errors import EmbedderMismatch, SchemaMismatch
from xlingual_qdrant.ports import LanguageDetector, Store, StoredCollection, Vectors
from xlingual_qdrant.schema import CollectionSchema
from xlingual_qdrant.statistics import STATE as STATISTICS
from xlingual_qdrant.transfer.sources import (
    BATCH,
    OnProgress,
    Source,
    ahead,
    check_apart,
    opened,
    read_with,
)

SAME_VECTOR = 1e-5
"""Largest difference in one dimension between a vector and what another store keeps of it:
some normalise anew, none of ours rounds to less than 32 bits."""
MOVE_STATE = "transfer.move"
"""Where a target remembers, until it is complete, how far a move has come."""

EXAMPLES = 10

_MASK = (1 << 128) - 1


@dataclass(slots=True)
class Side:
    """What one of the two collections holds.

    count, languages: of documents. chunks: parts of long ones, rows of their own. checksum: of
    ids, texts, languages and metadata of both, 128 bits in hex; it does not depend on the order
    of the rows, and is the same on every store.
    """

    count: int = 0
    chunks: int = 0
    languages: Counter[str] = field(default_factory=Counter[str])
    _sum: int = 0

    @property
    def checksum(self) -> str:
        """The checksum of all documents that were added."""
        return f"{self._sum:032x}"

    @property
    def rows(self) -> int:
        """How many rows there are in the store."""
        return self.count + self.chunks

    def add(self, document: Document) -> bytes:
        """Count a row; return its digest."""
        digest = digest_of(document)
        if is_chunk(document):
            self.chunks += 1
        else:
            self.count += 1
            self.languages[document.lang] += 1
        # A sum, not an exclusive or: a document that is there twice has to show.
        self._sum = (self._sum + int.from_bytes(digest, "little")) & _MASK
        return digest

    def to_json(self) -> dict[str, JsonValue]:
        """Return the facts as a JSON object."""
        languages: dict[str, JsonValue] = {**dict(self.languages.most_common())}
        facts: dict[str, JsonValue] = {"count": self.count, "languages": languages}
        if self.chunks:
            facts["chunks"] = self.chunks
        return {**facts, "checksum": self.checksum}


@dataclass(slots=True)
class Comparison:
    """How a collection, the target, differs from another, the source.

    missing: documents that only the source has; extra: that only the target has; changed:
    with another text, language or metadata; revectored: with another vector. Each has up to
    ten ids in `examples`. largest_difference: between two vectors of one document, in any
    dimension. states: keys whose bytes differ.
    """

    source: Side = field(default_factory=Side)
    target: Side = field(default_factory=Side)
    missing: int = 0
    extra: int = 0
    changed: int = 0
    revectored: int = 0
    largest_difference: float = 0.0
    states: list[str] = field(default_factory=list[str])
    examples: dict[str, list[str]] = field(default_factory=dict[str, list[str]])

    @property
    def complete(self) -> bool:
        """Whether the target has all that the source has; it may have more."""
        return not (self.missing or self.changed or self.revectored)

    @property
    def same(self) -> bool:
        """Whether both hold exactly the same."""
        return self.complete and not (self.extra or self.states)

    def note(self, what: str, ids: Sequence[str]) -> None:
        """Count documents under `what`, and keep some of their ids."""
        if ids:
            setattr(self, what, getattr(self, what) + len(ids))
            kept = self.examples.setdefault(what, [])
            kept += ids[: EXAMPLES - len(kept)]

    def differences(self) -> list[str]:
        """Return what differs, in words, with some ids."""
        words = {
            "missing": ("is missing", "are missing"),
            "changed": (
                "has another text, language or metadata",
                "have another text, language or metadata",
            ),
            "revectored": ("has another vector", "have another vector"),
            "extra": ("is only in the target", "are only in the target"),
        }
        found: list[str] = []
        for what, (of_one, of_many) in words.items():
            if count := getattr(self, what):
                ids = ", ".join(map(repr, self.examples[what]))
                number = "1 document" if count == 1 else f"{count:,} documents"
                such_as = "" if count == 1 else "such as "
                found.append(f"{number} {of_one if count == 1 else of_many}: {such_as}{ids}")
        if self.states:
            found.append(f"the states {', '.join(map(repr, self.states))} differ")
        return found

    def to_json(self) -> dict[str, JsonValue]:
        """Return the facts as a JSON object."""
        return {
            "same": self.same,
            "source": self.source.to_json(),
            "target": self.target.to_json(),
            "missing": self.missing,
            "extra": self.extra,
            "changed": self.changed,
            "revectored": self.revectored,
            "largest_difference": self.largest_difference,
            "states": [*self.states],
            "examples": {what: [*ids] for what, ids in self.examples.items()},
        }


def verify(
    source: Store | str,
    target: Store | str,
    name: str,
    *,
    to: str | None = None,
    detector: LanguageDetector | None = None,
    on_progress: OnProgress | None = None,
) -> Comparison:
    """Compare a collection with its copy in another store; nothing is changed.

    source, target: stores, or their names in the settings. to: what the copy is called, default
    `name`. detector: of a copy that was made with one. Every document and vector is read on both
    sides. Raises CollectionMissing, SchemaMismatch, EmbedderMismatch if vectors cannot be
    compared, StoreError.
    """
    to = name if to is None else to
    with ExitStack() as stack:
        here, there = opened(source, stack), opened(target, stack)
        check_apart(here, name, there, to)
        one = stack.enter_context(closing(here.open(name)))
        other = stack.enter_context(closing(there.open(to)))
        check_comparable(one.schema, other.schema)
        return compare(
            read_with(one, detector), other, on_progress=on_progress, but_state=MOVE_STATE
        )


def check_comparable(source: CollectionSchema, target: CollectionSchema) -> None:
    """Raise SchemaMismatch or EmbedderMismatch if vectors of the two mean different things."""
    remedy = "name another collection as the target, or embed it again with `xlingual reembed`"
    if target.dimension != source.dimension:
        differences = f"{target.dimension} dimensions, the source has {source.dimension}"
        raise SchemaMismatch(target.name, differences, remedy)
    if target.embedder is not None and source.embedder is not None:
        verdict, differences = target.embedder.compare(source.embedder)
        if verdict == "different":
            made_with = (str(target.embedder), str(source.embedder))
            raise EmbedderMismatch(target.name, *made_with, differences, remedy)


def compare(
    source: Source,
    target: StoredCollection,
    *,
    on_progress: OnProgress | None = None,
    but_state: str = "",
) -> Comparison:
    """Compare two opened collections. but_state: a key that does not count."""
    found = Comparison()
    total = source.count()
    for batch in ahead(source.scan(with_vectors=True, batch=BATCH)):
        _compare_batch(found, batch.documents, batch.vectors, target)
        if on_progress:
            on_progress("verifying", found.source.rows, total)
    if target.count() > found.target.rows:
        _note_extra(found, source, target)
    # Statistics follow the documents on either side, and are made again at will.
    keys = {*source.states(), *target.states()} - {but_state, STATISTICS}
    found.states = sorted(k for k in keys if source.read_state(k) != target.read_state(k))
    return found


def _compare_batch(
    found: Comparison,
    documents: Sequence[Document],
    vectors: Vectors | None,
    target: StoredCollection,
) -> None:
    ids = [document.id for document in documents]
    there = target.fetch(ids)
    digests = [found.source.add(document) for document in documents]
    others = [None if other is None else found.target.add(other) for other in there]
    found.note("missing", [id for id, other in zip(ids, there, strict=True) if other is None])
    known = zip(ids, digests, others, strict=True)
    found.note("changed", [id for id, one, other in known if other not in (None, one)])
    if vectors is not None:
        off = differing(vectors, target.fetch_vectors(ids))
        there_and_off = [id for id, by in zip(ids, off, strict=True) if by > SAME_VECTOR]
        found.note("revectored", there_and_off)
        found.largest_difference = max(found.largest_difference, *off.tolist())


def differing(
    vectors: Vectors, others: Sequence[NDArray[np.float32] | None]
) -> NDArray[np.float32]:
    """Return the largest difference of each pair in any dimension; 0 where the other is None."""
    stacked = [
        mine if other is None else other for mine, other in zip(vectors, others, strict=True)
    ]
    off: NDArray[np.float32] = np.abs(vectors - np.stack(stacked)).max(axis=1)
    return off


def _note_extra(found: Comparison, source: Source, target: StoredCollection) -> None:
    for batch in ahead(target.scan(batch=BATCH)):
        ids = [document.id for document in batch.documents]
        known = source.content_hashes(ids)
        extra = [doc for doc, there in zip(batch.documents, known, strict=True) if there is None]
        for document in extra:
            found.target.add(document)
        found.note("extra", [document.id for document in extra])


def digest_of(document: Document) -> bytes:
    """Return 16 bytes that change with anything of a document."""
    digest = blake2b(content_hash(document), digest_size=16)
    parts = (document.id, document.lang, document.lang_source, document.lang_confidence)
    digest.update(repr(parts).encode(errors="surrogatepass"))
    return digest.digest()
