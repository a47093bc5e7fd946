"""Data that cannot be stored as it is."""

from __future__ import annotations

from xlingual_qdrant.errors.root import Reason, XlingualError


class InvalidInput(XlingualError, ValueError):
    """Data that cannot be stored as it is."""


class InvalidDocument(InvalidInput):
    """One document is not acceptable.

    reason: a word of the closed vocabulary; detail: what was met, in words;
    position: its place in the iterable that it came from, from 0, if known.
    """

    def __init__(self, reason: Reason, detail: str, position: int | None = None) -> None:
        super().__init__(reason, detail, position)
        self.reason: Reason = reason
        self.detail, self.position = detail, position

    def __str__(self) -> str:
        where = "" if self.position is None else f"document {self.position}: "
        return f"{where}{self.detail} ({self.reason})"


class InvalidVectors(InvalidInput):
    """Vectors of a wrong shape or dtype, with values that are not finite, or all zero."""


class UnreadableFile(InvalidInput):
    """A file cannot be read, or not to its end.

    file: as named by the caller; reason: a word of the closed vocabulary; detail: in words.
    """

    def __init__(self, file: str, reason: Reason, detail: str) -> None:
        super().__init__(file, reason, detail)
        self.file, self.detail = file, detail
        self.reason: Reason = reason

    def __str__(self) -> str:
        name = "standard input" if self.file == "-" else self.file
        return f"{name}: {self.detail} ({self.reason})"


class RecordRejected(InvalidInput):
    """One row of a file cannot be stored, and any bad row was to stop the work.

    Rows before it are stored. file, line: where; reason, detail: as in a dead-letter row.
    """

    def __init__(self, file: str, line: int, reason: Reason, detail: str) -> None:
        super().__init__(file, line, reason, detail)
        self.file, self.line, self.detail = file, line, detail
        self.reason: Reason = reason

    def __str__(self) -> str:
        return (
            f"{self.file}, line {self.line}: {self.detail} ({self.reason});"
            " correct it and run again"
        )
