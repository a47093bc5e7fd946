"""Every error that a caller can meet.

    XlingualError
    ├── UsageError               the call or the command line does not fit    (exit code 2)
    │   ├── SettingsError        a settings file, variable or argument is wrong
    │   ├── UnknownName          no plug-in, store, field ... of that name; suggests the nearest
    │   ├── UnknownLanguage      a tag that BCP 47 does not know
    │   ├── UnknownColumn        a table has no such column; lists those it has
    │   ├── FileUnavailable      no such file, or no permission to read it
    │   ├── MissingExtra         a feature needs a package that is not installed
    │   └── InvalidFilter        a filter cannot be read, or means nothing
    ├── InvalidInput             data that cannot be stored as it is
    │   ├── InvalidDocument      one document; carries a reason of the closed vocabulary
    │   ├── InvalidVectors       wrong shape, not finite, or all zero
    │   ├── TextTooLong          a server that embeds refuses it for its length
    │   ├── UnreadableFile       a file as a whole; carries a reason too
    │   └── RecordRejected       one row of a file, where any bad row is to stop the work
    ├── EmbedderUnavailable      a model, or the server that has it, cannot be reached or used
    ├── NotSupported             this store cannot do that; says what it can
    └── StoreError               the store's own troubles
        ├── CollectionMissing    no such collection
        ├── CollectionExists     there is one already
        ├── ReplacementMissing   nothing has been begun that could take a collection's place
        ├── TransferIncomplete   a copy lacks something that its source has
        ├── DocumentExists       an id is taken, and `if_exists="error"` was asked for
        ├── EmbedderMismatch     the collection was made with another embedder
        ├── SchemaMismatch       the collection was made with another schema
        ├── CollectionLocked     another process is writing
        ├── CollectionReadOnly   it belongs to another program, and is only read here
        ├── CollectionDamaged    a file does not match its checksum
        ├── FormatTooNew         written by a newer version of this library
        └── StoreUnavailable     disk full, read-only, server down

A message says what was met, where, and what to do next. Facts are constructor
arguments, kept as attributes, so that an error survives pickling between processes.

What is done, but perhaps not as it was meant, is warned of, by an XlingualWarning each.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Literal, TypeAlias

Reason: TypeAlias = Literal[
    "encoding",
    "surrogate",
    "json",
    "columns",
    "field",
    "empty",
    "type",
    "language",
    "duplicate",
    "too-long",
    "gzip",
    "parquet",
    "format",
    "schema",
    "directory",
]
"""Why a record or a file was rejected: the closed vocabulary of dead letters."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return " Did you mean 'x'?" for the nearest known name, or "" if none is near."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f" Did you mean '{near[0]}'?" if near else ""


class XlingualError(Exception):
    """Root of all errors that this library raises on purpose."""


class UsageError(XlingualError, ValueError):
    """The call or the command line does not fit."""


class SettingsError(UsageError):
    """A settings file, an environment variable or an argument is wrong."""


class UnknownName(UsageError, LookupError):
    """There is nothing of this kind with this name.

    kind: what was looked for, such as "store"; name: as given; known: the names there are.
    """

    def __init__(self, kind: str, name: str, known: Sequence[str]) -> None:
        super().__init__(kind, name, known)
        self.kind, self.name, self.known = kind, name, tuple(known)

    def __str__(self) -> str:
        there = ", ".join(self.known) if self.known else "none"
        return (
            f"no {self.kind} is called '{self.name}'.{did_you_mean(self.name, self.known)}"
            f" There are: {there}"
        )


class UnknownColumn(UsageError, LookupError):
    """A table has no column of this name.

    file: as named by the caller; column: the name looked for; columns: those that are there.
    """

    def __init__(self, file: str, column: str, columns: Sequence[str]) -> None:
        super().__init__(file, column, columns)
        self.file, self.column, self.columns = file, column, tuple(columns)

    def __str__(self) -> str:
        shown = ", ".join(repr(name[:60]) for name in self.columns[:20])
        more = f" and {len(self.columns) - 20} more" if len(self.columns) > 20 else ""
        return (
            f"{self.file}: there is no column '{self.column}'."
            f"{did_you_mean(self.column, self.columns)} The columns are: {shown}{more}"
        )


class FileUnavailable(UsageError):
    """A file does not exist, or may not be read. file: as named by the caller."""

    def __init__(self, file: str, detail: str) -> None:
        super().__init__(file, detail)
        self.file, self.detail = file, detail

    def __str__(self) -> str:
        return f"{self.file}: {self.detail}"


class MissingExtra(UsageError, ImportError):
    """A feature needs a package that is not installed; `install` is what brings it."""

    def __init__(self, feature: str, package: str, install: str) -> None:
        super().__init__(feature, package, install)
        self.feature, self.package, self.install = feature, package, install

    def __str__(self) -> str:
        return (
            f"{self.feature} needs the package '{self.package}', which is not installed;"
            f" run: pip install '{self.install}'"
        )


class InvalidFilter(UsageError):
    """A filter cannot be read, or compares what has no order."""


class UnknownLanguage(UsageError):
    """A tag is malformed, or not in the registry of BCP 47."""

    def __init__(self, tag: str) -> None:
        super().__init__(tag)
        self.tag = tag

    def __str__(self) -> str:
        shown = self.tag if len(self.tag) <= 40 else self.tag[:40] + "..."
        return f"{shown!r} is not a language tag; use one like 'de', 'pt-BR' or 'zh-Hant'"


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


class EmbedderUnavailable(XlingualError):
    """The server that embeds cannot be reached, refuses, or answers what nobody can use."""

    def __init__(self, where: str, detail: str) -> None:
        super().__init__(where, detail)
        self.where, self.detail = where, detail

    def __str__(self) -> str:
        return f"{self.where}: {self.detail}"


class TextTooLong(InvalidInput):
    """The server refuses a text for its length.

    text: its number among those given, from 0, and its beginning; characters: as sent;
    detail: the server's words; limit: max_tokens in force.
    """

    def __init__(
        self, where: str, text: str, characters: int, detail: str, limit: int | None
    ) -> None:
        super().__init__(where, text, characters, detail, limit)
        self.where, self.text, self.characters = where, text, characters
        self.detail, self.limit = detail, limit

    def __str__(self) -> str:
        remedy = (
            "set max_tokens of the embedder to what the model reads"
            if self.limit is None
            else f"max_tokens is {self.limit} and can only be estimated here: lower it"
        )
        return (
            f"{self.where} refuses {self.text}, of {self.characters:,} characters as sent, for its"
            f" length ({self.detail}); {remedy}, then long texts are cut there and counted, or"
            ' divided with long_texts = "chunk"'
        )


class NotSupported(XlingualError, NotImplementedError):
    """This store cannot do that, and it cannot be done right above it."""

    def __init__(self, where: str, what: str, instead: str) -> None:
        super().__init__(where, what, instead)
        self.where, self.what, self.instead = where, what, instead

    def __str__(self) -> str:
        return f"{self.where} cannot {self.what}; {self.instead}"


class StoreError(XlingualError):
    """The store's own troubles."""


class CollectionMissing(StoreError, LookupError):
    """No collection of this name is at this place."""

    def __init__(self, name: str, where: str, known: Sequence[str] = ()) -> None:
        super().__init__(name, where, known)
        self.name, self.where, self.known = name, where, tuple(known)

    def __str__(self) -> str:
        there = f" It holds: {', '.join(self.known)}." if self.known else ""
        return (
            f"no collection '{self.name}' in {self.where}.{did_you_mean(self.name, self.known)}"
            f"{there} Ingesting into it creates it"
        )


class CollectionExists(StoreError):
    """A collection of this name is there already; nothing was changed."""

    def __init__(self, name: str, where: str) -> None:
        super().__init__(name, where)
        self.name, self.where = name, where

    def __str__(self) -> str:
        return f"collection '{self.name}' exists in {self.where}; open it, or choose another name"


class ReplacementMissing(StoreError, LookupError):
    """No replacement of this collection has been begun."""

    def __init__(self, name: str, where: str) -> None:
        super().__init__(name, where)
        self.name, self.where = name, where

    def __str__(self) -> str:
        return (
            f"no replacement of collection '{self.name}' has been begun in {self.where};"
            " begin_replacement does"
        )


class TransferIncomplete(StoreError):
    """The verification of a copy found a difference. differences: in words."""

    def __init__(self, name: str, where: str, differences: Sequence[str]) -> None:
        super().__init__(name, where, differences)
        self.name, self.where, self.differences = name, where, tuple(differences)

    def __str__(self) -> str:
        return (
            f"collection '{self.name}' in {self.where} is not yet what its source is:"
            f" {'; '.join(self.differences)}; was the source written meanwhile? Run it again:"
            " it goes on with what differs"
        )


class DocumentExists(StoreError, ValueError):
    """Some ids are taken, and `if_exists="error"` was asked for."""

    def __init__(self, ids: Sequence[str]) -> None:
        super().__init__(ids)
        self.ids = tuple(ids)

    def __str__(self) -> str:
        shown = ", ".join(repr(name) for name in self.ids[:5])
        more = f" and {len(self.ids) - 5} more" if len(self.ids) > 5 else ""
        return (
            f"{len(self.ids)} ids are in the collection already: {shown}{more};"
            " use if_exists='replace' or 'skip'"
        )


class EmbedderMismatch(StoreError, ValueError):
    """The collection was made with another embedder; its vectors mean something else.

    remedy: what to do, in words.
    """

    def __init__(
        self,
        collection: str,
        stored: str,
        given: str,
        differences: str,
        remedy: str = "open it with the embedder it was made with, or embed its texts again with"
        " `xlingual reembed`",
    ) -> None:
        super().__init__(collection, stored, given, differences, remedy)
        self.collection, self.stored, self.given = collection, stored, given
        self.differences, self.remedy = differences, remedy

    def __str__(self) -> str:
        return (
            f"collection '{self.collection}' was made with {self.stored}, not with {self.given}:"
            f" {self.differences}; {self.remedy}"
        )


class SchemaMismatch(StoreError, ValueError):
    """The collection was made with another schema than the one asked for.

    remedy: what to do, in words.
    """

    def __init__(
        self,
        collection: str,
        differences: str,
        remedy: str = "open it without a schema, or choose another name",
    ) -> None:
        super().__init__(collection, differences, remedy)
        self.collection, self.differences, self.remedy = collection, differences, remedy

    def __str__(self) -> str:
        return (
            f"collection '{self.collection}' has another schema: {self.differences}; {self.remedy}"
        )


class CollectionLocked(StoreError):
    """Another process is writing to this collection."""

    def __init__(self, where: str, holder: str) -> None:
        super().__init__(where, holder)
        self.where, self.holder = where, holder

    def __str__(self) -> str:
        return (
            f"{self.where} is being written by {self.holder}; reading is possible meanwhile,"
            " to write wait until it ends"
        )


class CollectionReadOnly(StoreError):
    """The collection belongs to another program; this library only reads it."""

    def __init__(self, collection: str, where: str) -> None:
        super().__init__(collection, where)
        self.collection, self.where = collection, where

    def __str__(self) -> str:
        return (
            f"collection '{self.collection}' in {self.where} belongs to another program and is"
            " only read here; `xlingual move` copies it into one that can be written"
        )


class CollectionDamaged(StoreError):
    """A file of the collection does not match its checksum, or cannot be read.

    ids: the documents concerned, whose texts are safe if they can be named.
    """

    def __init__(self, where: str, detail: str, ids: Sequence[str] = ()) -> None:
        super().__init__(where, detail, ids)
        self.where, self.detail, self.ids = where, detail, tuple(ids)

    def __str__(self) -> str:
        if not self.ids:
            return f"{self.where} is damaged: {self.detail}; restore it from a copy"
        shown = ", ".join(repr(name) for name in self.ids[:5])
        more = f" and {len(self.ids) - 5} more" if len(self.ids) > 5 else ""
        return (
            f"{self.where} is damaged: {self.detail}; {len(self.ids)} documents have lost their"
            f" vectors but not their texts: {shown}{more}; embed them again with"
            " `xlingual repair` or Collection.repair()"
        )


class FormatTooNew(StoreError):
    """The data was written by a newer version of this library."""

    def __init__(self, where: str, found: int, known: int) -> None:
        super().__init__(where, found, known)
        self.where, self.found, self.known = where, found, known

    def __str__(self) -> str:
        return (
            f"{self.where} has format version {self.found}, this xlingual-qdrant reads up to"
            f" {self.known}; run: pip install -U xlingual-qdrant"
        )


class StoreUnavailable(StoreError):
    """The disk is full or read-only, or the server does not answer."""

    def __init__(self, where: str, detail: str) -> None:
        super().__init__(where, detail)
        self.where, self.detail = where, detail

    def __str__(self) -> str:
        return f"{self.where}: {self.detail}"


class XlingualWarning(UserWarning):
    """Something that is done, but perhaps not as it was meant; the base of all such."""


class TextTruncated(XlingualWarning):
    """A text is longer than the embedder reads; the rest of it has no part in its vector."""


class TextSuspect(XlingualWarning):
    """A text looks damaged: it was decoded wrongly, or its characters came as codes."""


class CacheUnused(XlingualWarning):
    """The embedding cache cannot be read or written; texts are embedded without it."""


class ScriptUnknown(XlingualWarning):
    """The embedder gives different texts of some script the same vector: it cannot read them."""
