"""The SQLite side: the tables, and how they are opened. It is the truth of a collection.

Every row of a vector file has a number that is never used twice: the number of its segment
(one file of one language) in the upper bits, its place in the file in the lower 32. A row
never changes; an update writes a new one and lists the old one as dead. So whatever was
computed about rows stays right for as long as their segment lives.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from xlingual_qdrant.documents import Document
from xlingual_qdrant.errors import CollectionDamaged, FormatTooNew, StoreUnavailable
from xlingual_qdrant.schema import FORMAT_VERSION, CollectionSchema

DATABASE = "collection.sqlite"
ROW_BITS = 32
ROW_MASK = (1 << ROW_BITS) - 1
_APPLICATION_ID = 0x786C6E67  # "xlng": tells a collection from any other SQLite file
_VARIABLES = 500
"""Values bound to one statement at most."""

_TABLES = """
CREATE TABLE clock (tick INTEGER NOT NULL);
CREATE TABLE about (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE state (key TEXT PRIMARY KEY, value BLOB NOT NULL);
CREATE TABLE segments (
    number INTEGER PRIMARY KEY AUTOINCREMENT, lang TEXT NOT NULL UNIQUE, rows INTEGER NOT NULL
);
CREATE TABLE blocks (
    segment INTEGER, first INTEGER, rows INTEGER NOT NULL, crc INTEGER NOT NULL,
    PRIMARY KEY (segment, first)
) WITHOUT ROWID;
CREATE TABLE documents (
    row INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, hash BLOB NOT NULL,
    source TEXT, confidence REAL, metadata TEXT NOT NULL, text TEXT NOT NULL
);
CREATE TABLE dead (seq INTEGER PRIMARY KEY AUTOINCREMENT, row INTEGER NOT NULL);
CREATE TABLE field_values (
    field INTEGER, segment INTEGER, value, place INTEGER, listed INTEGER NOT NULL,
    PRIMARY KEY (field, segment, value, place)
) WITHOUT ROWID;
CREATE TABLE indexes (
    segment INTEGER PRIMARY KEY, kind TEXT NOT NULL, file TEXT NOT NULL, rows INTEGER NOT NULL,
    digest BLOB NOT NULL, effort INTEGER NOT NULL
);
INSERT INTO clock VALUES (0);
"""

COLUMNS = "row, id, source, confidence, metadata, text"
"""What `document_of` takes, in this order."""


def create(folder: Path, schema: CollectionSchema) -> None:
    """Write the database of an empty collection into the folder of a generation."""
    connection = sqlite3.connect(folder / DATABASE, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.executescript(f"BEGIN; {_TABLES} COMMIT;")
        connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {FORMAT_VERSION}")
        connection.execute("INSERT INTO about VALUES ('schema', ?)", (schema.model_dump_json(),))
    finally:
        connection.close()


def open_writer(folder: Path) -> sqlite3.Connection:
    """Return a connection that may write; a commit on it is on disk when it returns."""
    connection = _connect(folder, "mode=rw")
    connection.execute("PRAGMA synchronous = FULL")
    # Fewer, larger checkpoints: each one costs two more waits for the disk.
    connection.execute("PRAGMA wal_autocheckpoint = 8000")
    connection.execute("PRAGMA cache_size = -32000")
    return connection


def open_reader(folder: Path) -> sqlite3.Connection:
    """Return a connection that only reads.

    In a folder where not even SQLite's shared memory file can be made, the database is
    read as a file that nobody changes, which is right unless it was left in mid-write.
    """
    connection = _connect(folder, "mode=ro")
    try:
        connection.execute("SELECT tick FROM clock").fetchone()
    except sqlite3.OperationalError as exc:
        connection.close()
        if exc.sqlite_errorname.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY")):
            return _open_unchanging(folder)
        raise
    return connection


def _open_unchanging(folder: Path) -> sqlite3.Connection:
    log = folder / f"{DATABASE}-wal"
    if log.exists() and log.stat().st_size:
        raise StoreUnavailable(
            str(folder.parent),
            "the last writer was interrupted, and the folder is read-only;"
            " open the collection once where it can be written, or copy it",
        )
    return _connect(folder, "mode=ro&immutable=1")


def _connect(folder: Path, options: str) -> sqlite3.Connection:
    path = quote(os.fsencode((folder / DATABASE).resolve()))
    return sqlite3.connect(
        f"file:{path}?{options}", uri=True, isolation_level=None, check_same_thread=False, timeout=5
    )


def read_schema(connection: sqlite3.Connection, folder: Path) -> CollectionSchema:
    """Return the schema; raises FormatTooNew, or CollectionDamaged if it is none of ours.

    folder: of the collection, which is called what its folder is called, whatever the name was
    when it was created.
    """
    where = str(folder)
    if connection.execute("PRAGMA application_id").fetchone()[0] != _APPLICATION_ID:
        raise CollectionDamaged(where, f"{DATABASE} is not a collection of this library")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > FORMAT_VERSION:
        raise FormatTooNew(where, version, FORMAT_VERSION)
    row = connection.execute("SELECT value FROM about WHERE key = 'schema'").fetchone()
    try:
        schema = CollectionSchema.model_validate_json(row[0])
    except (TypeError, ValueError) as exc:
        raise CollectionDamaged(where, f"its schema cannot be read: {exc}") from exc
    return schema.model_copy(update={"name": folder.name})


def first_row(segment: int) -> int:
    """Return the number of the first row of a segment."""
    return segment << ROW_BITS


def storable(text: str) -> bool:
    """Say whether SQLite can hold the string: half a surrogate pair cannot be encoded."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def select_in(
    connection: sqlite3.Connection, before: str, values: Sequence[Any], after: str = ""
) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of `before IN (values) after`, however many values there are."""
    for start in range(0, len(values), _VARIABLES):
        part = list(values[start : start + _VARIABLES])
        # A power of two of places, so that few statements are ever compiled.
        places = 1 << (len(part) - 1).bit_length()
        part += part[-1:] * (places - len(part))
        marks = ",".join("?" * places)
        yield from connection.execute(f"{before} IN ({marks}) {after}", part)


def rows_of_ids(connection: sqlite3.Connection, ids: Iterable[str]) -> dict[str, int]:
    """Return the rows of those ids that are there."""
    known = [id for id in dict.fromkeys(ids) if storable(id)]
    return dict(select_in(connection, "SELECT id, row FROM documents WHERE id", known))


def document_of(values: tuple[Any, ...], lang: str, metadata: Any) -> Document:
    """Return the document of a row of `COLUMNS`, with its metadata decoded."""
    return Document(values[5], values[1], lang, metadata, values[2], values[3])
