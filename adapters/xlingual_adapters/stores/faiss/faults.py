"""What SQLite and the file system report, as errors of this library."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager

from xlingual_qdrant.disk import DISK_FULL, READ_ONLY, unavailable
from xlingual_qdrant.errors import CollectionDamaged, StoreError, StoreUnavailable

_BY_SQLITE = {
    "SQLITE_FULL": DISK_FULL,
    "SQLITE_READONLY": READ_ONLY,
    "SQLITE_BUSY": "another program holds the database; call again when it is done",
    "SQLITE_LOCKED": "another program holds the database; call again when it is done",
    "SQLITE_CANTOPEN": "the database cannot be opened; is the folder still there, and readable?",
    "SQLITE_IOERR": "the disk refuses to read or write; is it full or limited?",
    "SQLITE_PERM": READ_ONLY,
    "SQLITE_NOMEM": "there is not enough memory",
}


def translate(exc: sqlite3.Error | OSError, where: str) -> StoreError:
    """Return the error of this library for one of SQLite or of the system."""
    if isinstance(exc, OSError):
        return unavailable(exc, where)
    name = getattr(exc, "sqlite_errorname", None) or ""
    for prefix, words in _BY_SQLITE.items():
        if name.startswith(prefix):
            return StoreUnavailable(where, f"{words} ({exc})")
    return CollectionDamaged(where, f"SQLite says: {exc}")


@contextmanager
def translated(where: str) -> Generator[None]:
    """Let no error of SQLite or of the system pass as it is; `where` is the folder."""
    try:
        yield
    except (sqlite3.Error, OSError) as exc:
        raise translate(exc, where) from exc
