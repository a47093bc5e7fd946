"""The engine's shards that this process has open: one for a folder, however many handles.

The engine admits one opening of a folder, so the handles of a process share it. The last one
to go closes it. Other processes are kept out by a lock on the folder, which names its holder.

A forked process can use nothing of its parent's shards: their threads are not there, and what
it wrote at its end would spoil the parent's files.
"""

from __future__ import annotations

import ctypes
import os
import shutil
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import RLock
from typing import TypeVar

import qdrant_edge as edge

from xlingual_adapters.stores.qdrant_edge.faults import CollectionInUse, engine_faults
from xlingual_qdrant.disk import DISK_FULL, disk_faults
from xlingual_qdrant.errors import CollectionLocked, StoreError, StoreUnavailable
from xlingual_qdrant.folders import gone, lock_for_writing
from xlingual_qdrant.lock import WriteLock

T = TypeVar("T")

FOLDER = "shard"
"""The engine's own folder, in that of a collection's generation."""

_ROOM_TO_OPEN = 32 << 20
"""Bytes that the engine may take where the log of its last user is to be read again."""
ROOM_TO_WRITE = 64 << 20
"""Bytes that it may take beside what is written."""
_COPIES = 4
"""How often a document may be on disk: in the log, as payload, as vector, in indexes."""

_turns: dict[Path, RLock] = {}
_open: dict[Path, Shard] = {}
_opening = RLock()


class Shard:
    """The opening of one generation. One call at a time, which is how the engine works anyway."""

    def __init__(self, folder: Path, config: edge.EdgeConfig) -> None:
        self.folder = folder
        self.where = str(folder.parent)
        self.handles = 0
        self.turn = turn(folder.parent)
        self._lock = use_lock(folder)
        self._right: WriteLock | None = None
        """The right to write, where it is kept from one write to the next."""
        try:
            check_room(folder, _ROOM_TO_OPEN, self.where)
            with engine_faults(self.where, opening=True):
                self._engine: edge.EdgeShard | None = edge.EdgeShard.load(
                    str(folder / FOLDER), config
                )
        except BaseException:
            self._lock.release()
            raise
        self._process = os.getpid()

    def ask(self, request: Callable[[edge.EdgeShard], T]) -> T:
        """Make a request of the engine; raises StoreUnavailable, CollectionDamaged."""
        self._check_process()
        with self.turn:
            engine = self._living()
            with engine_faults(self.where):
                return request(engine)

    @contextmanager
    def writing(self) -> Generator[None]:
        """Let nobody else write meanwhile; raises StoreUnavailable if the folder was replaced."""
        self._check_process()
        with self.turn:
            self._living()
            if self._right is not None:
                yield
                return
            lock = lock_for_writing(self.folder)
            try:
                yield
            finally:
                lock.release()

    def keep_writing(self) -> None:
        """Let nobody else write to the collection until this is closed or hands its right over."""
        self._check_process()
        with self.turn:
            self._living()
            if self._right is None:
                self._right = lock_for_writing(self.folder)

    def hand_over(self) -> WriteLock | None:
        """Return the right to write if it is kept here; the next write takes it anew."""
        with self.turn:
            right, self._right = self._right, None
            return right

    @contextmanager
    def reading(self) -> Generator[None]:
        """Let nobody write meanwhile."""
        self._check_process()
        with self.turn:
            self._living()
            yield

    def check_room(self, size: int) -> None:
        """Raise StoreUnavailable unless the disk has room for so many bytes of documents."""
        check_room(self.folder, ROOM_TO_WRITE + _COPIES * size, self.where)

    def close(self) -> None:
        """Close the engine and give back the lock, whoever still has a handle."""
        self._check_process()
        with self.turn:
            engine, self._engine = self._engine, None
            if (right := self.hand_over()) is not None:
                right.release()
            if engine is None:
                return
            try:
                # Every write was flushed before its receipt: nothing is lost if this fails.
                with suppress(StoreError), engine_faults(self.where):
                    engine.close()
            finally:
                self._lock.release()

    def inherit(self) -> None:
        """In a forked process: never touch the engine again, not even at the end."""
        if self._engine is not None:
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._engine))
            _close_inherited(self.folder / FOLDER)

    def _living(self) -> edge.EdgeShard:
        if self._engine is None:
            raise StoreUnavailable(self.where, "the collection is closed; open it again")
        if not self.folder.is_dir():
            raise gone(self.folder)
        return self._engine

    def _check_process(self) -> None:
        if os.getpid() != self._process:
            raise StoreUnavailable(
                self.where,
                "this process was forked while the collection was open, which Qdrant Edge does"
                " not survive; close it before forking, and open it again in one process",
            )


def attach(folder: Path, config: Callable[[], edge.EdgeConfig]) -> Shard:
    """Return the open shard of a generation for one more handle; opens it for the first.

    Raises CollectionLocked if another process has it, CollectionDamaged, StoreUnavailable.
    """
    with _opening:
        shard = _open.get(folder)
        if shard is None:
            shard = _open[folder] = Shard(folder, config())
        shard.handles += 1
        return shard


def detach(shard: Shard) -> None:
    """Take a handle back; the last one closes the shard."""
    if _open.get(shard.folder) is not shard:  # closed by force, or inherited
        return
    # The turn comes first, as where a collection is replaced: else one waits for the other.
    with shard.turn, _opening:
        if _open.get(shard.folder) is not shard:
            return
        shard.handles -= 1
        if not shard.handles:
            del _open[shard.folder]
            shard.close()


def close_all_below(folder: Path) -> None:
    """Close the shards of a collection that this process has open."""
    with _opening:
        for shard in [each for each in _open.values() if each.folder.parent == folder]:
            del _open[shard.folder]
            shard.close()


def hand_over(collection: Path) -> WriteLock | None:
    """Return the right to write to a collection, if a shard that this process has open keeps it."""
    with _opening:
        mine = [each for each in _open.values() if each.folder.parent == collection]
    return next((right for each in mine if (right := each.hand_over()) is not None), None)


def turn(collection: Path) -> RLock:
    """Return what threads of this process wait for to write to a collection."""
    with _opening:
        return _turns.setdefault(collection, RLock())


def use_lock(folder: Path) -> WriteLock:
    """Return the right to use a generation; raises CollectionLocked if another process has it."""
    try:
        return WriteLock(folder)
    except CollectionLocked as exc:
        raise CollectionInUse(str(folder.parent), exc.holder) from exc
    except FileNotFoundError:
        raise gone(folder) from None
    except OSError as exc:
        with engine_faults(str(folder.parent)):
            raise exc


def check_room(folder: Path, needed: int, where: str) -> None:
    """Raise StoreUnavailable unless the disk has so many bytes left.

    The engine writes into mapped files, and where the disk is full that ends the process.
    """
    with disk_faults(where):
        free = shutil.disk_usage(folder).free
    if free < needed:
        detail = f"{free >> 20} MiB are free, and Qdrant Edge may need {needed >> 20} MiB"
        raise StoreUnavailable(where, f"{DISK_FULL} ({detail})")


def _close_inherited(folder: Path) -> None:
    """Close what a forked process has open of the engine's log, which would keep it locked."""
    for link in Path("/proc/self/fd").glob("*"):
        with suppress(OSError):
            if link.readlink() == folder / "wal":
                os.close(int(link.name))


def _inherit_all() -> None:
    global _opening
    for shard in _open.values():
        shard.inherit()
    _open.clear()
    _turns.clear()
    _opening = RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_inherit_all)
