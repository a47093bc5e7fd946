"""What the engine reports, as errors of this library.

It raises plain `Exception` with a sentence, and, where damaged files make it panic, an
exception that is not even one of those. Nowhere else is their text looked into.
"""

from __future__ import annotations

import re
from collections.abc import Generator
from contextlib import contextmanager

from xlingual_qdrant.disk import DISK_FULL, disk_faults
from xlingual_qdrant.errors import CollectionDamaged, CollectionLocked, StoreError, StoreUnavailable

_READ_ONLY = "the folder is read-only, and Qdrant Edge writes also to read; copy it elsewhere"
_IN_USE = "a process that was forked from its last user, or another program"

_FULL = re.compile(r"no space left|not enough space|quota|StorageFull|file too large", re.I)
_REFUSED = re.compile(r"read-only file ?system|ReadOnlyFilesystem|permission ?denied", re.I)
_HELD = re.compile(r"WouldBlock")


class CollectionInUse(CollectionLocked):
    """Another process has the collection open, and that one alone can use it."""

    def __str__(self) -> str:
        return (
            f"{self.where} is open in {self.holder}, and Qdrant Edge admits one process at a"
            " time; end that process, or use the store 'faiss' or a Qdrant server"
        )


def is_engines(exc: BaseException) -> bool:
    """Say whether an exception is the engine's report or panic; others are bugs."""
    return type(exc) is Exception or type(exc).__name__ == "PanicException"


def translate(exc: BaseException, where: str, *, opening: bool = False) -> StoreError:
    """Return the error of this library; what cannot be opened or panics is damaged."""
    words = str(exc).removeprefix("Service runtime error: ")[:500]
    if _HELD.search(words):
        return CollectionInUse(where, _IN_USE)
    if _FULL.search(words):
        return StoreUnavailable(where, f"{DISK_FULL} ({words})")
    if _REFUSED.search(words):
        return StoreUnavailable(where, f"{_READ_ONLY} ({words})")
    if opening or type(exc) is not Exception:
        return CollectionDamaged(where, f"Qdrant Edge says: {words}")
    return StoreUnavailable(where, f"Qdrant Edge says: {words}")


@contextmanager
def engine_faults(where: str, *, opening: bool = False) -> Generator[None]:
    """Let no error of the engine or of the system pass as it is; `where` is the folder."""
    with disk_faults(where):
        try:
            yield
        except BaseException as exc:
            if not is_engines(exc):
                raise
            raise translate(exc, where, opening=opening) from exc
