"""Reading documents by id, and one after another; states; and how large a folder is."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xlingual_adapters.stores.faiss.catalog import (
    COLUMNS,
    ROW_BITS,
    ROW_MASK,
    document_of,
    rows_of_ids,
    select_in,
    storable,
)
from xlingual_adapters.stores.faiss.filtering import Candidates
from xlingual_adapters.stores.faiss.search import Searching
from xlingual_adapters.stores.faiss.snapshot import Snapshot
from xlingual_qdrant.documents import Document
from xlingual_qdrant.ports import Vectors

_CHUNK = 4096


def fetch(
    connection: sqlite3.Connection, snapshot: Snapshot, ids: Sequence[str]
) -> list[Document | None]:
    """Return the documents in the order of the ids."""
    known = [id for id in dict.fromkeys(ids) if storable(id)]
    found = select_in(connection, f"SELECT {COLUMNS} FROM documents WHERE id", known)
    stored = {values[1]: values for values in found}
    return [_document(snapshot, stored[id]) if id in stored else None for id in ids]


def hashes(connection: sqlite3.Connection, ids: Sequence[str]) -> list[bytes | None]:
    """Return the content hashes in the order of the ids."""
    known = [id for id in dict.fromkeys(ids) if storable(id)]
    stored = dict(select_in(connection, "SELECT id, hash FROM documents WHERE id", known))
    return [stored.get(id) for id in ids]


def fetch_vectors(
    searching: Searching, connection: sqlite3.Connection, snapshot: Snapshot, ids: Sequence[str]
) -> list[NDArray[np.float32] | None]:
    """Return the vectors in the order of the ids; raises CollectionDamaged."""
    rows = rows_of_ids(connection, ids)
    places = {id: position for position, id in enumerate(rows)}
    vectors = gather(searching, snapshot, list(rows.values()))
    return [vectors[places[id]] if id in places else None for id in ids]


def gather(searching: Searching, snapshot: Snapshot, rows: Sequence[int]) -> Vectors:
    """Return the vectors of rows, shape (len(rows), dimension); raises CollectionDamaged."""
    wanted = np.array(rows, dtype=np.int64)
    owners = wanted >> ROW_BITS
    parts: list[tuple[NDArray[np.intp], Candidates]] = []
    for owner in np.unique(owners):
        own = np.flatnonzero(owners == owner)
        segment = snapshot.segments[int(owner)]
        parts.append((own, Candidates(segment, wanted[own] & ROW_MASK)))
    searching.check([part for _, part in parts])
    vectors = np.empty((len(rows), searching.dimension), dtype=np.float32)
    for own, part in parts:
        vectors[own] = part.segment.file.rows(part.segment.rows)[part.places]
    return vectors


def next_documents(
    connection: sqlite3.Connection,
    snapshot: Snapshot,
    candidates: Sequence[Candidates] | None,
    batch: int,
    after: str | None,
) -> tuple[list[int], list[Document]]:
    """Return the next documents behind an id, ordered by id, and their rows.

    candidates: None for all documents.
    """
    condition, values = ("WHERE id > ?", [after]) if after is not None else ("", [])
    if candidates is None:
        found = connection.execute(
            f"SELECT {COLUMNS} FROM documents {condition} ORDER BY id LIMIT ?", [*values, batch]
        ).fetchall()
    else:
        # The index on ids holds the rows as well: passing over a document costs no more.
        rows = connection.execute(f"SELECT row FROM documents {condition} ORDER BY id", values)
        wanted = _first_wanted(rows, candidates, batch)
        found = list(select_in(connection, f"SELECT {COLUMNS} FROM documents WHERE row", wanted))
        found = list({values[0]: values for values in found}.values())
        found.sort(key=lambda values: values[1])
    return [values[0] for values in found], [_document(snapshot, values) for values in found]


def _first_wanted(rows: sqlite3.Cursor, candidates: Sequence[Candidates], batch: int) -> list[int]:
    masks: dict[int, NDArray[np.bool_]] = {}
    for part in candidates:
        mask = np.zeros(part.segment.rows, dtype=np.bool_)
        mask[slice(None) if part.places is None else part.places] = True
        masks[part.segment.number] = mask
    wanted: list[int] = []
    while len(wanted) < batch and (chunk := rows.fetchmany(_CHUNK)):
        for (row,) in chunk:
            mask = masks.get(row >> ROW_BITS)
            if mask is not None and mask[row & ROW_MASK]:
                wanted.append(row)
    return wanted[:batch]


def _document(snapshot: Snapshot, values: tuple[Any, ...]) -> Document:
    lang = snapshot.segments[values[0] >> ROW_BITS].lang
    return document_of(values, lang, json.loads(values[4]))


def state(connection: sqlite3.Connection, key: str) -> bytes | None:
    """Return what was kept under a key."""
    row = connection.execute("SELECT value FROM state WHERE key = ?", (key,)).fetchone()
    return None if row is None else row[0]


def states(connection: sqlite3.Connection) -> list[str]:
    """Return the keys, sorted."""
    return sorted(key for (key,) in connection.execute("SELECT key FROM state"))


def bytes_in(folder: Path) -> int:
    """Return the size of all files of a folder; some may vanish meanwhile."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                total += Path(place, name).stat().st_size
    return total
