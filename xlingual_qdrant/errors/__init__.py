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

They are imported from here, `from xlingual_qdrant.errors import StoreError`; the modules of
this package only divide them into rooms.

What is done, but perhaps not as it was meant, is warned of, by an XlingualWarning each.
"""

from __future__ import annotations

from xlingual_qdrant.errors.embedding import (
    EmbedderUnavailable,
    TextTooLong,
)
from xlingual_qdrant.errors.inputs import (
    InvalidDocument,
    InvalidInput,
    InvalidVectors,
    RecordRejected,
    UnreadableFile,
)
from xlingual_qdrant.errors.root import (
    Reason,
    XlingualError,
    did_you_mean,
)
from xlingual_qdrant.errors.stores import (
    CollectionDamaged,
    CollectionExists,
    CollectionLocked,
    CollectionMissing,
    CollectionReadOnly,
    DocumentExists,
    EmbedderMismatch,
    FormatTooNew,
    NotSupported,
    ReplacementMissing,
    SchemaMismatch,
    StoreError,
    StoreUnavailable,
    TransferIncomplete,
)
from xlingual_qdrant.errors.usage import (
    FileUnavailable,
    InvalidFilter,
    MissingExtra,
    SettingsError,
    UnknownColumn,
    UnknownLanguage,
    UnknownName,
    UsageError,
)
from xlingual_qdrant.errors.warnings import (
    CacheUnused,
    CalibrationUnused,
    ScriptUnknown,
    TextSuspect,
    TextTruncated,
    XlingualWarning,
)

__all__ = [
    "CacheUnused",
    "CalibrationUnused",
    "CollectionDamaged",
    "CollectionExists",
    "CollectionLocked",
    "CollectionMissing",
    "CollectionReadOnly",
    "DocumentExists",
    "EmbedderMismatch",
    "EmbedderUnavailable",
    "FileUnavailable",
    "FormatTooNew",
    "InvalidDocument",
    "InvalidFilter",
    "InvalidInput",
    "InvalidVectors",
    "MissingExtra",
    "NotSupported",
    "Reason",
    "RecordRejected",
    "ReplacementMissing",
    "SchemaMismatch",
    "ScriptUnknown",
    "SettingsError",
    "StoreError",
    "StoreUnavailable",
    "TextSuspect",
    "TextTooLong",
    "TextTruncated",
    "TransferIncomplete",
    "UnknownColumn",
    "UnknownLanguage",
    "UnknownName",
    "UnreadableFile",
    "UsageError",
    "XlingualError",
    "XlingualWarning",
    "did_you_mean",
]
