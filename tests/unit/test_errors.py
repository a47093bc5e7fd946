"""The error tree: every error pickles, and its message is a finished sentence."""

from __future__ import annotations

import copy
import inspect
import re
from pathlib import Path

import pytest

from xlingual_qdrant import errors
from xlingual_qdrant.errors import (
    CollectionDamaged,
    CollectionExists,
    CollectionLocked,
    CollectionMissing,
    CollectionReadOnly,
    DocumentExists,
    EmbedderMismatch,
    EmbedderUnavailable,
    FileUnavailable,
    FormatTooNew,
    InvalidDocument,
    InvalidFilter,
    InvalidVectors,
    MissingExtra,
    NotSupported,
    RecordRejected,
    ReplacementMissing,
    SchemaMismatch,
    SettingsError,
    StoreUnavailable,
    TextTooLong,
    TransferIncomplete,
    UnknownColumn,
    UnknownLanguage,
    UnknownName,
    UnreadableFile,
    UsageError,
    XlingualError,
    XlingualWarning,
    did_you_mean,
)

EXAMPLES: tuple[XlingualError, ...] = (
    SettingsError("port is not a number"),
    UnknownName("store", "fais", ("faiss", "memory")),
    UnknownName("store", "x", ()),
    UnknownColumn("a.csv", "txt", ("text", "lang")),
    FileUnavailable("a.csv", "there is no such file"),
    MissingExtra("reading Parquet", "pyarrow", "xlingual-qdrant[parquet]"),
    InvalidFilter("expected a value"),
    InvalidDocument("empty", "the text is empty", 3),
    InvalidDocument("type", "the text is not a string"),
    InvalidVectors("shape (2, 3)"),
    UnreadableFile("a.jsonl", "gzip", "ends early"),
    RecordRejected("a.jsonl", 3, "empty", "the text is empty"),
    NotSupported("faiss", "alias collections", "use two names"),
    CollectionMissing("suport", "xlingual-data", ("support", "other")),
    CollectionMissing("support", "xlingual-data"),
    CollectionExists("support", "xlingual-data"),
    DocumentExists(("a", "b")),
    EmbedderMismatch("support", "static:a", "static:b", "cosines 0.1"),
    SchemaMismatch("support", "384 and 256 dimensions"),
    CollectionLocked("xlingual-data", "process 42"),
    CollectionDamaged("de.vectors", "checksum", ("a", "b")),
    CollectionDamaged("catalog", "not a database"),
    FormatTooNew("xlingual-data", 9, 1),
    StoreUnavailable("xlingual-data", "the disk is full"),
    CollectionReadOnly("old", "http://localhost:6333"),
    ReplacementMissing("support", "xlingual-data"),
    TransferIncomplete("support", "xlingual-data", ("2 documents are missing, such as 'a'",)),
    UnknownLanguage("german"),
    EmbedderUnavailable("model at http://localhost:8080", "no answer"),
    TextTooLong("model at http://localhost:8080", "text 3", 900, "too many tokens", 512),
)
EVERY_ERROR = {
    kind
    for kind in vars(errors).values()
    if inspect.isclass(kind) and issubclass(kind, XlingualError)
}


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_an_error_survives_pickling(error: XlingualError) -> None:
    again = copy.copy(error)
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert vars(again) == vars(error)


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_a_message_holds_every_fact_and_no_placeholder(error: XlingualError) -> None:
    message = str(error)
    assert not re.search(r"\{\w*\}|%s|None|\['", message)
    assert message == message.strip()
    for fact in error.args:
        for value in fact if isinstance(fact, tuple) else (fact,):
            assert value is None or str(value) in message


def test_every_error_has_an_example_here() -> None:
    abstract = {kind for kind in EVERY_ERROR if kind.__subclasses__()}
    shown = {type(error) for error in EXAMPLES}
    assert EVERY_ERROR - abstract - shown == set()


def test_the_drawn_tree_is_the_tree() -> None:
    drawn = re.findall(r"^[ │├└─]*([A-Z]\w+)", errors.__doc__ or "", re.MULTILINE)
    assert {name for name in drawn if hasattr(errors, name)} == {
        kind.__name__ for kind in EVERY_ERROR
    }


def test_the_package_offers_every_error_and_warning() -> None:
    kinds = {
        kind.__name__
        for room in vars(errors).values()
        if inspect.ismodule(room)
        for kind in vars(room).values()
        if inspect.isclass(kind) and issubclass(kind, (XlingualError, XlingualWarning))
    }
    assert {kind.__name__ for kind in EVERY_ERROR} <= kinds <= set(errors.__all__)


def test_errors_are_imported_from_the_package_not_from_its_rooms() -> None:
    root = Path(errors.__file__).parents[2]
    files = [
        f for top in ("xlingual_qdrant", "adapters", "tests") for f in (root / top).rglob("*.py")
    ]
    inside = Path(errors.__file__).parent
    for file in files:
        if file.parent != inside:
            source = file.read_text(encoding="utf-8")
            assert not re.search(
                r"^ *(from|import) xlingual_qdrant\.errors\.", source, re.MULTILINE
            ), file


def test_errors_are_also_what_python_calls_them() -> None:
    for kind, python in (
        (UsageError, ValueError),
        (UnknownName, LookupError),
        (MissingExtra, ImportError),
        (InvalidDocument, ValueError),
        (CollectionMissing, LookupError),
        (NotSupported, NotImplementedError),
    ):
        assert issubclass(kind, python)


def test_the_nearest_known_name_is_suggested() -> None:
    assert did_you_mean("fais", ["memory", "faiss"]) == " Did you mean 'faiss'?"
    assert did_you_mean("x", ["memory", "faiss"]) == ""
    assert did_you_mean("x", []) == ""


def test_a_damage_of_many_documents_names_some() -> None:
    message = str(CollectionDamaged("f", "d", tuple(str(number) for number in range(100))))
    assert "100 documents" in message
    assert "and 95 more" in message
