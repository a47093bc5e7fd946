"""The database of the embedding cache: its tables, and how it is opened."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from xlingual_qdrant.errors import FormatTooNew, UnreadableFile

VERSION = 1
PATIENCE_S = 10.0
"""For another process that is writing."""

_APPLICATION_ID = 0x786C6563  # "xlec": tells a cache from any other SQLite file
_MAGIC = b"SQLite format 3\0"
_VARIABLES = 500

_TABLES = """
CREATE TABLE embedders (
    number INTEGER PRIMARY KEY AUTOINCREMENT, fingerprint TEXT NOT NULL UNIQUE
);
CREATE TABLE blocks (
    number INTEGER PRIMARY KEY AUTOINCREMENT, embedder INTEGER NOT NULL, used INTEGER NOT NULL,
    crc INTEGER NOT NULL
);
CREATE INDEX blocks_by_use ON blocks (used);
CREATE TABLE contents (block INTEGER PRIMARY KEY, keys BLOB NOT NULL, vectors BLOB NOT NULL);
CREATE TABLE entries (
    key BLOB PRIMARY KEY, block INTEGER NOT NULL, place INTEGER, cut INTEGER
) WITHOUT ROWID;
"""


class Idle:
    """Connections that wait for the next call; a forked process begins with none."""

    def __init__(self) -> None:
        self._process = os.getpid()
        self._connections: list[sqlite3.Connection] = []

    def take(self) -> sqlite3.Connection | None:
        """Return a connection, which is the caller's now; None if there is none."""
        self._forget_those_of_parent()
        try:
            return self._connections.pop()
        except IndexError:
            return None

    def give(self, connection: sqlite3.Connection) -> None:
        """Take a connection back that is in no transaction."""
        self._connections.append(connection)

    def close(self) -> None:
        """Close all that wait."""
        self._forget_those_of_parent()
        while self._connections:
            self._connections.pop().close()

    def _forget_those_of_parent(self) -> None:
        if self._process != os.getpid():
            # SQLite forbids to use what was forked; closing it could touch the parent's log.
            _of_parent.extend(self._connections)
            self._process, self._connections = os.getpid(), []


_of_parent: list[sqlite3.Connection] = []


def check_file(path: Path) -> None:
    """Raise UnreadableFile for what SQLite would take for a new database, or for none at all."""
    if path.is_dir():
        raise UnreadableFile(str(path), "directory", "is a folder; name a file in cache.path")
    if path.exists():
        with path.open("rb") as file:
            begin = file.read(len(_MAGIC))
        if begin not in (b"", _MAGIC):
            raise no_cache(path, "is not an SQLite file")


def open_database(path: Path) -> sqlite3.Connection:
    """Return a connection to a cache, with its tables if the file is new."""
    try:
        return _prepared(_connect(path, "mode=rwc"), path)
    except sqlite3.OperationalError as exc:
        log = path.with_name(f"{path.name}-wal")
        unwritable = exc.sqlite_errorname.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY"))
        if not unwritable or not path.is_file() or (log.exists() and log.stat().st_size):
            raise
        # In a folder where SQLite can make no shared memory: as a file that nobody changes.
        return _prepared(_connect(path, "mode=ro&immutable=1"), path)


def _connect(path: Path, options: str) -> sqlite3.Connection:
    return sqlite3.connect(
        f"file:{quote(os.fsencode(path.resolve()))}?{options}",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        timeout=PATIENCE_S,
    )


def _prepared(connection: sqlite3.Connection, path: Path) -> sqlite3.Connection:
    """Return a connection after a look at whose file it is; closes it if that fails."""
    try:
        if _is_empty(connection):
            _create(connection)
        if pragma(connection, "application_id") != _APPLICATION_ID:
            raise no_cache(path, "is an SQLite file of another program")
        version = pragma(connection, "user_version")
        if version > VERSION:
            raise FormatTooNew(str(path), version, VERSION)
        # A commit may be lost with the power, but never leaves the file damaged.
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA wal_autocheckpoint = 4000")
        connection.execute(f"PRAGMA journal_size_limit = {16 << 20}")
    except BaseException:
        connection.close()
        raise
    return connection


def _is_empty(connection: sqlite3.Connection) -> bool:
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    return tables == 0 and pragma(connection, "application_id") == 0


def _create(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            break
        except sqlite3.OperationalError as exc:
            # SQLite does not wait here for another process that is making the same file.
            if not exc.sqlite_errorname.startswith("SQLITE_BUSY") or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
    connection.execute("BEGIN IMMEDIATE")
    if _is_empty(connection):
        for statement in _TABLES.strip().split(";\n"):
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {VERSION}")
    connection.execute("COMMIT")


def is_damage(exc: sqlite3.Error) -> bool:
    """Say whether an error of SQLite means that the file itself is wrong."""
    name = getattr(exc, "sqlite_errorname", None) or ""
    # Without tables, or with others, it was made by somebody else, or altered.
    return name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")) or name == "SQLITE_ERROR"


def no_cache(path: Path, detail: str) -> UnreadableFile:
    """Return the error for a file that cannot serve as a cache.

    It may be anybody's, so nobody is told to delete it who does not know it.
    """
    return UnreadableFile(
        str(path),
        "format",
        f"{detail}; name another file in cache.path, or delete this one if it was the cache:"
        " nothing but time is lost",
    )


def pragma(connection: sqlite3.Connection, name: str) -> int:
    """Return a number that SQLite keeps about a database."""
    return connection.execute(f"PRAGMA {name}").fetchone()[0]


def give_back(connection: sqlite3.Connection) -> None:
    """Give the pages that nothing is in back to the disk."""
    # As a script, because `execute` takes one step, which frees one page.
    connection.executescript("PRAGMA incremental_vacuum")


def used_bytes(connection: sqlite3.Connection) -> int:
    """Return the bytes in use; what was freed is there for what comes."""
    pages = pragma(connection, "page_count") - pragma(connection, "freelist_count")
    return pages * pragma(connection, "page_size")


def select_in(
    connection: sqlite3.Connection, before: str, values: Sequence[Any]
) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of `before IN (values)`, however many values there are."""
    for start in range(0, len(values), _VARIABLES):
        part = list(values[start : start + _VARIABLES])
        # A power of two of places, so that few statements are ever compiled.
        places = 1 << (len(part) - 1).bit_length()
        part += part[-1:] * (places - len(part))
        yield from connection.execute(f"{before} IN ({','.join('?' * places)})", part)
