"""What a backend implements: few, plain methods in terms of vectors and documents.

Everything clever is written once, above these. The contract suites of
`xlingual_qdrant.testing` hold an implementation to what is promised here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from xlingual_qdrant.documents import Document, Hit, JsonValue, WriteReceipt
from xlingual_qdrant.filters import Filter
from xlingual_qdrant.finetuning import FinetuneOrder, FinetuneReport, OnEvaluation
from xlingual_qdrant.languages import Detection
from xlingual_qdrant.schema import CollectionSchema, EmbedderFingerprint

Vectors: TypeAlias = NDArray[np.float32]
"""Shape (n, dimension), C-contiguous, rows of length 1."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a store can do. Code asks here, and never catches an exception to find out."""

    persistent: bool
    """Documents outlive the process."""
    approximate: bool
    """`search(exact=False)` may use an index that misses some of the nearest."""
    concurrent_writers: bool
    """Several processes may write at once."""
    aliases: bool
    """A collection can be replaced behind its name: `begin_replacement` and what follows it."""
    max_batch_bytes: int | None = None
    """Most bytes that one write may take; None: no limit."""


@dataclass(frozen=True, slots=True)
class ScanBatch:
    """Some documents, and their vectors if they were asked for."""

    documents: list[Document]
    vectors: Vectors | None


class StoredCollection(Protocol):
    """One collection at its place. Safe to use from several threads."""

    @property
    def schema(self) -> CollectionSchema:
        """What the collection was created with."""
        ...

    def write(self, documents: Sequence[Document], vectors: Vectors) -> WriteReceipt:
        """Insert documents, or replace those whose id is known; searchable on return.

        vectors: shape (len(documents), dimension), unit rows. Of an id that comes twice the
        last document wins, and counts once. What is receipted survives a crash.
        """
        ...

    def fetch(self, ids: Sequence[str]) -> list[Document | None]:
        """Return the documents in the order of the ids; None where there is none."""
        ...

    def fetch_vectors(self, ids: Sequence[str]) -> list[NDArray[np.float32] | None]:
        """Return the vectors, shape (dimension,), in the order of the ids; None where none is."""
        ...

    def delete(self, ids: Sequence[str]) -> int:
        """Delete documents; return how many were there."""
        ...

    def delete_where(self, where: Filter) -> int:
        """Delete the documents that match; return how many did."""
        ...

    def count(self, where: Filter | None = None) -> int:
        """Return how many documents match; all without a filter."""
        ...

    def count_by_language(self, where: Filter | None = None) -> dict[str, int]:
        """Return the number of documents per tag, for tags that have any."""
        ...

    def scan(
        self,
        where: Filter | None = None,
        *,
        with_vectors: bool = False,
        batch: int = 1000,
        after: str | None = None,
    ) -> Iterator[ScanBatch]:
        """Yield all documents that match, in an order that the store keeps.

        The order of two ids is the same in every scan, whatever else is there.
        after: begin behind this id, whether or not it is there; thus a scan can be resumed.
        """
        ...

    def search(
        self, queries: Vectors, k: int, *, where: Filter | None = None, exact: bool = False
    ) -> list[list[Hit]]:
        """Return the k nearest documents for each query, best first.

        queries: shape (n, dimension), unit rows. The filter is applied before the nearest are
        chosen: fewer than k hits come back only when fewer documents match. Equal scores are
        ordered by id; which of several equals at the cut are returned is open.
        exact: no index that may miss some.
        """
        ...

    def content_hashes(self, ids: Sequence[str]) -> list[bytes | None]:
        """Return `documents.content_hash` of the stored documents; None where there is none."""
        ...

    def read_state(self, key: str) -> bytes | None:
        """Return what was kept under this key with the collection, or None."""
        ...

    def write_state(self, key: str, value: bytes | None) -> None:
        """Keep bytes with the collection under a key; None forgets them."""
        ...

    def states(self) -> list[str]:
        """Return the keys under which something is kept, sorted."""
        ...

    def damaged_ids(self) -> list[str]:
        """Check all vectors against their checksums; return the ids that have lost theirs.

        Writing those documents again, with new vectors, heals the collection.
        """
        ...

    def describe(self) -> dict[str, JsonValue]:
        """Return facts about the place for people: `path` or `url`, index kinds, bytes."""
        ...

    def compact(self) -> None:
        """Give back the room of deleted and replaced documents; may take long.

        Of a collection that was replaced as a whole what came before it goes, too: whoever
        still has that open gets StoreUnavailable, and has to open the collection again.
        """
        ...

    def flush(self) -> None:
        """Return when everything written is durable, and indexes that are due are built."""
        ...

    def close(self) -> None:
        """Release files, locks and connections at once, without a `flush`; twice is harmless."""
        ...


@runtime_checkable
class GroupedSearch(Protocol):
    """What a stored collection has that finds the nearest of each language by itself."""

    def search_by_language(
        self, queries: Vectors, k: int, *, where: Filter | None = None, exact: bool = False
    ) -> list[dict[str, list[Hit]]]:
        """Return for each query the k nearest documents of each tag, best first.

        The promises of `search` hold for each language; one without a match is left out.
        """
        ...


class Store(Protocol):
    """A place that holds named collections."""

    @property
    def capabilities(self) -> Capabilities:
        """What it can do; never changes."""
        ...

    @property
    def location(self) -> str:
        """The folder or the address, for messages; never a secret."""
        ...

    def create(self, schema: CollectionSchema) -> StoredCollection:
        """Create a collection; raises CollectionExists, and changes nothing then."""
        ...

    def open(self, name: str) -> StoredCollection:
        """Open a collection; raises CollectionMissing, FormatTooNew or CollectionDamaged."""
        ...

    def list(self) -> list[str]:
        """Return the names of the collections, sorted."""
        ...

    def drop(self, name: str) -> None:
        """Remove a collection for good, with its replacements; raises CollectionMissing."""
        ...

    def begin_replacement(self, schema: CollectionSchema) -> StoredCollection:
        """Return the collection that is to take the place of the one of this name.

        Nobody sees it yet: it is neither opened nor listed by its name. One that was begun
        with the same schema is returned as it is, so that an interrupted filling goes on;
        one with another schema is discarded. Raises CollectionMissing.
        """
        ...

    def finish_replacement(self, name: str) -> None:
        """Put the replacement in the place of the collection, in one step.

        Whoever opens the name from now on gets the replacement. Who has the old collection
        open goes on reading all of it, until `compact` of the new one removes it; to write
        through it raises StoreUnavailable. Raises CollectionMissing, ReplacementMissing.
        """
        ...

    def discard_replacement(self, name: str) -> None:
        """Remove a replacement that was begun, if there is one; raises CollectionMissing."""
        ...

    def close(self) -> None:
        """Release what the store holds; its open collections are closed, too."""
        ...


class Embedder(Protocol):
    """Turns texts into vectors. Documents and queries are kept apart: some models prefix them."""

    @property
    def fingerprint(self) -> EmbedderFingerprint:
        """What tells its vectors from those of another model."""
        ...

    @property
    def dimension(self) -> int:
        """Length of its vectors."""
        ...

    @property
    def max_tokens(self) -> int | None:
        """What the model reads of a text; None: all of it."""
        ...

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """Return float32 vectors, shape (len(texts), dimension), unit rows."""
        ...

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """Return float32 vectors, shape (len(texts), dimension), unit rows."""
        ...

    def truncated(self, texts: Sequence[str]) -> NDArray[np.bool_]:
        """Say of each text whether the model reads only its beginning; shape (len(texts),)."""
        ...


class LanguageDetector(Protocol):
    """Guesses languages. Never raises on a string, whatever is in it."""

    def detect(self, texts: Sequence[str]) -> list[Detection]:
        """Return a canonical tag and a confidence for each text; `und` when unsure."""
        ...


@dataclass(frozen=True, slots=True)
class StorePlugin:
    """What an entry point of the group `xlingual_qdrant.stores` names."""

    settings: type[BaseModel]
    open: Callable[[Any], Store]
    """Takes an instance of `settings`."""
    summary: str


@dataclass(frozen=True, slots=True)
class EmbedderPlugin:
    """What an entry point of the group `xlingual_qdrant.embedders` names."""

    settings: type[BaseModel]
    open: Callable[[Any], Embedder]
    summary: str
    variants: Callable[[Any], Sequence[Any]] | None = None
    """Takes an instance of `settings`; returns those of the same model that are worth measuring
    against each other on this machine: other backends, other precisions."""
    finetune: Callable[[Any, FinetuneOrder, OnEvaluation], FinetuneReport] | None = None
    """Takes an instance of `settings`, and trains its model on pairs of texts."""


@dataclass(frozen=True, slots=True)
class DetectorPlugin:
    """What an entry point of the group `xlingual_qdrant.detectors` names."""

    settings: type[BaseModel]
    open: Callable[[Any], LanguageDetector]
    summary: str


Plugin: TypeAlias = StorePlugin | EmbedderPlugin | DetectorPlugin
