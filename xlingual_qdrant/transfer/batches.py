"""What a transfer reads: batches of a scan, fetched ahead while the one before is worked on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeAlias

from xlingual_qdrant.filters import Filter
from xlingual_qdrant.ports import ScanBatch

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
