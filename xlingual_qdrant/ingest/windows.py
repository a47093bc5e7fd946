"""Sources to windows: validated documents and rejections, in portions of bounded size."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from xlingual_qdrant.documents import Document
from xlingual_qdrant.errors import InvalidDocument, RecordRejected, UnreadableFile, UsageError
from xlingual_qdrant.ingest.fields import FieldMapping
from xlingual_qdrant.ingest.opening import STDIN, Format, open_source
from xlingual_qdrant.ingest.reading import read_records
from xlingual_qdrant.ingest.records import RawRecord, Rejection, rejected
from xlingual_qdrant.ingest.report import FileOutcome
from xlingual_qdrant.ingest.sharding import Shard
from xlingual_qdrant.schema import FieldType, field_problem
from xlingual_qdrant.writing import unreserved

Source = str | os.PathLike[str]
Check: TypeAlias = Callable[[Document], Document]

WINDOW = 4096
"""Documents that are embedded and written at once."""
WINDOW_CHARACTERS = 2_000_000
"""Characters of records after which a window is full, whatever their number."""


@dataclass(slots=True)
class Window:
    """Some documents and rejections in the order they were read. bytes_read: so far, in all.

    places: the file and the line of each document.
    """

    documents: list[Document] = field(default_factory=list[Document])
    places: list[tuple[str, int]] = field(default_factory=list[tuple[str, int]])
    rejections: list[Rejection] = field(default_factory=list[Rejection])
    characters: int = 0
    bytes_read: int = 0
    file: str = ""

    @property
    def count(self) -> int:
        """How many records were read into it."""
        return len(self.documents) + len(self.rejections)


class WindowReader:
    """Reads sources one after another; iterate over `windows()` once.

    declared: the fields of the collection's schema. size: documents of a window. strict: the
    first rejection ends the reading with RecordRejected, behind a window with all before it.
    shard: what belongs to another one is passed over. check: what a document has to pass, or
    becomes, in the end; raises InvalidDocument.
    outcomes: what came of each source, complete when the iteration is over. columns: the names of
    the fields of the first record, once it is read.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        mapping: FieldMapping,
        *,
        format: Format | None = None,
        declared: Mapping[str, FieldType] | None = None,
        size: int = WINDOW,
        strict: bool = False,
        shard: Shard | None = None,
        check: Check | None = None,
    ) -> None:
        self.outcomes: list[FileOutcome] = []
        self.columns: tuple[str, ...] = ()
        self._sources = sources
        self._mapping = mapping
        self._format: Format | None = format
        self._declared = declared or {}
        self._document = _with_declared(mapping.reader(), self._declared)
        self._check = check
        self._size = size
        self._strict = strict
        self._shard = shard
        self._bytes_before = 0
        self._window = Window()

    @property
    def bytes_total(self) -> int | None:
        """The size of all files on disk; None if there is a pipe among the sources."""
        if any(_is_pipe(source) for source in self._sources):
            return None
        return sum(Path(s).stat().st_size for s in self._sources if Path(s).is_file())

    def check(self) -> None:
        """Look at the beginning of each file, so that wrong usage is found before any work.

        Raises FileUnavailable, UnknownColumn, MissingExtra. What is wrong with a file itself
        is left to the reading. Pipes are left alone, they can be read only once.
        """
        for source in self._sources:
            if _is_pipe(source):
                continue
            with suppress(UnreadableFile), open_source(source, self._format) as opened:
                if opened.compressed and opened.format == "parquet":
                    continue  # it would have to be unpacked
                next(read_records(opened, self._mapping, verify=False), None)

    def windows(self) -> Iterator[Window]:
        """Yield what the sources hold; a file that cannot be read does not stop the others.

        Raises RecordRejected if strict, and errors of usage that only the reading of a pipe
        can find; a window with all that was read before comes first.
        """
        for source in self._sources:
            name = os.fspath(source)
            tally = _Tally()
            error: UnreadableFile | None = None
            try:
                yield from self._read(source, tally)
            except UnreadableFile as exc:
                error = exc
            except UsageError:
                yield self._window
                raise
            finally:
                self.outcomes.append(tally.outcome(name, error))
        if self._window.count:
            yield self._window

    def _read(self, source: Source, tally: _Tally) -> Iterator[Window]:
        name = os.fspath(source)
        with open_source(source, self._format) as opened:
            self._window.file = name
            for record in read_records(opened, self._mapping, declared=self._declared):
                made = self._made(record, name)
                if self._shard is not None and not self._shard.takes(made):
                    tally.pass_over(made)
                    continue
                rejection = self._take(made, record, name)
                tally.read += 1
                if rejection is not None:
                    tally.rejected += 1
                stop = rejection if self._strict else None
                window = self._window
                if stop or window.count >= self._size or window.characters >= WINDOW_CHARACTERS:
                    window.bytes_read = self._bytes_before + opened.bytes_read
                    self._window = Window(bytes_read=window.bytes_read, file=name)
                    yield window
                if stop:
                    raise RecordRejected(name, stop.line, stop.reason, stop.detail)
            self._bytes_before += opened.size or opened.bytes_read
            self._window.bytes_read = self._bytes_before
        if tally.is_empty:
            raise UnreadableFile(name, "empty", "there is not a single record in it")

    def _made(self, record: RawRecord | Rejection, file: str) -> Document | Rejection:
        """Return what a record is to become."""
        if not isinstance(record, RawRecord):
            return record
        self.columns = self.columns or tuple(record.fields)
        try:
            document = unreserved(self._document(record.fields))
            return document if self._check is None else self._check(document)
        except InvalidDocument as exc:
            return rejected(file, record, exc.reason, exc.detail)

    def _take(
        self, made: Document | Rejection, record: RawRecord | Rejection, file: str
    ) -> Rejection | None:
        """Put what a record has become into the window; return it if it is rejected."""
        window = self._window
        if isinstance(made, Document):
            raw = record.raw if isinstance(record, RawRecord) else None
            window.documents.append(made)
            window.places.append((file, record.line))
            window.characters += len(raw or made.text)
            return None
        window.rejections.append(made)
        window.characters += len(made.record)
        return made


@dataclass(slots=True)
class _Tally:
    """Counts the records of one file; what is passed over belongs to other shards."""

    read: int = 0
    rejected: int = 0
    usable_elsewhere: int = 0
    rejected_elsewhere: int = 0

    @property
    def is_empty(self) -> bool:
        return not (self.read or self.usable_elsewhere or self.rejected_elsewhere)

    def pass_over(self, made: Document | Rejection) -> None:
        if isinstance(made, Document):
            self.usable_elsewhere += 1
        else:
            self.rejected_elsewhere += 1

    def outcome(self, file: str, error: UnreadableFile | None) -> FileOutcome:
        return FileOutcome(file, self.read, self.rejected, error, self.usable_elsewhere)


def _with_declared(
    make: Callable[[Mapping[str, Any]], Document], declared: Mapping[str, FieldType]
) -> Callable[[Mapping[str, Any]], Document]:
    """Add the check of the fields that the collection's schema declares, if it does."""
    if not declared:
        return make

    def document(fields: Mapping[str, Any]) -> Document:
        made = make(fields)
        if problem := field_problem(declared, made.metadata):
            raise InvalidDocument("type", problem)
        return made

    return document


def _is_pipe(source: Source) -> bool:
    path = Path(source)
    return os.fspath(source) == STDIN or (path.exists() and not (path.is_file() or path.is_dir()))
