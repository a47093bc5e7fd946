"""RFC 4180, strictly: lines become records, with what is wrong about them.

Python's csv module is lenient about text after a closing quote and about a quote that is
never closed, and stops at bytes that are not UTF-8; here each of them is one bad record.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from xlingual_qdrant.errors import Reason
from xlingual_qdrant.ingest.lines import HEAD, MAX_LINE, Overlong

QUOTE = '"'


@dataclass(slots=True)
class CsvRecord:
    """One record: the line it begins at, its fields, its lines as they stand in the file.

    reason: None if the record is well-formed.
    """

    line: int
    fields: list[str] = field(default_factory=list[str])
    raw_lines: list[str] = field(default_factory=list[str])
    reason: Reason | None = None
    detail: str = ""

    @property
    def raw(self) -> str:
        """The record as it stands in the file."""
        return "\n".join(self.raw_lines)


class CsvSplitter:
    """Takes line after line, and gives a record when one is whole.

    separator: one character. limit: most characters of a record.
    """

    def __init__(self, separator: str, limit: int = MAX_LINE) -> None:
        self._separator = separator
        self._limit = limit
        self._record: CsvRecord | None = None
        self._quoted: list[str] | None = None  # the lines so far of the field whose quote is open
        self._size = 0

    @property
    def open(self) -> bool:
        """A record has begun and is not whole yet."""
        return self._record is not None

    def feed(self, line: str, number: int, *, complete: bool = True) -> CsvRecord | None:
        """Take a line without its LF. complete: there was one, so a CR before it is not text."""
        if self._record is None:
            self._record, self._size = CsvRecord(number), 0
        record = self._record
        self._size += len(line) + 1
        if self._size <= self._limit:
            record.raw_lines.append(line)
        elif record.reason != "too-long":
            self._too_long(record)
            record.raw_lines.append(line[:HEAD])
        ends = len(line) - 1 if complete and line.endswith("\r") else len(line)
        if not self._take(record, line, ends):
            return None
        return self._whole()

    def skip(self, line: Overlong) -> CsvRecord | None:
        """Take a line that was too long to be read; its record is too long then.

        The count of its quotation marks tells whether a quote is open at its end.
        """
        if self._record is None:
            self._record = CsvRecord(line.line)
        self._too_long(self._record)
        self._record.raw_lines.append(line.head)
        if (line.quotes % 2 == 1) == (self._quoted is None):
            self._quoted = []
            return None
        self._quoted = None
        return self._whole()

    def end(self) -> CsvRecord | None:
        """Return what is left when the file ends, which is never well-formed."""
        if self._record is None:
            return None
        record = self._whole()
        record.detail = (
            f"the quote of field {len(record.fields) + 1} is never closed, so the record goes on"
            f" to the end of the file{'; ' * bool(record.detail)}{record.detail}"
        )
        record.reason = "format"
        return record

    def _whole(self) -> CsvRecord:
        record = self._record
        assert record is not None
        self._record = self._quoted = None
        return record

    def _too_long(self, record: CsvRecord) -> None:
        record.reason = "too-long"
        record.detail = (
            f"the record has more than {self._limit:,} characters; only its beginning is shown"
        )
        record.raw_lines = ["\n".join(record.raw_lines)[:HEAD]]
        if self._quoted:
            self._quoted = [""]

    def _take(self, record: CsvRecord, line: str, ends: int) -> bool:
        """Read fields up to `ends`; return whether the record ends with this line."""
        position = 0
        while True:
            if self._quoted is not None or line.startswith(QUOTE, position):
                if self._quoted is None:
                    self._quoted, position = [], position + 1
                close = _closing_quote(line, position)
                if record.reason != "too-long":
                    self._quoted.append(line[position:] if close < 0 else line[position:close])
                if close < 0:
                    return False
                record.fields.append("\n".join(self._quoted).replace('""', QUOTE))
                self._quoted = None
                position = close + 1
                if position < ends and line[position] != self._separator and not record.reason:
                    record.reason = "format"
                    record.detail = (
                        f"there is text after the closing quote of field {len(record.fields)};"
                        ' a quote inside quotes is written ""'
                    )
                # What follows wrongly is passed over, to find the end of the record.
                separator = line.find(self._separator, position)
            else:
                separator = line.find(self._separator, position)
                record.fields.append(line[position : ends if separator < 0 else separator])
            if separator < 0:
                return True
            position = separator + 1


def _closing_quote(line: str, position: int) -> int:
    """Return where the quote closes, -1 if not in this line."""
    while True:
        found = line.find(QUOTE, position)
        if found < 0 or not line.startswith(QUOTE, found + 1):
            return found
        position = found + 2
