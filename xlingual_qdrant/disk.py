"""What every store in a folder needs of the file system: its errors in words, and durable names."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from xlingual_qdrant.errors import StoreUnavailable

DISK_FULL = "the disk is full; nothing of this call was kept, free some room and call again"
READ_ONLY = "the folder is read-only; reading works, to write change its permissions or copy it"
_WORDS = {
    errno.ENOSPC: DISK_FULL,
    errno.EDQUOT: DISK_FULL,
    errno.EFBIG: "a file may not grow any more; nothing of this call was kept",
    errno.EROFS: READ_ONLY,
    errno.EACCES: READ_ONLY,
    errno.EPERM: READ_ONLY,
}


def unavailable(exc: OSError, where: str) -> StoreUnavailable:
    """Return the error of this library for one of the system; `where` is the folder."""
    reason = exc.strerror or str(exc)
    words = _WORDS.get(exc.errno or 0)
    return StoreUnavailable(where, f"{words} ({reason})" if words else reason)


@contextmanager
def disk_faults(where: str) -> Generator[None]:
    """Let no error of the system pass as it is; `where` is the folder."""
    try:
        yield
    except OSError as exc:
        raise unavailable(exc, where) from exc


def sync_folder(folder: Path) -> None:
    """Make the names of new files in a folder durable, where the system can."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def remove_folder(folder: Path) -> None:
    """Remove a folder with all that is in it; others may be removing it at the same time.

    Of a link to a folder only the link is removed.
    """
    if folder.is_symlink():
        folder.unlink(missing_ok=True)
    while folder.exists():
        with suppress(FileNotFoundError):
            shutil.rmtree(folder)
