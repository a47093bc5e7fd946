"""A store's own troubles, and what it cannot do."""

from __future__ import annotations

from collections.abc import Sequence

from xlingual_qdrant.errors.root import XlingualError, did_you_mean


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
