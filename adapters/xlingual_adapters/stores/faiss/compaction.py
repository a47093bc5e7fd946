"""Compaction: the living rows of a language move into a new file, in one commit."""

from __future__ import annotations

import os

import numpy as np

from xlingual_adapters.stores.faiss.catalog import ROW_BITS, first_row
from xlingual_adapters.stores.faiss.snapshot import Segment
from xlingual_adapters.stores.faiss.vectors import FOLDER, append, blocks_of, file_name
from xlingual_adapters.stores.faiss.writing import Transaction
from xlingual_qdrant.disk import sync_folder

_ROWS_AT_ONCE = 65_536
MANY_DEAD = 10_000
"""Dead rows from which a file of which half is dead is compacted without being asked."""


def overdue(segment: Segment) -> bool:
    """Say whether more than half of a large file is dead.

    The work is then in proportion to the writing that made it so.
    """
    return len(segment.dead) >= MANY_DEAD and len(segment.dead) > segment.alive


def compact(tx: Transaction, segment: Segment) -> None:
    """Move what lives of a segment into a new one. Its vectors have been found undamaged."""
    run = tx.connection.execute
    run("DELETE FROM segments WHERE number = ?", (segment.number,))
    if segment.alive:
        _move(tx, segment)
    ends = (first_row(segment.number), first_row(segment.number + 1) - 1)
    run("DELETE FROM dead WHERE row BETWEEN ? AND ?", ends)
    for table in ("blocks", "field_values", "indexes"):
        run(f"DELETE FROM {table} WHERE segment = ?", (segment.number,))


def _move(tx: Transaction, segment: Segment) -> None:
    living = np.ones(segment.rows, dtype=np.bool_)
    living[segment.dead] = False
    old = np.flatnonzero(living)
    run = tx.connection.execute
    cursor = run("INSERT INTO segments (lang, rows) VALUES (?, ?)", (segment.lang, len(old)))
    number = int(cursor.lastrowid or 0)
    path = tx.folder / FOLDER / file_name(segment.lang, number)
    vectors = segment.file.rows(segment.rows)
    for start in range(0, len(old), _ROWS_AT_ONCE):
        part = vectors[old[start : start + _ROWS_AT_ONCE]]
        handle = append(path, start, part)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
        tx.connection.executemany(
            "INSERT INTO blocks VALUES (?, ?, ?, ?)",
            [(number, *block) for block in blocks_of(start, part, None)],
        )
    sync_folder(tx.folder / FOLDER)

    run("CREATE TEMP TABLE IF NOT EXISTS moved (old INTEGER PRIMARY KEY, new INTEGER)")
    run("DELETE FROM temp.moved")
    tx.connection.executemany(
        "INSERT INTO temp.moved VALUES (?, ?)", zip(old.tolist(), range(len(old)), strict=True)
    )
    run(
        "UPDATE documents SET row = ? + (SELECT new FROM temp.moved WHERE old = row - ?)"
        " WHERE row BETWEEN ? AND ?",
        (
            first_row(number),
            first_row(segment.number),
            first_row(segment.number),
            first_row(segment.number) + (1 << ROW_BITS) - 1,
        ),
    )
    run(
        "INSERT INTO field_values SELECT field, ?, value, new, listed FROM field_values"
        " JOIN temp.moved ON old = place WHERE segment = ?",
        (number, segment.number),
    )
    run("DELETE FROM temp.moved")
