"""Dead letters: the records that were rejected, as JSON Lines, to be corrected and sent again."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from xlingual_qdrant.errors import FileUnavailable, StoreUnavailable, UsageError
from xlingual_qdrant.ingest.opening import STDIN
from xlingual_qdrant.ingest.records import Rejection

_LONGEST_ROW = 64_000_000
"""Bytes of a row; a record is cut long before."""


class DeadLetters:
    """A file of rejections: one JSON object a line, with file, line, reason, detail, record.

    The file belongs to one run: the first rejection replaces what an earlier run left there,
    and a run that rejects nothing removes it. A file that holds anything else is refused.
    sources: what is going to be read; none of it may be the file itself.

    Raises FileUnavailable at once if it cannot be written, not after hours of work, and
    StoreUnavailable when the disk is full.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, sources: Iterable[str | os.PathLike[str]] = ()
    ) -> None:
        self.path = Path(path)
        self.count = 0
        if any(_same_file(self.path, source) for source in sources):
            raise UsageError(f"{self.path} is read, dead letters cannot be written there too")
        if self.path.is_file() and not _holds_dead_letters(self.path):
            raise UsageError(
                f"{self.path} is there already and holds no dead letters; give another name"
            )
        try:
            self._file: BinaryIO = self.path.open("ab")
        except OSError as exc:
            raise FileUnavailable(
                os.fspath(path), f"dead letters cannot be written there: {exc.strerror}"
            ) from exc

    def write(self, rejection: Rejection) -> None:
        """Append one rejection."""
        row = json.dumps(rejection.to_json(), ensure_ascii=False)
        try:
            if not self.count and self.path.is_file():
                self._file.truncate(0)
            self._file.write(row.encode() + b"\n")
        except OSError as exc:
            raise self._failed(exc) from exc
        self.count += 1

    def close(self, *, keep: bool = False) -> None:
        """Close the file. Closing twice is harmless.

        Without rejections it is removed; keep: only if there was nothing in it before either,
        for a run that did not get so far as to reject anything.
        """
        if self._file.closed:
            return
        try:
            self._file.close()
        except OSError as exc:  # what was buffered did not fit on the disk
            raise self._failed(exc) from exc
        stale = self.path.is_file() and not self.count
        if stale and not (keep and self.path.stat().st_size):
            self.path.unlink()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close(keep=error is not None)

    def _failed(self, exc: OSError) -> StoreUnavailable:
        return StoreUnavailable(
            str(self.path), f"writing dead letters failed after {self.count} rows: {exc.strerror}"
        )


def _same_file(letters: Path, source: str | os.PathLike[str]) -> bool:
    if not letters.exists():
        return False
    if os.fspath(source) != STDIN:
        return Path(source).exists() and letters.samefile(source)
    try:
        return os.path.samestat(letters.stat(), os.fstat(sys.stdin.fileno()))
    except (OSError, ValueError):  # standard input is an object in memory, or closed
        return False


def _holds_dead_letters(path: Path) -> bool:
    """Say whether a file is empty, or begins with a row of ours, and may so be replaced."""
    with path.open("rb") as file:
        line = file.readline(_LONGEST_ROW)
    if not line:
        return True
    try:
        row: object = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(row, dict) and {"file", "line", "reason", "detail", "record"} <= row.keys()
