"""CSV and TSV: a header, then one record for each document."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from xlingual_qdrant.errors import UnreadableFile
from xlingual_qdrant.ingest.csv_records import QUOTE, CsvRecord, CsvSplitter
from xlingual_qdrant.ingest.fields import FieldMapping, typed_cells
from xlingual_qdrant.ingest.lines import Block, Overlong, bad_byte, read_blocks
from xlingual_qdrant.ingest.opening import OpenedFile
from xlingual_qdrant.ingest.records import RawRecord, Rejection
from xlingual_qdrant.schema import FieldType

CSV_SEPARATORS = (",", ";", "\t", "|")
TSV_SEPARATORS = ("\t",)


def read_delimited(
    opened: OpenedFile,
    mapping: FieldMapping,
    *,
    declared: Mapping[str, FieldType],
    verify: bool = True,
) -> Iterator[RawRecord | Rejection]:
    """Yield a record or a rejection for each record of a table with a header.

    CSV follows RFC 4180, its separator is the one by which the header holds the text column;
    TSV has no quoting. Cells are text, but for those of `declared` fields. Raises
    UnreadableFile where the file cannot be read or for a bad header, and UnknownColumn.
    """
    quoting = opened.format == "csv"
    rows = _Rows(quoting)
    blocks = read_blocks(opened.chunks(verify=verify))
    columns: list[str] = []
    for block in blocks:
        if not columns:
            if isinstance(block, Overlong):
                raise UnreadableFile(opened.name, "format", "its header is too long to be one")
            header, used = _header(block, mapping.text, quoting, opened.name)
            if header is None:
                continue
            columns, rows.separator = header
            _check_header(columns, mapping, opened.name)
            block = Block(block.first + used, block.lines[used:], block.damaged, block.complete)
        for row in rows.split(block):
            yield _checked(row, columns, declared, rows.damaged, opened.name)
    for row in rows.end():
        yield _checked(row, columns, declared, rows.damaged, opened.name)


def _checked(
    row: CsvRecord,
    columns: list[str],
    declared: Mapping[str, FieldType],
    damaged: bool,
    file: str,
) -> RawRecord | Rejection:
    if damaged and (problem := bad_byte(row.raw)):
        return Rejection(file, row.line, "encoding", problem, row.raw)
    if row.reason:
        return Rejection(file, row.line, row.reason, row.detail, row.raw)
    if len(row.fields) != len(columns):
        detail = f"{len(row.fields)} fields, the header has {len(columns)}"
        return Rejection(file, row.line, "columns", detail, row.raw)
    cells = dict(zip(columns, row.fields, strict=True))
    return RawRecord(row.line, typed_cells(cells, declared) if declared else cells, row.raw)


class _Rows:
    """Splits blocks of lines into records, with or without quoting."""

    def __init__(self, quoting: bool) -> None:
        self.damaged = False
        self._quoting = quoting
        self._separator = ""
        self._splitter = CsvSplitter("")

    @property
    def separator(self) -> str:
        return self._separator

    @separator.setter
    def separator(self, value: str) -> None:
        self._separator = value
        self._splitter = CsvSplitter(value)

    def split(self, block: Block | Overlong) -> Iterator[CsvRecord]:
        """Yield the records that end in a block; empty lines between records are none."""
        splitter, separator = self._splitter, self._separator
        if isinstance(block, Overlong):
            self.damaged = True  # not looked at
            # Without quoting, quotation marks are text and leave nothing open.
            quotes = block.quotes if self._quoting else 0
            if record := splitter.skip(replace(block, quotes=quotes)):
                yield record
            return
        self.damaged = self.damaged or block.damaged
        last = len(block.lines) - 1
        for index, line in enumerate(block.lines):
            complete = block.complete or index < last
            if splitter.open or (self._quoting and QUOTE in line):
                if record := splitter.feed(line, block.first + index, complete=complete):
                    yield record
                continue
            if complete and line.endswith("\r"):
                line = line[:-1]
            if line:
                yield CsvRecord(block.first + index, line.split(separator), [line])

    def end(self) -> Iterable[CsvRecord]:
        """Return the record that is open when the file ends, if any."""
        record = self._splitter.end()
        return [record] if record else []


def _header(
    block: Block, text_column: str, quoting: bool, file: str
) -> tuple[tuple[list[str], str] | None, int]:
    """Return the columns with the separator, or None for blank lines alone; and lines used.

    The separator is the first by which there is the text column, else the first of all.
    """
    start = next((i for i, line in enumerate(block.lines) if line not in ("", "\r")), None)
    if start is None:
        return None, len(block.lines)
    separators = CSV_SEPARATORS if quoting else TSV_SEPARATORS
    found: list[tuple[CsvRecord, str]] = []
    for separator in separators:
        record = _first_record(block, start, separator, quoting)
        names = [name.strip() for name in record.fields]
        if text_column in names and not record.reason:
            found.insert(0, (record, separator))
            break
        found.append((record, separator))
    record, separator = found[0]
    if problem := block.damaged and bad_byte(record.raw):
        raise UnreadableFile(file, "encoding", f"the header is {problem}; convert it to UTF-8")
    if record.reason:
        raise UnreadableFile(file, record.reason, f"the header: {record.detail}")
    names = [name.strip() for name in record.fields]
    return (names, separator), start + len(record.raw_lines)


def _first_record(block: Block, start: int, separator: str, quoting: bool) -> CsvRecord:
    if not quoting:
        line = block.lines[start].removesuffix("\r")
        return CsvRecord(block.first + start, line.split(separator), [line])
    splitter = CsvSplitter(separator)
    last = len(block.lines) - 1
    for index in range(start, len(block.lines)):
        complete = block.complete or index < last
        record = splitter.feed(block.lines[index], block.first + index, complete=complete)
        if record:
            return record
    unclosed = splitter.end()
    assert unclosed is not None
    return unclosed


def _check_header(columns: list[str], mapping: FieldMapping, file: str) -> None:
    mapping.check_columns(columns, file)
    for name in columns:
        if columns.count(name) > 1:
            raise UnreadableFile(
                file, "columns", f"the header names the column '{name}' twice; rename one"
            )
