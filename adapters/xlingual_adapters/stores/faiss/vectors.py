"""Vector files: float32 rows, appended, never changed, with a checksum for every block.

Where a block begins and how long it is stands in SQLite beside its CRC-32. A block that
does not match is reported with its rows, each time; the others are served.
"""

from __future__ import annotations

import mmap
import os
import re
import sqlite3
import threading
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from xlingual_qdrant.ports import Vectors

FOLDER = "vectors"
BLOCK_ROWS = 256
"""Rows under one checksum: what a flipped byte costs at most."""

Places = NDArray[np.int64]
"""Row numbers inside one file, shape (n,)."""


class Block(NamedTuple):
    """A run of rows and its checksum."""

    first: int
    rows: int
    crc: int


class FileGone(Exception):
    """A vector file is not there: compacted away, if a newer state of the collection says so."""

    def __init__(self, segment: int) -> None:
        super().__init__(segment)
        self.segment = segment


def file_name(lang: str, segment: int) -> str:
    """Return a name that is safe on every file system and never used twice."""
    return f"{re.sub('[^A-Za-z0-9-]', '_', lang)[:60]}.{segment}.f32"


class VectorFile:
    """The readable side of one file, shared by all snapshots that see it."""

    def __init__(self, path: Path, segment: int, dimension: int) -> None:
        self.path, self.segment, self.dimension = path, segment, dimension
        self.lost = False
        """The file is missing though it should be there; its rows read as zeros."""
        self._lock = threading.RLock()
        self._mapped: Vectors = np.empty((0, dimension), dtype=np.float32)
        self._firsts: Places = np.empty(0, dtype=np.int64)
        self._blocks: list[Block] = []
        self._good: NDArray[np.bool_] = np.empty(0, dtype=np.bool_)
        """Per block: read and found right by this process."""
        self._all_good_to = 0

    def rows(self, count: int) -> Vectors:
        """Return the first rows, shape (count, dimension), read-only; raises FileGone."""
        if len(self._mapped) < count:
            with self._lock:
                if len(self._mapped) < count:
                    self._mapped = self._map(count)
        return self._mapped[:count]

    def _map(self, count: int) -> Vectors:
        wanted = count * self.dimension * 4
        try:
            with self.path.open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                if size >= wanted:
                    mapped = mmap.mmap(file.fileno(), wanted, access=mmap.ACCESS_READ)
                    return np.frombuffer(mapped, dtype=np.float32).reshape(count, self.dimension)
                there = np.frombuffer(file.read(), dtype=np.uint8)
        except FileNotFoundError:
            if not self.lost:
                raise FileGone(self.segment) from None
            there = np.empty(0, dtype=np.uint8)
        # Cut short, or lost: what is missing reads as zeros, which match no checksum.
        data = np.zeros(wanted, dtype=np.uint8)
        data[: len(there)] = there
        return data.view(np.float32).reshape(count, self.dimension)

    def damaged(
        self, connection: sqlite3.Connection, count: int, places: Places | None = None
    ) -> Places:
        """Return those of the places (all below `count` if None) that lie in damaged blocks.

        Blocks are read on first touch only. connection: in a transaction that sees `count` rows.
        """
        if count <= self._all_good_to:
            return np.empty(0, dtype=np.int64)
        with self._lock:
            known = self._end_of_blocks()
            if known < count:
                self._load_blocks(connection)
                known = self._end_of_blocks()
            mapped = self.rows(known)
            if places is None:
                touched = np.arange(int(np.searchsorted(self._firsts, count)))
            else:
                touched = np.unique(np.searchsorted(self._firsts, places, side="right") - 1)
            unread: list[int] = touched[~self._good[touched]].tolist()
            bad = [self._blocks[i] for i in unread if not self._check(mapped, i)]
            up_to = len(touched) if places is None else int(np.searchsorted(self._firsts, count))
            if not bad and self._good[:up_to].all():
                self._all_good_to = max(self._all_good_to, count)
        if not bad:
            return np.empty(0, dtype=np.int64)
        concerned = np.concatenate([np.arange(b.first, b.first + b.rows) for b in bad])
        if places is None:
            return concerned[concerned < count]
        return np.intersect1d(concerned, places)

    def forget_checks(self) -> None:
        """Have every block read again when it is next touched."""
        with self._lock:
            self._good[:] = False
            self._all_good_to = 0

    def _end_of_blocks(self) -> int:
        return self._blocks[-1].first + self._blocks[-1].rows if self._blocks else 0

    def _check(self, mapped: Vectors, number: int) -> bool:
        block = self._blocks[number]
        right = zlib.crc32(mapped[block.first : block.first + block.rows].data) == block.crc
        if right:
            self._good[number] = True
        return right

    def _load_blocks(self, connection: sqlite3.Connection) -> None:
        # The last block may have grown since: it is read again, and so is its checksum.
        known = self._blocks[:-1]
        after = self._blocks[-1].first if self._blocks else 0
        found = connection.execute(
            "SELECT first, rows, crc FROM blocks WHERE segment = ? AND first >= ? ORDER BY first",
            (self.segment, after),
        )
        blocks = known + [Block(*row) for row in found]
        good = np.zeros(len(blocks), dtype=np.bool_)
        good[: len(known)] = self._good[: len(known)]
        self._good, self._blocks = good, blocks
        self._firsts = np.array([block.first for block in blocks], dtype=np.int64)


def append(path: Path, first: int, vectors: Vectors) -> int:
    """Write rows behind the first `first` ones; return the open file, to be synced and closed.

    Whatever an interrupted writer left there is overwritten.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
    try:
        os.lseek(handle, first * vectors.shape[1] * 4, os.SEEK_SET)
        data = np.ascontiguousarray(vectors).data.cast("B")
        while data:
            data = data[os.write(handle, data) :]
    except BaseException:
        os.close(handle)
        raise
    return handle


def blocks_of(first: int, vectors: Vectors, tail: Block | None) -> list[Block]:
    """Return the blocks for rows appended at `first`.

    tail: the block before them if it is not full and known to be right; it grows.
    """
    blocks: list[Block] = []
    start = 0
    if tail is not None:
        start = min(BLOCK_ROWS - tail.rows, len(vectors))
        crc = zlib.crc32(np.ascontiguousarray(vectors[:start]).data, tail.crc)
        blocks.append(Block(tail.first, tail.rows + start, crc))
    for begin in range(start, len(vectors), BLOCK_ROWS):
        part = np.ascontiguousarray(vectors[begin : begin + BLOCK_ROWS])
        blocks.append(Block(first + begin, len(part), zlib.crc32(part.data)))
    return blocks
