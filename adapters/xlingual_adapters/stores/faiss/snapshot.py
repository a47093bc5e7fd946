"""One committed state of a collection, as readers see it: which rows there are, and which live."""

from __future__ import annotations

import sqlite3
import threading
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import numpy as np

from xlingual_adapters.stores.faiss.catalog import ROW_BITS, ROW_MASK
from xlingual_adapters.stores.faiss.vectors import FOLDER, Places, VectorFile, file_name


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """An index that was built over the first `rows` rows of a segment."""

    kind: str
    file: str
    rows: int
    digest: bytes
    effort: int
    """How far it has to search (efSearch, nprobe) to reach the recall it was tuned for."""


@dataclass(frozen=True, slots=True)
class Segment:
    """The documents of one language: the rows of one vector file."""

    number: int
    lang: str
    rows: int
    dead: Places
    """Places of rows whose documents were deleted or replaced, in no order."""
    file: VectorFile
    index: IndexEntry | None = None

    @property
    def alive(self) -> int:
        """The number of documents."""
        return self.rows - len(self.dead)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All segments as of one commit. Never changes; searches on it may run side by side."""

    tick: int = -1
    segments: Mapping[int, Segment] = field(default_factory=lambda: MappingProxyType({}))
    dead_seq: int = 0
    """The last entry of the list of dead rows that is counted in."""

    def of_language(self, lang: str) -> Segment | None:
        """Return the segment of a tag, if there is one."""
        return next((s for s in self.segments.values() if s.lang == lang), None)


class Snapshots:
    """Keeps the newest snapshot of this process, and brings it up to date."""

    def __init__(self, folder: Path, dimension: int) -> None:
        self._folder, self._dimension = folder, dimension
        self._lock = threading.Lock()
        self._newest = Snapshot()

    def at(self, connection: sqlite3.Connection) -> Snapshot:
        """Return the state that the connection's open transaction sees."""
        (tick,) = connection.execute("SELECT tick FROM clock").fetchone()
        newest = self._newest
        if newest.tick == tick:
            return newest
        with self._lock:
            base = self._newest
            # A transaction that began before another thread's newer one starts afresh.
            loaded = self._load(connection, tick, base if base.tick <= tick else Snapshot())
            if loaded.tick > self._newest.tick:
                self._newest = loaded
        return loaded

    def _load(self, connection: sqlite3.Connection, tick: int, base: Snapshot) -> Snapshot:
        died: dict[int, list[int]] = defaultdict(list)
        seq = base.dead_seq
        for seq, row in connection.execute(  # noqa: B007
            "SELECT seq, row FROM dead WHERE seq > ? ORDER BY seq", (base.dead_seq,)
        ):
            died[row >> ROW_BITS].append(row & ROW_MASK)
        segments: dict[int, Segment] = {}
        for number, lang, rows, *index in connection.execute(
            "SELECT number, lang, segments.rows, kind, file, indexes.rows, digest, effort"
            " FROM segments LEFT JOIN indexes ON segment = number ORDER BY number"
        ):
            old = base.segments.get(number)
            entry = IndexEntry(*index) if index[0] is not None else None
            if old and old.rows == rows and number not in died and old.index == entry:
                segments[number] = old
                continue
            dead = old.dead if old else np.empty(0, dtype=np.int64)
            if number in died:
                dead = np.concatenate([dead, np.array(died[number], dtype=np.int64)])
            file = old.file if old else self._file(lang, number)
            segments[number] = Segment(number, lang, rows, dead, file, entry)
        return Snapshot(tick, MappingProxyType(segments), seq)

    def _file(self, lang: str, number: int) -> VectorFile:
        path = self._folder / FOLDER / file_name(lang, number)
        return VectorFile(path, number, self._dimension)
