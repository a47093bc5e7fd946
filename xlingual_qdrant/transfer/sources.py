"""What a transfer reads: a source, batch by batch, fetched ahead while one is worked on."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol, TypeAlias

from xlingual_qdrant.errors import UsageError
from xlingual_qdrant.filters import Filter
from xlingual_qdrant.ports import LanguageDetector, ScanBatch, Store, StoredCollection
from xlingual_qdrant.settings import load_store
from xlingual_qdrant.writing import with_languages

OnProgress: TypeAlias = Callable[[str, int, int], None]
"""Told what is being done, how many documents are done, and how many there are."""

BATCH = 1000


class Source(Protocol):
    """What is read of a stored collection."""

    def count(self, where: Filter | None = None) -> int:
        """Return the number of documents."""
        ...

    def scan(
        self,
        where: Filter | None = None,
        *,
        with_vectors: bool = False,
        batch: int = BATCH,
        after: str | None = None,
    ) -> Iterator[ScanBatch]:
        """Yield all documents."""
        ...

    def content_hashes(self, ids: Sequence[str]) -> list[bytes | None]:
        """Return None for an id that is not there."""
        ...

    def states(self) -> list[str]:
        """Return the keys."""
        ...

    def read_state(self, key: str) -> bytes | None:
        """Return what is kept under a key."""
        ...


def ahead(batches: Iterator[ScanBatch]) -> Iterator[ScanBatch]:
    """Yield the batches; the next one is read meanwhile, and no more than that one."""
    with ThreadPoolExecutor(1, thread_name_prefix="xlingual-ahead") as pool:
        coming = pool.submit(next, batches, None)
        while (batch := coming.result()) is not None:
            coming = pool.submit(next, batches, None)
            yield batch


class WithLanguages:
    """A source as it is read, with a language found for each document that has none."""

    def __init__(self, source: StoredCollection, detector: LanguageDetector) -> None:
        self._source, self._detector = source, detector
        self.count, self.content_hashes = source.count, source.content_hashes
        self.states, self.read_state = source.states, source.read_state

    def scan(
        self,
        where: Filter | None = None,
        *,
        with_vectors: bool = False,
        batch: int = BATCH,
        after: str | None = None,
    ) -> Iterator[ScanBatch]:
        """Yield what the source yields, with languages."""
        parts = self._source.scan(where, with_vectors=with_vectors, batch=batch, after=after)
        for part in parts:
            yield ScanBatch(with_languages(part.documents, lambda: self._detector), part.vectors)


def read_with(source: StoredCollection, detector: LanguageDetector | None) -> Source:
    """Return the source, with languages found if there is a detector."""
    return source if detector is None else WithLanguages(source, detector)


def opened(store: Store | str, stack: ExitStack) -> Store:
    """Return a store; one that is named is opened, and closed with the stack."""
    if not isinstance(store, str):
        return store
    named = load_store(store)
    stack.callback(named.close)
    return named


def check_apart(source: Store, name: str, target: Store, to: str) -> None:
    """Raise UsageError if source and target are one collection, also by another spelling."""
    is_one = source is target or (
        type(source) is type(target)
        and source.capabilities.persistent
        and _real(source.location) == _real(target.location)
    )
    if is_one and name == to:
        raise UsageError(
            f"source and target are the same collection, '{name}' in {source.location};"
            " name another store, or another name for the copy"
        )


def _real(location: str) -> str:
    return os.path.realpath(location) if Path(location).exists() else location
