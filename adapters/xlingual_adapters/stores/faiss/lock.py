"""One writer: a lock of the operating system on a file, which names its holder.

The system gives the lock back when its holder ends, however it ends, so that a lock
can never be stale. The process id inside the file is for messages only.
"""

from __future__ import annotations

import os
import sys
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

else:
    import fcntl

    def _try_lock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


class WriteLock:
    """The right to write into a collection's folder, from construction to `release`.

    Raises CollectionLocked at once if another holds it, OSError if there can be no file.
    """

    def __init__(self, folder: Path) -> None:
        self._handle: int | None = None
        path = folder / LOCK_FILE
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
        os.ftruncate(handle, 0)
        os.lseek(handle, 0, os.SEEK_SET)
        os.write(handle, str(os.getpid()).encode())
        self._handle = handle

    def release(self) -> None:
        """Let others write; harmless when done twice."""
        if self._handle is not None:
            os.ftruncate(self._handle, 0)
            os.close(self._handle)
            self._handle = None
