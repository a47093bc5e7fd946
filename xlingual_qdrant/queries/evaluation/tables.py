"""The tables of an evaluation folder, read as an ingestion reads its files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias, cast

import numpy as np

from xlingual_qdrant.errors import FileUnavailable, UnreadableFile
from xlingual_qdrant.ingest.fields import FieldMapping
from xlingual_qdrant.ingest.opening import open_source
from xlingual_qdrant.ingest.reading import read_records
from xlingual_qdrant.ingest.records import Rejection
from xlingual_qdrant.ports import Vectors

Row: TypeAlias = dict[str, str]
Figures: TypeAlias = "dict[str, float | Figures]"
"""Figures by name, and figures of parts."""
Embed: TypeAlias = Callable[[Sequence[str]], Vectors]
"""Turns texts into unit rows."""


def read_table(folder: Path, name: str, columns: Sequence[str]) -> list[Row]:
    """Return the rows of `NAME.tsv.gz` (or `NAME.tsv`), cells as they stand.

    Raises FileUnavailable, UnknownColumn, UnreadableFile if a row is broken.
    """
    file = _file(folder, name)
    with open_source(file) as opened:
        rows: list[Row] = []
        for record in read_records(opened, FieldMapping(text=columns[0])):
            if isinstance(record, Rejection):
                detail = f"line {record.line}: {record.detail}"
                raise UnreadableFile(str(file), record.reason, detail)
            rows.append(cast("Row", record.fields))
    if not rows:
        raise UnreadableFile(str(file), "empty", "has no rows")
    if missing := [column for column in columns if column not in rows[0]]:
        raise UnreadableFile(str(file), "columns", f"has no column {missing[0]!r}")
    return rows


_ENDINGS = (".tsv.gz", ".tsv")


def has_table(folder: Path, name: str) -> bool:
    """Say whether a folder has a table of this name."""
    return any((folder / f"{name}{ending}").is_file() for ending in _ENDINGS)


def _file(folder: Path, name: str) -> Path:
    for ending in _ENDINGS:
        file = folder / f"{name}{ending}"
        if file.is_file():
            return file
    raise FileUnavailable(str(folder), f"holds no {name}.tsv.gz")


def grouped(rows: Sequence[Row], column: str) -> dict[str, list[Row]]:
    """Return the rows by what they have in a column, in order of appearance."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row[column], []).append(row)
    return groups


def once(embed: Embed) -> Embed:
    """Return a function that embeds each distinct text once, and repeats its vector.

    Rows get length 1 as exactly as float32 can: ties are part of the tasks.
    """

    def embedded(texts: Sequence[str]) -> Vectors:
        distinct = {text: row for row, text in enumerate(dict.fromkeys(texts))}
        vectors = np.array(embed(list(distinct)), dtype=np.float32)
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        return vectors[np.array([distinct[text] for text in texts], dtype=np.int64)]

    return embedded


def mean(values: Sequence[float]) -> float:
    """Return the plain mean; 0 of nothing."""
    return float(sum(values) / len(values)) if values else 0.0
