"""Writing and deleting: vectors first, then the disk, then the commit that shows them."""

from __future__ import annotations

import json
import os
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from xlingual_adapters.stores.faiss.catalog import first_row, rows_of_ids
from xlingual_adapters.stores.faiss.fields import keys_of
from xlingual_adapters.stores.faiss.snapshot import Segment, Snapshot
from xlingual_adapters.stores.faiss.vectors import (
    BLOCK_ROWS,
    FOLDER,
    Block,
    append,
    blocks_of,
    file_name,
)
from xlingual_qdrant.disk import sync_folder
from xlingual_qdrant.documents import Document, WriteReceipt, content_hash
from xlingual_qdrant.ports import Vectors
from xlingual_qdrant.schema import FieldType

_SYNC_THREADS = 8
"""A batch touches a file per language: waiting for the disk is done side by side."""


@dataclass(frozen=True, slots=True)
class Transaction:
    """What a write needs. connection: after BEGIN IMMEDIATE; snapshot: as it sees it."""

    connection: sqlite3.Connection
    snapshot: Snapshot
    folder: Path
    fields: Mapping[str, FieldType]


@dataclass(frozen=True, slots=True)
class _Target:
    """Where rows of a language are appended."""

    segment: int
    lang: str
    first: int
    tail: Block | None


def write(tx: Transaction, documents: Sequence[Document], vectors: Vectors) -> WriteReceipt:
    """Insert or replace; on disk when the transaction is committed."""
    last = {document.id: position for position, document in enumerate(documents)}
    if len(last) < len(documents):
        kept = sorted(last.values())
        documents, vectors = [documents[i] for i in kept], vectors[kept]
    replaced = rows_of_ids(tx.connection, last)
    by_lang: dict[str, list[int]] = defaultdict(list)
    for position, document in enumerate(documents):
        by_lang[document.lang].append(position)

    rows: list[tuple[Any, ...]] = []
    values: list[tuple[Any, ...]] = []
    handles: list[int] = []
    try:
        for lang, positions in by_lang.items():
            target = _target(tx, lang)
            own = vectors if len(by_lang) == 1 else vectors[positions]
            handles.append(append(_path(tx.folder, target), target.first, own))
            _list_blocks(tx.connection, target, own)
            number = first_row(target.segment) + target.first
            for row, position in enumerate(positions, number):
                rows.append(_stored(row, documents[position]))
            if tx.fields:
                for place, position in enumerate(positions, target.first):
                    values.extend(_field_values(tx.fields, target, place, documents[position]))
        _sync(handles)
    finally:
        for handle in handles:
            os.close(handle)

    bury(tx.connection, replaced.values())
    tx.connection.executemany(
        "INSERT INTO documents (row, id, hash, source, confidence, metadata, text)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        rows,
    )
    tx.connection.executemany("INSERT INTO field_values VALUES (?, ?, ?, ?, ?)", values)
    return WriteReceipt(len(rows) - len(replaced), len(replaced))


def bury(connection: sqlite3.Connection, rows: Iterable[int]) -> int:
    """Remove documents by row, and list their rows as dead; return how many."""
    gone = [(row,) for row in rows]
    connection.executemany("DELETE FROM documents WHERE row = ?", gone)
    connection.executemany("INSERT INTO dead (row) VALUES (?)", gone)
    return len(gone)


def keep_state(connection: sqlite3.Connection, key: str, value: bytes | None) -> None:
    """Keep bytes under a key; None forgets them."""
    if value is None:
        connection.execute("DELETE FROM state WHERE key = ?", (key,))
    else:
        connection.execute("INSERT OR REPLACE INTO state VALUES (?, ?)", (key, bytes(value)))


def _target(tx: Transaction, lang: str) -> _Target:
    segment = tx.snapshot.of_language(lang)
    if segment is not None:
        return _Target(segment.number, lang, segment.rows, _sound_tail(tx.connection, segment))
    cursor = tx.connection.execute("INSERT INTO segments (lang, rows) VALUES (?, 0)", (lang,))
    target = _Target(int(cursor.lastrowid or 0), lang, 0, None)
    _path(tx.folder, target).touch()
    sync_folder(tx.folder / FOLDER)
    return target


def _sound_tail(connection: sqlite3.Connection, segment: Segment) -> Block | None:
    """Return the last block if it has room and is right: new rows never join damaged ones."""
    row = connection.execute(
        "SELECT first, rows, crc FROM blocks WHERE segment = ? ORDER BY first DESC LIMIT 1",
        (segment.number,),
    ).fetchone()
    if row is None or row[1] >= BLOCK_ROWS:
        return None
    block = Block(*row)
    places = np.arange(block.first, block.first + block.rows)
    bad = segment.file.damaged(connection, segment.rows, places)
    return None if len(bad) else block


def _list_blocks(connection: sqlite3.Connection, target: _Target, vectors: Vectors) -> None:
    blocks = blocks_of(target.first, vectors, target.tail)
    connection.executemany(
        "INSERT OR REPLACE INTO blocks VALUES (?, ?, ?, ?)",
        [(target.segment, *block) for block in blocks],
    )
    connection.execute(
        "UPDATE segments SET rows = ? WHERE number = ?",
        (target.first + len(vectors), target.segment),
    )


def _stored(row: int, document: Document) -> tuple[Any, ...]:
    # Not the canonical form: the order of the keys is the user's.
    metadata = json.dumps(document.metadata, ensure_ascii=False) if document.metadata else "{}"
    return (
        row,
        document.id,
        content_hash(document),
        document.lang_source,
        document.lang_confidence,
        metadata,
        document.text,
    )


def _field_values(
    fields: Mapping[str, FieldType], target: _Target, place: int, document: Document
) -> Iterable[tuple[Any, ...]]:
    for number, (name, kind) in enumerate(fields.items()):
        value = document.metadata.get(name)
        listed = isinstance(value, list | tuple)
        for key in keys_of(value, kind):
            yield number, target.segment, key, place, listed


def _path(folder: Path, target: _Target) -> Path:
    return folder / FOLDER / file_name(target.lang, target.segment)


def _sync(handles: Sequence[int]) -> None:
    if len(handles) < 3:
        for handle in handles:
            os.fsync(handle)
        return
    with ThreadPoolExecutor(_SYNC_THREADS) as pool:
        list(pool.map(os.fsync, handles))
