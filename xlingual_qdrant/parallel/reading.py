"""Files of parallel text become pairs, by the readers that also ingest."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, NamedTuple

from xlingual_qdrant.errors import (
    InvalidDocument,
    UnknownColumn,
    UnreadableFile,
    UsageError,
)
from xlingual_qdrant.finetuning import TextPair
from xlingual_qdrant.ingest.delimited import CSV_SEPARATORS
from xlingual_qdrant.ingest.fields import FieldMapping
from xlingual_qdrant.ingest.opening import OpenedFile, open_source
from xlingual_qdrant.ingest.reading import read_records
from xlingual_qdrant.ingest.records import RawRecord, Rejection
from xlingual_qdrant.languages import canonical
from xlingual_qdrant.parallel.figures import same_text
from xlingual_qdrant.validation import check_lang, check_text

USUAL = (("left", "right"), ("source", "target"))
"""Columns that are taken without being named; else it is the first two."""
LANGUAGES = ("left_lang", "right_lang")
"""Columns with the languages of each pair, where a file has them."""


@dataclass(frozen=True, slots=True)
class PairColumns:
    """The columns of the two texts, and tags for files that name no language.

    None takes `left` and `right`, else `source` and `target`, else the first two columns.
    """

    left: str | None = None
    right: str | None = None
    left_lang: str | None = None
    right_lang: str | None = None

    def __post_init__(self) -> None:
        if (self.left is None) != (self.right is None):
            raise UsageError("name both columns, --left and --right, or neither")
        if self.left is not None and self.left == self.right:
            raise UsageError(f"'{self.left}' is named for both sides; a pair has two columns")
        for side in LANGUAGES:
            if (tag := getattr(self, side)) is not None:
                object.__setattr__(self, side, canonical(tag))


@dataclass(slots=True)
class PairsRead:
    """What a file held. rejected: rows by what was wrong with them, a word of `errors.Reason`.

    identical: pairs whose two texts are the same; there is nothing to learn from them.
    """

    pairs: list[TextPair] = field(default_factory=list[TextPair])
    read: int = 0
    rejected: Counter[str] = field(default_factory=Counter[str])
    identical: int = 0
    first_rejection: Rejection | None = None


def read_pairs(
    files: Sequence[str | os.PathLike[str]], columns: PairColumns | None = None
) -> PairsRead:
    """Read all files; a bad row is counted, a bad file raises.

    Raises FileUnavailable, UnreadableFile, UnknownColumn, MissingExtra.
    """
    found = PairsRead()
    for file in files:
        _read_file(file, columns or PairColumns(), found)
    return found


class PairRow(NamedTuple):
    """A row that holds a pair. line: where it begins, from 1; fields: all of them, by name."""

    line: int
    pair: TextPair
    fields: Mapping[str, Any]


def pair_rows(
    file: str | os.PathLike[str], columns: PairColumns | None = None
) -> Iterator[PairRow | Rejection]:
    """Yield the rows of a file in their order; a bad row is a rejection, a bad file raises.

    Raises FileUnavailable, UnreadableFile, UnknownColumn, MissingExtra.
    """
    columns = columns or PairColumns()
    with open_source(file) as opened:
        if opened.format == "txt":
            raise UnreadableFile(
                opened.name, "format", "a pair has two texts, a line of TXT is one; use TSV or CSV"
            )
        names = (columns.left, columns.right)
    if columns.left is None or columns.right is None:
        names = _usual_columns(file)
    left, right = map(str, names)
    with open_source(file) as opened:
        # The reader checks the columns that a mapping names, whatever they are to be.
        for record in read_records(opened, FieldMapping(text=left, id=right)):
            if isinstance(record, Rejection):
                yield record
            else:
                yield _row(record, left, right, columns, opened.name)


def _read_file(file: str | os.PathLike[str], columns: PairColumns, found: PairsRead) -> None:
    for row in pair_rows(file, columns):
        found.read += 1
        if isinstance(row, Rejection):
            found.rejected[row.reason] += 1
            found.first_rejection = found.first_rejection or row
        elif same_text(row.pair.left) == same_text(row.pair.right):
            found.identical += 1
        else:
            found.pairs.append(row.pair)


def _row(
    record: RawRecord, left: str, right: str, columns: PairColumns, file: str
) -> PairRow | Rejection:
    fields = record.fields
    try:
        for name in (left, right):
            if name not in fields:
                raise InvalidDocument("field", f"there is no field '{name}'")
        pair = TextPair(
            check_text(fields[left]),
            check_text(fields[right]),
            *(
                columns_lang or check_lang(fields.get(name))
                for name, columns_lang in zip(
                    LANGUAGES, (columns.left_lang, columns.right_lang), strict=True
                )
            ),
        )
    except InvalidDocument as exc:
        return Rejection(file, record.line, exc.reason, exc.detail, record.raw or "")
    return PairRow(record.line, pair, fields)


def _usual_columns(file: str | os.PathLike[str]) -> tuple[str, str]:
    """Return the columns that a file calls by a usual name, else its first two."""
    if os.fspath(file) == "-":
        raise UsageError("standard input is read once only; name the columns: --left, --right")
    with open_source(file) as opened:
        there = _columns(opened)
        name = opened.name
    for left, right in USUAL:
        if left in there and right in there:
            return left, right
    if len(there) < 2:
        shown = repr(there[0]) if there else "none"
        raise UnreadableFile(name, "columns", f"a pair needs two columns; there are: {shown}")
    return there[0], there[1]


def _columns(opened: OpenedFile) -> list[str]:
    try:
        # Where the column is missing, the error knows those that are there.
        records = read_records(opened, FieldMapping(text=USUAL[0][0], id=USUAL[0][1]))
        first = next(_only_records(records), None)
    except UnknownColumn as exc:
        return _split_again(exc.columns) if opened.format == "csv" else list(exc.columns)
    return list(first.fields) if first else []


def _only_records(records: Iterator[RawRecord | Rejection]) -> Iterator[RawRecord]:
    return (record for record in records if isinstance(record, RawRecord))


def _split_again(columns: Sequence[str]) -> list[str]:
    """Return the columns of a table whose separator no known column gave away."""
    if len(columns) > 1:
        return list(columns)
    splits = [[name.strip() for name in columns[0].split(sign)] for sign in CSV_SEPARATORS]
    return max(chain([list(columns)], splits), key=len)


def languages_of(pairs: Sequence[TextPair]) -> dict[str, int]:
    """Count the pairs of each two languages: "en-de"; those without a language are left out."""
    counts = Counter(
        f"{pair.left_lang or 'und'}-{pair.right_lang or 'und'}"
        for pair in pairs
        if pair.left_lang or pair.right_lang
    )
    return dict(counts.most_common())


def described(values: Mapping[str, Any]) -> str:
    """Return counts in words: "empty 3, columns 1"."""
    return ", ".join(f"{name} {count:,}" for name, count in values.items())
