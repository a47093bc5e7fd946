"""Transactions: readers on one committed state each, and the one writer."""

from __future__ import annotations

import os
import sqlite3
import threading
import weakref
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from xlingual_adapters.stores.faiss import catalog
from xlingual_adapters.stores.faiss.faults import translated
from xlingual_adapters.stores.faiss.filtering import living
from xlingual_adapters.stores.faiss.search import Searching
from xlingual_adapters.stores.faiss.snapshot import Segment, Snapshot, Snapshots
from xlingual_adapters.stores.faiss.vectors import FileGone
from xlingual_adapters.stores.faiss.writing import Transaction
from xlingual_qdrant.errors import CollectionDamaged, StoreUnavailable
from xlingual_qdrant.folders import gone, lock_for_writing
from xlingual_qdrant.lock import WriteLock
from xlingual_qdrant.schema import CollectionSchema

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class View:
    """One committed state, for as long as a reader's transaction lasts."""

    connection: sqlite3.Connection
    snapshot: Snapshot
    searching: Searching


class Connections:
    """The connections of one opened collection, for all threads of this process.

    folder: of the generation that was opened; `where`, in messages, is the collection's.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.where = str(folder.parent)
        self._database = folder / catalog.DATABASE
        self._idle: list[sqlite3.Connection] = []
        self._writer: sqlite3.Connection | None = None
        self._lock: WriteLock | None = None
        self._writing = threading.RLock()
        self._closed = False
        with translated(self.where):
            try:
                self._identity = _identity(self._database)
            except FileNotFoundError:
                detail = f"it has no {catalog.DATABASE}, or is another kind of store's"
                raise CollectionDamaged(self.where, detail) from None
            connection = catalog.open_reader(folder)
            try:
                self.schema: CollectionSchema = catalog.read_schema(connection, folder.parent)
            except BaseException:
                connection.close()
                raise
        self._idle.append(connection)
        self._snapshots = Snapshots(folder, self.schema.dimension)
        _open.add(self)

    def read(self, work: Callable[[View], T]) -> T:
        """Run `work` on the newest committed state, and again if its files were compacted away."""
        gone_at = -1
        while True:
            with self._faults():
                connection = self._borrow()
                try:
                    connection.execute("BEGIN")
                    snapshot = self._snapshots.at(connection)
                    searching = Searching(connection, snapshot, self.where, self.schema.dimension)
                    return work(View(connection, snapshot, searching))
                except FileGone as gone:
                    gone_at = _gone(gone, connection, self._snapshots, gone_at)
                finally:
                    if connection.in_transaction:
                        connection.execute("ROLLBACK")
                    self._give_back(connection)

    def write(self, work: Callable[[Transaction], T], *, visible: bool = True) -> T:
        """Run `work` in a transaction of the writer; what it did is on disk on return.

        visible: it changes documents, so that readers have to look anew.
        Raises CollectionLocked if another process, or another opening, is the writer.
        """
        gone_at = -1
        while True:
            with self._writing, self._faults():
                connection = self._become_writer()
                connection.execute("BEGIN IMMEDIATE")
                try:
                    snapshot = self._snapshots.at(connection)
                    tx = Transaction(connection, snapshot, self.folder, self.schema.fields)
                    result = work(tx)
                    if visible:
                        connection.execute("UPDATE clock SET tick = tick + 1")
                    connection.execute("COMMIT")
                    return result
                except FileGone as gone:
                    gone_at = _gone(gone, connection, self._snapshots, gone_at)
                finally:
                    if connection.in_transaction:
                        connection.execute("ROLLBACK")

    @contextmanager
    def writing_alone(self) -> Generator[None]:
        """Be the writer, and keep the other threads from writing; they wait. Reading goes on."""
        with self._writing, self._faults():
            self._become_writer()
            yield

    def check(self, tx: Transaction, segment: Segment) -> None:
        """Raise CollectionDamaged if a living vector of a segment is damaged."""
        searching = Searching(tx.connection, tx.snapshot, self.where, self.schema.dimension)
        searching.check([living(segment)])

    def vacuum(self) -> None:
        """Give free pages of the database back to the disk, if they are many."""
        with self._writing, self._faults():
            connection = self._become_writer()
            free, pages = (
                connection.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("freelist_count", "page_count")
            )
            if free * 4 > pages:
                connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    @property
    def is_closed(self) -> bool:
        """Nothing can be read or written any more."""
        return self._closed

    @property
    def is_writer(self) -> bool:
        """This opening has written, and still holds the lock."""
        return self._writer is not None

    def close(self) -> None:
        """Close all connections, the writer's last, so that SQLite can fold in its log."""
        with self._writing:
            self._closed = True
            while self._idle:
                self._idle.pop().close()
            if (lock := self.hand_over()) is not None:
                lock.release()

    def hand_over(self) -> WriteLock | None:
        """Stop writing, after a write in progress, and return the lock if this holds it.

        The next write takes it again.
        """
        with self._writing:
            if self._writer is not None:
                # On a full disk the log stays, which is as good.
                with suppress(sqlite3.Error):
                    self._writer.close()
                self._writer = None
            lock, self._lock = self._lock, None
            return lock

    def begin_in_child(self) -> None:
        """Take no part, in a forked process, in what the parent does: open anew when needed."""
        # SQLite forbids to use what was forked, and closing it could touch the parent's log.
        _of_parent.extend(self._idle)
        if self._writer is not None:
            _of_parent.append(self._writer)
        self._idle, self._writer, self._lock = [], None, None
        self._writing = threading.RLock()
        self._snapshots = Snapshots(self.folder, self.schema.dimension)

    def _borrow(self) -> sqlite3.Connection:
        self._check_open()
        try:
            return self._idle.pop()
        except IndexError:
            connection = catalog.open_reader(self.folder)
        try:
            self._check_open()
        except BaseException:
            connection.close()
            raise
        return connection

    def _give_back(self, connection: sqlite3.Connection) -> None:
        if self._closed:
            connection.close()
        else:
            self._idle.append(connection)

    def _become_writer(self) -> sqlite3.Connection:
        if self._writer is not None:
            return self._writer
        self._check_open()
        if self._lock is None:
            self._lock = lock_for_writing(self.folder)
        try:
            # With the lock, nobody drops it any more.
            self._check_open()
            self._writer = catalog.open_writer(self.folder)
        except BaseException:
            self._lock.release()
            self._lock = None
            raise
        return self._writer

    def _check_open(self) -> None:
        """Raise StoreUnavailable if this was closed, or is not what is in the folder now.

        An open connection keeps the number of its file from being given to another.
        """
        if self._closed:
            raise StoreUnavailable(self.where, "this collection was closed; open it again")
        try:
            found = _identity(self._database)
        except (FileNotFoundError, NotADirectoryError):
            found = None
        if found != self._identity:
            raise gone(self.folder)

    @contextmanager
    def _faults(self) -> Generator[None]:
        """Translate errors. What is missing because all of the generation is gone is no damage."""
        try:
            with translated(self.where):
                yield
        except (CollectionDamaged, StoreUnavailable):
            with translated(self.where):
                self._check_open()
                raise


_open: weakref.WeakSet[Connections] = weakref.WeakSet()
_of_parent: list[sqlite3.Connection] = []


def _begin_all_in_child() -> None:
    for connections in list(_open):
        connections.begin_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_all_in_child)


def _identity(path: Path) -> tuple[int, int]:
    """Return what tells a file from any other that is there at the same time."""
    found = path.stat()
    return found.st_dev, found.st_ino


def _gone(
    gone: FileGone, connection: sqlite3.Connection, snapshots: Snapshots, gone_at: int
) -> int:
    """Note that a file is lost if it is missing twice in one state; return that state."""
    snapshot = snapshots.at(connection)
    if snapshot.tick == gone_at:
        snapshot.segments[gone.segment].file.lost = True
    return snapshot.tick
