"""The file of the embedding cache: SQLite, shared by any number of processes and threads.

Vectors lie in blocks, as they were computed together; an entry says in which block, and where
in it, the vector of a text is. A block is read, checked and thrown away as a whole: texts that
came together are asked for together, and the room of a block is used again by the next one.

Nothing in here is needed: whatever is lost or damaged is embedded again.
"""

from __future__ import annotations

import sqlite3
import time
import weakref
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from xlingual_qdrant.cache_database import (
    PATIENCE_S,
    Idle,
    check_file,
    give_back,
    is_damage,
    no_cache,
    open_database,
    pragma,
    select_in,
    used_bytes,
)
from xlingual_qdrant.ports import Vectors

KEY_BYTES = 16
BLOCK_BYTES = 65_536
"""Of the vectors in a block, at most: what one asks for is read with its neighbours."""
STAMP_S = 3600
"""How finely the last use is known: so seldom does a look-up write anything."""

NO_FLAG, NO_ENTRY = -1, -2
ROW, BLOCK, PLACE, CUT = range(4)
"""Columns of the entries that were found."""

_SPARE = 64
"""One part in so many of the limit is freed at once."""

_KEYS_AT_ONCE = 4096
# All keys come as one value, and what comes back is numbers only: faster than to bind each.
_FIND = f"""
WITH RECURSIVE wanted (row) AS (
    VALUES (0) UNION ALL
    SELECT row + 1 FROM wanted WHERE (row + 1) * {KEY_BYTES} < length(?1)
)
SELECT row + ?2, block, coalesce(place, -1), coalesce(cut, {NO_FLAG})
FROM wanted JOIN entries ON key = substr(?1, row * {KEY_BYTES} + 1, {KEY_BYTES})
"""


class Kept(NamedTuple):
    """What the cache holds of one embedder. used: seconds since 1970, rounded down to the hour."""

    fingerprint: str
    entries: int
    used: int


class VectorCache:
    """Vectors by the hashes of their texts, in one file of at most about `max_bytes`.

    Above that, the blocks that were not used for the longest time go. The file is made if it is
    missing. A key has KEY_BYTES bytes, and tells one embedder's text from that of another.
    now: the seconds since 1970.

    Raises UnreadableFile if the file is no cache or is damaged, FormatTooNew; here and
    everywhere OSError and sqlite3.Error if it cannot be read or written as things are.
    """

    def __init__(self, path: Path, max_bytes: int, *, now: Callable[[], float] = time.time) -> None:
        self.path = path
        self.max_bytes = max_bytes
        self._now = now
        self._idle = Idle()
        weakref.finalize(self, self._idle.close)
        path.parent.mkdir(parents=True, exist_ok=True)
        check_file(path)
        try:
            with self._borrowed() as connection:
                connection.execute(
                    "SELECT * FROM embedders, blocks, contents, entries LIMIT 1"
                ).fetchall()
        except sqlite3.DatabaseError as exc:
            if is_damage(exc):
                raise no_cache(path, f"is damaged, or no embedding cache ({exc})") from exc
            raise

    def fingerprints(self) -> list[str]:
        """Return the fingerprints of all embedders of which there is something, oldest first."""
        with self._borrowed() as connection:
            rows = connection.execute("SELECT fingerprint FROM embedders ORDER BY number")
            return [str(fingerprint) for (fingerprint,) in rows]

    def find(self, keys: Sequence[bytes], dimension: int) -> tuple[NDArray[np.bool_], Vectors]:
        """Say of each key whether its vector is there, and return the vectors.

        keys: each once. The vectors have shape (len(keys), dimension); rows of keys that are
        not there are to be filled. A block that is damaged is not there.
        """
        found = np.zeros(len(keys), dtype=np.bool_)
        vectors = np.empty((len(keys), dimension), dtype=np.float32)
        now, stale = self._stamp(), list[int]()
        with self._borrowed() as connection:
            connection.execute("BEGIN")
            entries = _entries(connection, keys)
            rows, blocks, places, _ = entries[entries[:, PLACE] >= 0].T
            order = np.argsort(blocks, kind="stable")
            numbers, begins = np.unique(blocks[order], return_index=True)
            parts = dict(zip(numbers.tolist(), np.split(order, begins)[1:], strict=True))
            for block, used, crc, data in select_in(
                connection,
                "SELECT number, used, crc, vectors FROM blocks JOIN contents"
                " ON block = number WHERE number",
                list(parts),
            ):
                part = parts[block]
                kept = _checked(data, crc, dimension, int(places[part].max()))
                if kept is not None:
                    vectors[rows[part]] = kept[places[part]]
                    found[rows[part]] = True
                if used < now:
                    stale.append(block)
            connection.execute("COMMIT")
        if stale:
            self._touch(stale, now)
        return found, vectors

    def flags(self, keys: Sequence[bytes]) -> NDArray[np.int64]:
        """Return for each key 1 if its text is cut, 0 if not, NO_FLAG or NO_ENTRY."""
        flags = np.full(len(keys), NO_ENTRY)
        with self._borrowed() as connection:
            entries = _entries(connection, keys)
        flags[entries[:, ROW]] = entries[:, CUT]
        return flags

    def put(
        self,
        fingerprint: str,
        keys: Sequence[bytes],
        vectors: Vectors,
        flags: Mapping[bytes, bool],
        *,
        patience_s: float = PATIENCE_S,
    ) -> None:
        """Keep vectors, shape (len(keys), dimension), and whether texts are cut.

        flags: of these keys, as far as it is known, and of others that have no vector. What is
        known of a key already is replaced. patience_s: for another one who is writing.
        """
        size = max(BLOCK_BYTES // max(vectors.shape[1] * vectors.itemsize, 1), 1)
        bare = list(flags.keys() - set(keys))
        with self._transaction(patience_s) as connection:
            embedder = _number_of(connection, fingerprint)
            for first in range(0, len(keys), size):
                # Flags without a vector lie, and go, with the first block of the call.
                part = [*keys[first : first + size], *(() if first else bare)]
                self._put_block(connection, embedder, part, vectors[first : first + size], flags)
        self._shrink()

    def _put_block(
        self,
        connection: sqlite3.Connection,
        embedder: int,
        keys: Sequence[bytes],
        vectors: Vectors,
        flags: Mapping[bytes, bool],
    ) -> None:
        """Write one block; keys beyond the number of vectors have none."""
        data = vectors.tobytes()
        self._make_room(connection, len(data) + 6 * KEY_BYTES * len(keys))
        block = connection.execute(
            "INSERT INTO blocks (embedder, used, crc) VALUES (?, ?, ?)",
            (embedder, self._stamp(), crc32(data)),
        ).lastrowid
        connection.execute("INSERT INTO contents VALUES (?, ?, ?)", (block, b"".join(keys), data))
        connection.executemany(
            "INSERT INTO entries VALUES (?, ?, ?, ?) ON CONFLICT (key) DO UPDATE"
            " SET block = excluded.block, place = excluded.place,"
            " cut = coalesce(excluded.cut, cut)",
            ((key, block, place, flags.get(key)) for place, key in enumerate(keys[: len(vectors)])),
        )
        connection.executemany(
            "INSERT INTO entries VALUES (?, ?, NULL, ?)"
            " ON CONFLICT (key) DO UPDATE SET cut = excluded.cut",
            ((key, block, flags[key]) for key in keys[len(vectors) :]),
        )

    def put_flags(self, flags: Mapping[bytes, bool]) -> None:
        """Keep whether texts are cut, of keys that have an entry."""
        with self._transaction() as connection:
            connection.executemany(
                "UPDATE entries SET cut = ? WHERE key = ?",
                ((flag, key) for key, flag in flags.items()),
            )

    def kept(self) -> list[Kept]:
        """Return what there is of each embedder, oldest first."""
        with self._borrowed() as connection:
            rows = connection.execute(
                "SELECT fingerprint, count(place), max(used) FROM embedders"
                " JOIN blocks ON embedder = embedders.number JOIN entries ON block = blocks.number"
                " GROUP BY embedder ORDER BY embedder"
            ).fetchall()
        return [Kept(fingerprint, entries, used * STAMP_S) for fingerprint, entries, used in rows]

    def clear(self, fingerprints: Iterable[str] | None = None) -> None:
        """Forget what is kept of these embedders, or everything, and give the room back."""
        with self._transaction() as connection:
            if fingerprints is None:
                for table in ("entries", "contents", "blocks", "embedders"):
                    connection.execute(f"DELETE FROM {table}")
            for fingerprint in fingerprints or ():
                one = "SELECT number FROM embedders WHERE fingerprint = ?"
                its = f"SELECT number FROM blocks WHERE embedder = ({one})"
                for statement in (
                    f"DELETE FROM entries WHERE block IN ({its})",
                    f"DELETE FROM contents WHERE block IN ({its})",
                    f"DELETE FROM blocks WHERE embedder = ({one})",
                    "DELETE FROM embedders WHERE fingerprint = ?",
                ):
                    connection.execute(statement, (fingerprint,))
        with self._borrowed() as connection:
            give_back(connection)
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def bytes_on_disk(self) -> int:
        """Return the size of the file, with what SQLite keeps beside it."""
        files = (self.path, self.path.with_name(f"{self.path.name}-wal"))
        return sum(file.stat().st_size for file in files if file.exists())

    def close(self) -> None:
        """Close the file; the next call opens it again."""
        self._idle.close()

    # ------------------------------------------------------------ room

    def _make_room(self, connection: sqlite3.Connection, wanted: int) -> None:
        """Remove the blocks that were not used for the longest time, if there is too little room.

        Pages count, not vectors: what is freed is there for the next block.
        """
        limit = self.max_bytes - wanted
        if used_bytes(connection) <= limit:
            return
        limit -= self.max_bytes // _SPARE
        while used_bytes(connection) > limit:
            oldest = connection.execute(
                "SELECT number, keys FROM blocks JOIN contents ON block = number"
                " ORDER BY used, number LIMIT 8"
            ).fetchall()
            if not oldest:
                return
            for block, keys in oldest:
                starts = range(0, len(keys), KEY_BYTES)
                connection.executemany(
                    # A key that was put again since is in another block now.
                    "DELETE FROM entries WHERE key = ? AND block = ?",
                    ((keys[start : start + KEY_BYTES], block) for start in starts),
                )
                connection.execute("DELETE FROM contents WHERE block = ?", (block,))
                connection.execute("DELETE FROM blocks WHERE number = ?", (block,))

    def _shrink(self) -> None:
        """Give room back if the file is larger than it may be: the limit was lowered."""
        with self._borrowed() as connection:
            pages, size = pragma(connection, "page_count"), pragma(connection, "page_size")
            if pages * size > self.max_bytes and pragma(connection, "freelist_count"):
                give_back(connection)

    def _touch(self, blocks: list[int], now: int) -> None:
        # Where nothing can be written, nothing has to be thrown away either; and nobody who only
        # looks something up is to wait for one who writes.
        with suppress(sqlite3.OperationalError), self._transaction(0) as connection:
            connection.executemany(
                "UPDATE blocks SET used = ? WHERE number = ?", ((now, block) for block in blocks)
            )

    def _stamp(self) -> int:
        return int(self._now() // STAMP_S)

    # ------------------------------------------------------------ connections

    @contextmanager
    def _borrowed(self) -> Generator[sqlite3.Connection]:
        """Lend a connection that no other thread uses meanwhile."""
        connection = self._idle.take() or open_database(self.path)
        try:
            yield connection
        except BaseException:
            connection.close()  # which rolls back
            raise
        self._idle.give(connection)

    @contextmanager
    def _transaction(self, patience_s: float = PATIENCE_S) -> Generator[sqlite3.Connection]:
        with self._borrowed() as connection:
            connection.execute(f"PRAGMA busy_timeout = {round(patience_s * 1000)}")
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(f"PRAGMA busy_timeout = {round(PATIENCE_S * 1000)}")
            yield connection
            connection.execute("COMMIT")


def _number_of(connection: sqlite3.Connection, fingerprint: str) -> int:
    connection.execute("INSERT OR IGNORE INTO embedders (fingerprint) VALUES (?)", (fingerprint,))
    found = connection.execute("SELECT number FROM embedders WHERE fingerprint = ?", (fingerprint,))
    return found.fetchone()[0]


def _entries(connection: sqlite3.Connection, keys: Sequence[bytes]) -> NDArray[np.int64]:
    """Return the entries that there are: row among the keys, block, place or -1, flag."""
    found: list[tuple[int, int, int, int]] = []
    for first in range(0, len(keys), _KEYS_AT_ONCE):
        part = b"".join(keys[first : first + _KEYS_AT_ONCE])
        found += connection.execute(_FIND, (part, first)).fetchall()
    return np.array(found, dtype=np.int64).reshape(-1, 4)


def _checked(data: bytes, crc: int, dimension: int, last: int) -> Vectors | None:
    """Return the vectors of a block; None if they are not those that were written."""
    row = dimension * 4
    if crc32(data) != crc or len(data) % row or len(data) < (last + 1) * row:
        return None
    return np.frombuffer(data, dtype=np.float32).reshape(-1, dimension)
