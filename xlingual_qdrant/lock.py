"""One writer: a lock of the operating system on a file, which names its holder.

The system gives the lock back when its holder ends, however it ends, so that a lock
can never be stale. The process id inside the file is for messages only.

A forked process does not hold the locks of its parent, and does not keep them alive.
"""

from __future__ import annotations

import os
import sys
import weakref
from contextlib import suppress
from pathlib import Path

from xlingual_qdrant.errors import CollectionLocked

LOCK_FILE = "write.lock"

if sys.platform == "win32":
    import msvcrt

    # A byte far behind the process id: a locked byte cannot be read by others there.
    _LOCKED_BYTE = 1 << 20

    def _try_lock(handle: int) -> None:
        os.lseek(handle, _LOCKED_BYTE, os.SEEK_SET)
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)

    def _unlock(handle: int) -> None:
        os.lseek(handle, _LOCKED_BYTE, os.SEEK_SET)
        msvcrt.locking(handle, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _try_lock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _unlock(handle: int) -> None:
        # Closing is not enough: a process forked this very moment has the file open, too.
        fcntl.flock(handle, fcntl.LOCK_UN)


class WriteLock:
    """The right to write into a collection's folder, from construction to `release`.

    Raises CollectionLocked at once if another holds it, OSError if there can be no file.
    """

    def __init__(self, folder: Path) -> None:
        self._handle: int | None = None
        self._handle = handle = _locked(folder)
        _held.add(self)
        # On a full disk the holder stays unnamed: it may have come to delete something.
        with suppress(OSError):
            os.ftruncate(handle, 0)
            os.lseek(handle, 0, os.SEEK_SET)
            os.write(handle, str(os.getpid()).encode())

    def release(self) -> None:
        """Let others write; harmless when done twice."""
        if self._handle is not None:
            _held.discard(self)
            os.ftruncate(self._handle, 0)
            _unlock(self._handle)
            os.close(self._handle)
            self._handle = None

    def forget(self) -> None:
        """Close the file in a forked process, where the lock is the parent's."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


_held: weakref.WeakSet[WriteLock] = weakref.WeakSet()


def _locked(folder: Path) -> int:
    """Return the open lock file of a folder, locked."""
    path = folder / LOCK_FILE
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _try_lock(handle)
        except OSError as exc:
            holder = os.pread(handle, 20, 0) if hasattr(os, "pread") else path.read_bytes()[:20]
            os.close(handle)
            number = holder.decode("ascii", "replace").strip()
            named = f"process {number}" if number.isdigit() else "another process"
            if number == str(os.getpid()):
                named += " (this one, through another opening)"
            raise CollectionLocked(str(folder), named) from exc
        try:
            if os.path.samestat(os.fstat(handle), path.stat()):
                return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)  # the folder was dropped, and made anew, between the two steps


def _forget_all() -> None:
    for lock in list(_held):
        lock.forget()
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
